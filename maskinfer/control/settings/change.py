"""Changes to the settings file that leave its comments and its order as they are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskinfer.control.settings.read import settings_from
from maskinfer.control.settings.types import LineSettings, ZoneSettings
from maskinfer.engine.errors import MissingExtraError, RequestError
from maskinfer.engine.files.atomic import atomic_write

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

# A ten-thousandth of 4K is less than half a pixel.
_DIGITS = 4


def save_zones(
    path: Path,
    camera: str,
    zones: Sequence[ZoneSettings],
    lines: Sequence[LineSettings],
    *,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Write a camera's zones and lines into the settings file, which appears whole or not at all.

    Args:
        path: of the file.
        camera: its name.
        zones, lines: all that it is to have; of those that are there already only what differs is written.
        environ: the environment variables that the file needs.

    Raises:
        RequestError: there is no such camera in the file, or a zone or line cannot be; the file is as it was.
        OutputError: the file cannot be written.
        MissingExtraError: tomlkit is not installed.
    """
    try:
        import tomlkit
    except ImportError as error:
        raise MissingExtraError("tomlkit, which changes the settings file,", "serve") from error
    try:
        document = tomlkit.parse(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} cannot be read any more: {error}") from error
    table = _camera(document, path, camera)
    after = _taken_off(_last(table))
    _replace(table, "zones", [_zone(zone) for zone in zones])
    _replace(table, "lines", [_line(line) for line in lines])
    for item in after:
        _last(table).add(item)
    text = tomlkit.dumps(document)
    settings_from(text, str(path), environ=environ)
    with atomic_write(path) as part:
        part.write_bytes(text.encode())


def _camera(document: TOMLDocument, path: Path, name: str) -> Any:
    cameras: Any = document.get("cameras", [])
    for table in cameras:
        if table.get("name") == name:
            return table
    raise RequestError(f"there is no camera {name!r} in {path}")


def _zone(zone: ZoneSettings) -> dict[str, Any]:
    plain = ZoneSettings(zone.name, zone.polygon)
    more = {
        name: list(value) if isinstance(value, tuple) else value
        for name in ("allowed", "hold_s", "cooldown_s")
        if (value := getattr(zone, name)) != getattr(plain, name)
    }
    return {"name": zone.name, "polygon": _corners(zone.polygon), **more}


def _line(line: LineSettings) -> dict[str, Any]:
    return {"name": line.name, "ends": _corners(line.ends)}


def _corners(points: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [[round(float(x), _DIGITS), round(float(y), _DIGITS)] for x, y in points]


def _replace(camera: Any, what: str, wanted: list[dict[str, Any]]) -> None:
    """Make the list of tables ``what`` of a camera hold what is wanted, and keep the tables that stay."""
    import tomlkit
    from tomlkit.items import AoT, InlineTable

    there = camera.get(what)
    if not wanted and there is None:
        return
    if isinstance(camera, InlineTable) or (there is not None and not isinstance(there, AoT)):
        camera[what] = wanted
        return
    kept = {str(table.get("name")): table for table in there or ()}
    tables = tomlkit.aot()
    for one in wanted:
        tables.append(_updated(kept.get(one["name"]) or tomlkit.table(), one))
    if wanted:
        camera[what] = tables
    else:
        del camera[what]


def _last(camera: Any) -> Any:
    """Return the table of a camera that stands last in the file, maybe the camera itself."""
    from tomlkit.items import AoT

    inner = [value for value in camera.values() if isinstance(value, AoT) and len(value)]
    return inner[-1][-1] if inner else camera


def _taken_off(table: Any) -> list[Any]:
    """Take the comments and empty lines off a table's end: they are about what follows in the file."""
    body = table.value.body
    begin = next((i + 1 for i in range(len(body) - 1, -1, -1) if body[i][0] is not None), 0)
    after = [item for _, item in body[begin:]]
    del body[begin:]
    return after


def _updated(table: Any, wanted: dict[str, Any]) -> Any:
    for key in [key for key in table if key not in wanted]:
        del table[key]
    for key, value in wanted.items():
        if key not in table or table[key] != value:
            table[key] = value
    return table

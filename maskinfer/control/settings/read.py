"""Reads the settings of a control room from its file, or makes them of sources."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from maskinfer.control.settings.checks import mistakes
from maskinfer.control.settings.lines import line_of
from maskinfer.control.settings.types import CameraSettings, PageSettings, Settings
from maskinfer.engine.errors import RequestError
from maskinfer.engine.schema import FieldError, from_plain, parse_toml
from maskinfer.engine.sources.names import named, names_of

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SECRETS = {"url", "look_at", "username", "password", "password_hash", "token", "secret", "headers"}
_MOST_TOLD = 5


def read_settings(path: Path, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read a settings file.

    ``${NAME}`` in a text stands for the environment variable of that name. A relative folder of the store is taken from
    the folder of the file.

    Args:
        path: of the file.
        environ: the environment variables.

    Raises:
        RequestError: it cannot be read, or holds a mistake; the message names the file, the line and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is no text in UTF-8") from error
    settings = settings_from(text, str(path), environ=environ)
    beside = path.resolve().parent
    store = replace(settings.store, folder=str(beside / Path(settings.store.folder).expanduser()))
    if settings.collect is None:
        return replace(settings, store=store)
    site = beside / Path(settings.collect.folder).expanduser()
    return replace(settings, store=store, collect=replace(settings.collect, folder=str(site)))


def settings_from(text: str, name: str, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that a TOML text holds.

    Args:
        text: of the file.
        name: of the file, for messages.
        environ: the environment variables.

    Raises:
        RequestError: as for ``read_settings``.
    """
    try:
        raw = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        said, _, where = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", where)
        where = f"line {line[1]}" if line else f"line {text.count(chr(10)) + 1}"
        raise RequestError(f"{name}, {where}: this is no TOML: {said or error}") from error
    except ValueError as error:
        raise RequestError(f"{name}: {error}") from error
    try:
        settings = from_plain(_filled(raw, environ, ()), Settings)
    except FieldError as error:
        raise RequestError(f"{name}, line {line_of(text, error.path)}: {_harmless(error, raw)}") from error
    if wrong := list(mistakes(settings)):
        told = [f"line {line_of(text, where)}: {what}" for where, what in wrong[:_MOST_TOLD]]
        more = f"; and {len(wrong) - _MOST_TOLD} more mistakes" if len(wrong) > _MOST_TOLD else ""
        raise RequestError(f"{name}, {'; '.join(told)}{more}")
    return settings


def settings_of(sources: Sequence[str]) -> Settings:
    """Return settings that watch sources, with the defaults for all else.

    Args:
        sources: each may have a name, as ``door=rtsp://10.0.0.7/ch1``; others are called ``camera 1``, ``camera 2`` ...

    Raises:
        RequestError: there is no source, one is named twice, or one is a camera that no machine can have.
    """
    names_of(sources)
    given = [named(source) for source in sources]
    taken = {name for name, _ in given}
    free = (name for i in count(1) if (name := f"camera {i}") not in taken)
    return Settings(tuple(CameraSettings(name or next(free), address) for name, address in given))


def settings_for_serve(
    file: Path | None, sources: Sequence[str], *, store: Path | None = None, listen: str | None = None
) -> Settings:
    """Return the settings of a file, or those that watch sources, with a folder or an address of the caller's own.

    Args:
        file: of the settings; None for ``sources``.
        sources: see ``settings_of``.
        store: folder of the store; a relative one is taken from the folder of this process.
        listen: address and port of the page.

    Raises:
        RequestError: as for ``read_settings``, or ``listen`` cannot be listened to without an account.
    """
    settings = settings_of(sources) if file is None else read_settings(file)
    if store is not None:
        settings = replace(settings, store=replace(settings.store, folder=str(store.resolve())))
    if listen is not None:
        try:
            page = from_plain({"listen": listen}, PageSettings)
        except FieldError as error:
            raise RequestError(str(error)) from error
        settings = replace(settings, page=replace(settings.page, listen=page.listen))
    if wrong := list(mistakes(settings)):
        raise RequestError("; ".join(what for _, what in wrong))
    return settings


def _filled(data: Any, environ: Mapping[str, str], path: tuple[str | int, ...]) -> Any:
    """Return plain data with the values of environment variables in the place of their names."""
    if isinstance(data, dict):
        return {key: _filled(value, environ, (*path, key)) for key, value in data.items()}
    if isinstance(data, list):
        return [_filled(value, environ, (*path, i)) for i, value in enumerate(data)]
    if not isinstance(data, str):
        return data
    missing = [name for name in _VARIABLE.findall(data) if not environ.get(name)]
    if missing:
        what = "variable" if len(missing) == 1 else "variables"
        where = ".".join(str(key) for key in path if isinstance(key, str))
        raise FieldError(f"{where} needs the environment {what} {', '.join(missing)}: set it and start again", path)
    return _VARIABLE.sub(lambda match: environ[match[1]], data)


def _harmless(error: FieldError, raw: Any) -> str:
    """Return what is wrong without the value, if that may be a secret."""
    value: Any = raw
    for key in error.path:
        holds = isinstance(value, list | dict) and (key in value if isinstance(value, dict) else isinstance(key, int))
        value = value[key] if holds else ""
    is_secret = not _SECRETS.isdisjoint(error.path) or (isinstance(value, str) and _VARIABLE.search(value))
    field, found, expected = str(error).partition(", expected ")
    return f"{field.partition(' is ')[0]} is something else: expected {expected}" if is_secret and found else str(error)

"""Label Studio: a JSON list of tasks, in its full form or as JSON-MIN (https://labelstud.io/guide/export)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from maskinfer.training.data.formats.raw import (
    RawBox,
    RawData,
    RawPicture,
    broken,
    find_picture,
    is_there,
    number,
    read_json,
    roots_of,
)

WHAT = "a JSON export of Label Studio"
NOT_ANNOTATED = "tasks without an annotation"
FURTHER = "annotations beside the first of a task"
OTHER = "results that are neither rectangles nor choices"
# An upload's name begins with eight digits that Label Studio put there.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
_PICTURE = re.compile(r"\.(jpe?g|png|webp|bmp|tiff?|avif|heic)$", re.IGNORECASE)


def read_label_studio(file: Path, images: Path | None = None) -> RawData:
    """Read the tasks of an export; their pictures lie beside it or in ``images``, by their names alone.

    Args:
        file: the JSON file.
        images: the folder of its pictures, if it is another.

    Raises:
        SourceNotFoundError, SourceError: it cannot be read.
    """
    tasks = read_json(file, WHAT)
    roots = roots_of(file, images, "media", "upload")
    left_out: list[tuple[str, str]] = []
    pictures: list[RawPicture] = []
    try:
        for task in tasks:
            results = _results(task, left_out)
            if results is not None:
                path = _find(_address(task.get("data", task)), roots)
                pictures.append(_picture(path, results, left_out))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise broken(file, WHAT, error) from error
    return RawData(tuple(pictures), tuple(left_out))


def _address(data: Mapping[str, Any]) -> str:
    """Return the one value of a task that names a picture."""
    found = [
        value for value in data.values() if isinstance(value, str) and _PICTURE.search(unquote(value.split("?")[-1]))
    ]
    found = found or [v for v in data.values() if isinstance(v, str) and _PICTURE.search(urlsplit(v).path)]
    if not found:
        raise ValueError("a task names no picture")
    return found[0]


def _find(address: str, roots: Sequence[Path]) -> Path:
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d", [""])[0]  # /data/local-files/?d=folder/picture.jpg
    whole = unquote(local or parts.path).lstrip("/")
    name = Path(whole).name
    tried = [whole, name, _UPLOADED.sub("", name)]
    places = [find_picture(one, roots) for one in tried]
    return next((place for place in places if is_there(place)), places[1])


def _results(task: Mapping[str, Any], left_out: list[tuple[str, str]]) -> Sequence[Mapping[str, Any]] | None:
    where = f"task {task.get('id')}"
    if "data" not in task:  # JSON-MIN: the controls' names stand beside the data
        minimal = list(_minimal(task))
        if not minimal and not task.get("annotation_id"):
            left_out.append((NOT_ANNOTATED, where))
            return None
        return minimal
    # A newer release calls them annotations, an older one completions.
    given = [a for a in task.get("annotations") or task.get("completions") or () if not a.get("was_cancelled")]
    if not given:
        left_out.append((NOT_ANNOTATED, where))
        return None
    given.sort(key=lambda annotation: not annotation.get("ground_truth"))
    left_out += [(FURTHER, where)] * (len(given) - 1)
    return list(given[0]["result"])


def _minimal(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for value in task.values():
        for one in value if isinstance(value, list) else ():
            if isinstance(one, dict) and "rectanglelabels" in one:
                yield {"type": "rectanglelabels", "value": one}
    for name in ("choice", "label"):
        if isinstance(task.get(name), str):
            yield {"type": "choices", "value": {"choices": [task[name]]}}


def _picture(path: Path, results: Sequence[Mapping[str, Any]], left_out: list[tuple[str, str]]) -> RawPicture:
    boxes, label = [], None
    for result in results:
        kind, value = result.get("type"), result["value"]
        if kind == "rectanglelabels":
            boxes.append(RawBox(_only(value["rectanglelabels"]), _box(value), relative=True))
        elif kind == "choices":
            label = _only(value["choices"])
        else:
            left_out.append((OTHER, path.name))
    return RawPicture(path, tuple(boxes), None if boxes else label)


def _only(names: Sequence[str]) -> str:
    if len(names) != 1:
        raise ValueError(f"{len(names)} labels where one was expected")
    return str(names[0])


def _box(value: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Return a box of the picture's sides; of a turned one, the one around it: it turns about its left upper corner.

    Percent of width and height are taken as they stand, so that a box that is turned in a picture that is far from
    square is only nearly right.
    """
    x, y, width, height = (number(value[name]) / 100 for name in ("x", "y", "width", "height"))
    angle = math.radians(number(value.get("rotation") or 0))
    cos, sin = math.cos(angle), math.sin(angle)
    corners = [(x + a * cos - b * sin, y + a * sin + b * cos) for a in (0, width) for b in (0, height)]
    return (
        min(c[0] for c in corners),
        min(c[1] for c in corners),
        max(c[0] for c in corners),
        max(c[1] for c in corners),
    )

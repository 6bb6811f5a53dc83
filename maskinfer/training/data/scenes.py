"""Annotated scenes, and how well predictions on them are found and labelled.

A scenes file holds a JSON object a line::

    {"image": "set/x.jpg", "set": "set", "width": W, "height": H,
     "faces": [{"bbox": [left, top, right, bottom], "label": "with_mask"}, ...]}

Image paths are relative to the file's folder. A scene or a face may carry a key ``slice``: a name, or a list of names,
of what is special about it ("sunglasses", "night"); figures are then given for each such name too. A scene may carry a
key ``visit``: pictures of one visit stay together when data are split and intervals are measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.results import FloatArray

SCENES_FILE = "scenes.jsonl"


@dataclass(frozen=True, slots=True)
class Scene:
    """An image whose every face is annotated.

    Attributes:
        path: of the image.
        set: name of the data set that it is from.
        xyxy: float32 (N, 4), in pixels of the stored image.
        labels: N.
        slices: that the whole scene belongs to.
        face_slices: that each of the N faces belongs to besides; empty when none does.
        visit: that the picture was taken in; empty where that is not known.
    """

    path: Path
    set: str
    xyxy: FloatArray
    labels: tuple[str, ...]
    slices: tuple[str, ...] = ()
    face_slices: tuple[tuple[str, ...], ...] = ()
    visit: str = ""


def read_scenes(data: Path) -> list[Scene]:
    """Return the scenes of a file, or of ``scenes.jsonl`` in a folder.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: a line is not as described above.
    """
    file = data / SCENES_FILE if data.is_dir() else data
    return [_scene(record, file, number) for number, record in read_records(file, "annotated scene")]


def read_records(file: Path, what: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the number and the object of each line of a JSON Lines file.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: it cannot be read, or a line holds no object.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")  # not at other ends of lines, which a text may hold
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{file} does not exist: expected {what}s, a JSON object a line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error
    return [(number, _record(line, file, number, what)) for number, line in enumerate(lines, 1) if line.strip()]


def _record(line: str, file: Path, number: int, what: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        raise SourceError(f"{file}:{number} is not an {what}: {error!r}") from error


def _scene(record: dict[str, Any], file: Path, number: int) -> Scene:
    try:
        faces = record["faces"]
        boxes = np.asarray([_box(face["bbox"], record) for face in faces], np.float32).reshape(-1, 4)
        labels = tuple(str(face["label"]) for face in faces)
        own = tuple(read_slices(face) for face in faces)
        path, name = file.parent / record["image"], str(record.get("set", ""))
        return Scene(path, name, boxes, labels, read_slices(record), own, str(record.get("visit") or ""))
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file}:{number} is not an annotated scene: {error!r}") from error


def _box(bbox: Sequence[float], record: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Return a box that can be one: four numbers, right of left and below top, at least partly in its picture."""
    left, top, right, bottom = (float(value) for value in bbox)
    if not all(map(math.isfinite, (left, top, right, bottom))) or left >= right or top >= bottom:
        raise ValueError(f"the box {list(bbox)} is impossible: expected left, top, right, bottom in pixels")
    width, height = float(record.get("width", math.inf)), float(record.get("height", math.inf))
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise ValueError(f"the box {list(bbox)} lies outside of its picture of {width:g}x{height:g} pixels")
    return left, top, right, bottom


def read_slices(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names under a record's key ``slice``: one, a list, or none."""
    value = record.get("slice") or ()
    return (value,) if isinstance(value, str) else tuple(str(name) for name in value)

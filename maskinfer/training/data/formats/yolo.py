"""YOLO: ``data.yaml`` of ultralytics names the classes and folders, a text file a picture holds the boxes.

Label Studio and others write a ``classes.txt`` instead, with a class a line, beside ``images`` and ``labels``.

See https://docs.ultralytics.com/datasets/detect/: a line is ``class x_centre y_centre width height``, of the picture's
sides; a line of a segmentation is ``class x1 y1 x2 y2 ...``. A picture without a text file shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from maskinfer.engine.errors import SourceError
from maskinfer.training.data.formats.raw import (
    RawBox,
    RawData,
    RawPicture,
    broken,
    is_there,
    number,
    pictures_in,
    read_text,
)

WHAT = "a YOLO data.yaml with names and train, val or test"
CLASSES_FILES = ("classes.txt", "obj.names")
PARTS = ("train", "val", "test")
NO_FILE = "pictures without a text file, taken as pictures of no face"
TWICE = "pictures that several parts name, taken once"
SEGMENTS = "outlines, taken as the boxes around them"


def read_yolo(file: Path, images: Path | None = None) -> RawData:
    """Read what a ``data.yaml`` or a ``classes.txt`` describes.

    Args:
        file: that names the classes.
        images: the folder that its paths are relative to, instead of the one it names.

    Raises:
        SourceNotFoundError, SourceError: it cannot be read, or a text file is not as described above.
    """
    if file.name in CLASSES_FILES:
        listed = [line.strip() for line in read_text(file, WHAT).split("\n") if line.strip()]
        return _read(file, dict(enumerate(listed)), images or file.parent, {"": "images"})
    import yaml

    try:
        content = yaml.safe_load(read_text(file, WHAT))
        names = _names(content["names"])
        root = images or file.parent / str(content.get("path") or "")
        parts = {part: content[part] for part in PARTS if content.get(part)}
        if not parts:
            raise ValueError("it names no train, val or test")
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise broken(file, WHAT, error) from error
    return _read(file, names, root, parts)


def _read(file: Path, names: dict[int, str], root: Path, parts: Mapping[str, Any]) -> RawData:
    notes: list[tuple[str, str]] = []
    pictures: dict[Path, RawPicture] = {}
    for part, places in parts.items():
        for path in _pictures(places, root, file):
            if path in pictures:
                notes.append((TWICE, str(path)))
            else:
                pictures[path] = RawPicture(path, tuple(_boxes(path, names, notes)), part=part)
    if pictures and sum(what == NO_FILE for what, _ in notes) == len(pictures):
        expected = label_file(next(iter(pictures)))
        raise SourceError(f"none of the pictures of {file} has a text file of boxes: expected one as {expected}")
    return RawData(tuple(pictures.values()), notes=tuple(notes))


def _names(names: Any) -> dict[int, str]:
    found = dict(names) if isinstance(names, dict) else dict(enumerate(names))
    return {int(key): str(name) for key, name in found.items()}


def _pictures(places: Any, root: Path, file: Path) -> Iterator[Path]:
    """Yield the pictures of a part: a folder with any folders in it, a text file of paths, or a list of those."""
    for place in places if isinstance(places, list) else [places]:
        path = root / str(place)
        if not path.exists() and (file.parent / str(place)).exists():
            path = file.parent / str(place)
        if path.is_dir():
            yield from pictures_in(path)
            for folder in sorted(below for below in path.rglob("*") if below.is_dir()):
                yield from pictures_in(folder)
        elif path.suffix == ".txt" and path.is_file():
            yield from (path.parent / line.strip() for line in read_text(path, WHAT).split("\n") if line.strip())
        else:
            raise SourceError(f"{file} names {path}, which is not there: unpack the pictures, or correct its path")


def label_file(picture: Path) -> Path:
    """Return where the boxes of a picture are: in ``labels`` in the place of the last ``images`` of its path."""
    parts = list(picture.parent.parts)
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        parts[last] = "labels"
    return Path(*parts) / f"{picture.stem}.txt"


def _boxes(picture: Path, names: dict[int, str], notes: list[tuple[str, str]]) -> Iterator[RawBox]:
    file = label_file(picture)
    if not is_there(file):
        notes.append((NO_FILE, str(picture)))
        return
    for row, line in enumerate(read_text(file, "YOLO boxes").split("\n"), 1):
        values = line.split()
        if not values:
            continue
        try:
            kind, *rest = (number(value) for value in values)
            if len(rest) >= 6 and len(rest) % 2 == 0:
                notes.append((SEGMENTS, f"{file}:{row}"))
            yield RawBox(names[int(kind)], _box(rest), relative=True)
        except KeyError as error:
            raise SourceError(f"{file}:{row} has the class {error.args[0]}, which nothing names") from error
        except ValueError as error:
            raise SourceError(f"{file}:{row} is no YOLO box: {error}") from error


def _box(rest: Sequence[float]) -> tuple[float, float, float, float]:
    if len(rest) == 4:
        x, y, width, height = rest
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(rest) >= 6 and len(rest) % 2 == 0:
        return min(rest[::2]), min(rest[1::2]), max(rest[::2]), max(rest[1::2])
    raise ValueError(f"{len(rest) + 1} numbers, expected class, x, y, width and height")

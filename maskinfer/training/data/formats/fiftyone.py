"""FiftyOne's own formats on disk (https://docs.voxel51.com/user_guide/export_datasets.html).

``labels.json`` beside ``data`` holds detections or classifications by the pictures' names; ``samples.json`` beside
``metadata.json`` holds whole samples. Boxes are ``[left, top, width, height]`` of the picture's sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskinfer.engine.errors import SourceError
from maskinfer.training.data.formats.raw import (
    RawBox,
    RawData,
    RawPicture,
    broken,
    is_picture,
    number,
    read_json,
)

WHAT = "a data set of FiftyOne"
NOT_LABELLED = "samples without a label"


def read_fiftyone(file: Path, images: Path | None = None) -> RawData:
    """Read ``labels.json`` or ``samples.json``.

    Args:
        file: the JSON file.
        images: the folder of its pictures, if it is not ``data`` beside the file.

    Raises:
        SourceNotFoundError, SourceError: it cannot be read, or its samples carry labels in several fields.
    """
    content = read_json(file, WHAT)
    try:
        if "samples" in content:
            return _samples(file, content["samples"], images)
        return _labels(content, images or file.parent / "data")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise broken(file, WHAT, error) from error


def _labels(content: Mapping[str, Any], folder: Path) -> RawData:
    classes = content.get("classes") or []
    by_stem = {path.stem: path for path in sorted(folder.rglob("*")) if is_picture(path)}
    pictures, left_out = [], []
    for key, said in content["labels"].items():
        path = by_stem.get(Path(key).stem if is_picture(Path(key)) else key, folder / key)
        if said is None:
            left_out.append((NOT_LABELLED, str(key)))
        elif isinstance(said, list):
            pictures.append(RawPicture(path, tuple(_box(one, classes) for one in said)))
        else:
            value = said.get("label") if isinstance(said, dict) else said
            pictures.append(RawPicture(path, label=_name(value, classes)))
    return RawData(tuple(pictures), tuple(left_out))


def _samples(file: Path, samples: list[Mapping[str, Any]], images: Path | None) -> RawData:
    kinds = {"Detections", "Classification"}
    fields = sorted({name for s in samples for name, v in s.items() if isinstance(v, dict) and v.get("_cls") in kinds})
    if len(fields) != 1:
        raise SourceError(
            f"{file} has labels in {len(fields)} fields ({', '.join(fields)}): export it with one of them"
        )
    pictures, left_out = [], []
    for sample in samples:
        path = (images or file.parent) / str(sample["filepath"])
        said = sample.get(fields[0])
        if said is None:
            left_out.append((NOT_LABELLED, path.name))
        elif said["_cls"] == "Detections":
            pictures.append(RawPicture(path, tuple(_box(one, []) for one in said["detections"])))
        else:
            pictures.append(RawPicture(path, label=str(said["label"])))
    return RawData(tuple(pictures), tuple(left_out))


def _box(one: Mapping[str, Any], classes: list[str]) -> RawBox:
    left, top, width, height = (number(value) for value in one["bounding_box"])
    return RawBox(_name(one["label"], classes), (left, top, left + width, top + height), relative=True)


def _name(label: Any, classes: list[str]) -> str:
    return str(classes[label]) if isinstance(label, int) else str(label)

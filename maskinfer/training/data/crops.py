"""Pictures of one labelled face each, for evaluation.

The detector looks for the face as it does when training cuts its crops, see ``the_face``. Where it finds none, the
face counts as missed. Other faces may be seen in such pictures, so false positives are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskinfer.engine.errors import SourceError
from maskinfer.engine.results import LABELS
from maskinfer.training.data.samples import CROPS_FILE, LabelledImage, read_samples
from maskinfer.training.data.scenes import SCENES_FILE, Scene, read_records, read_slices


def holds_scenes(data: Path) -> bool:
    """Tell whether a file or folder holds annotated scenes; otherwise pictures of single faces are expected.

    Raises:
        SourceNotFoundError, SourceError: a file cannot be read.
    """
    if data.is_dir():
        crops = (data / CROPS_FILE).is_file() or any((data / label).is_dir() for label in LABELS)
        return (data / SCENES_FILE).is_file() or not crops
    records = read_records(data, "annotated scene")
    return not records or "label" not in records[0][1]


def read_crops(data: Path, labels: Sequence[str] = LABELS) -> list[Scene]:
    """Return the pictures of a ``crops.jsonl``, of a folder that holds one, or of a folder for each label.

    The faces' boxes are not known and stand as empty. ``labels`` are those of folders.

    Raises:
        SourceNotFoundError: there are none.
        SourceError: a line is no ``{"image", "label"}``.
    """
    file = data / CROPS_FILE if data.is_dir() else data
    if data.is_dir() and not file.is_file():
        return [_scene(sample) for sample in read_samples([data], labels) if not sample.many]
    return [_crop(record, file, number) for number, record in read_records(file, "annotated picture")]


def _scene(sample: LabelledImage, slices: tuple[str, ...] = ()) -> Scene:
    return Scene(sample.path, sample.set, np.zeros((1, 4), np.float32), (sample.label,), slices)


def _crop(record: dict[str, object], file: Path, number: int) -> Scene:
    try:
        image, label = str(record["image"]), str(record["label"])
        sample = LabelledImage(file.parent / image, label, str(record.get("set", file.parent.name)))
        return _scene(sample, read_slices(record))
    except (KeyError, TypeError) as error:
        raise SourceError(f"{file}:{number} is not an annotated picture: {error!r}") from error

"""Labelled pictures of a training folder.

A folder holds any of: ``crops.jsonl`` (a face a picture: ``{"image", "set", "label"}``, and ``"source"`` if it was
made from another picture), ``scenes.jsonl`` (see
``scenes``), ``scenes_bare.jsonl`` (``{"image", "set", "every_face"}``: all faces carry one label, boxes unknown), or
a folder of pictures for each label, in any case and with spaces or dashes (``With Mask``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.files.listing import APPLE_DOUBLE, IMAGE_SUFFIXES
from maskinfer.training.data.scenes import SCENES_FILE, read_records

CROPS_FILE = "crops.jsonl"
BARE_FILE = "scenes_bare.jsonl"


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A picture, and the label of its face or of every face in it.

    Attributes:
        path: of the picture.
        label: one of the recipe's.
        set: name of the data set that it is from.
        made_from: the picture that it was made from, when it was drawn on.
        many: it is a scene whose every face carries the label; otherwise it shows one face.
    """

    path: Path
    label: str
    set: str
    many: bool = False
    made_from: Path | None = None


def read_samples(folders: Sequence[Path], labels: Sequence[str]) -> list[LabelledImage]:
    """Return the pictures of folders that carry one of the labels, in a fixed order; scenes with boxes are left out.

    Raises:
        SourceNotFoundError: a folder does not exist or holds no such picture.
        SourceError: a list of pictures is not as described above.
    """
    samples: list[LabelledImage] = []
    for folder in folders:
        if not folder.is_dir():
            raise SourceNotFoundError(f"{folder} is not a folder: expected pictures to train on")
        every = list(_read_folder(folder))
        found = [sample for sample in every if sample.label in labels]
        if not found and not (folder / SCENES_FILE).is_file():
            others = ", ".join(sorted({sample.label for sample in every})[:8])
            what = f"no pictures labelled {' or '.join(labels)}, but {others}" if others else "no pictures to train on"
            raise SourceNotFoundError(
                f"{folder} holds {what}: expected {CROPS_FILE}, scenes.jsonl, {BARE_FILE}, "
                f"or the folders {', '.join(labels)}"
            )
        samples += found
    return samples


def _read_folder(folder: Path) -> Iterator[LabelledImage]:
    lists = [file for name in (CROPS_FILE, BARE_FILE) if (file := folder / name).is_file()]
    for file in lists:
        yield from _read_list(file)
    # Of a folder with a list of scenes, the folders in it hold their pictures, and are no classes.
    if not lists and not (folder / SCENES_FILE).is_file():
        for path in sorted(folder.glob("*/*")):
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(APPLE_DOUBLE):
                yield LabelledImage(path, _label_of(path.parent.name), folder.name)


def _label_of(folder: str) -> str:
    """Return the label that a folder's name means: ``With Mask`` and ``with-mask`` are ``with_mask``."""
    return re.sub(r"[\s_-]+", "_", folder.strip().lower())


def _read_list(file: Path) -> Iterator[LabelledImage]:
    for number, record in read_records(file, "labelled picture"):
        try:
            many = "every_face" in record
            label = record["every_face"] if many else record["label"]
            made_from = Path(record["source"]) if "source" in record else None
            yield LabelledImage(
                file.parent / record["image"], label, record.get("set", file.parent.name), many, made_from
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{file}:{number} is not a labelled picture: {error!r}") from error

"""Faces of training folders of which is known what their badly worn masks leave uncovered.

A line of ``crops.jsonl`` (see ``samples``), or a face of ``scenes.jsonl`` (see ``scenes``), says it under the key
``bare``: ``nose`` or ``nose_and_mouth``. ``maskinfer data synth`` writes it of every mask that it draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskinfer.engine.errors import RequestError, SourceError
from maskinfer.engine.records import Bare
from maskinfer.engine.results import BARE, FloatArray
from maskinfer.training.data.samples import CROPS_FILE
from maskinfer.training.data.scenes import SCENES_FILE, read_records


@dataclass(frozen=True, slots=True)
class BareFace:
    """A face with a badly worn mask.

    Attributes:
        path: of its picture.
        bare: what the mask leaves uncovered.
        xyxy: float32 (4,), its box in pixels; None if the picture is of this face alone.
        drawn: whether the mask was drawn on a picture of a bare face.
    """

    path: Path
    bare: Bare
    xyxy: FloatArray | None
    drawn: bool = False


def read_bare_faces(folders: Sequence[Path]) -> list[BareFace]:
    """Return the faces of training folders of which is known what is bare.

    Raises:
        SourceError: a list cannot be read, or holds what is not as described above.
        RequestError: there are not some of both kinds.
    """
    files = [file for folder in folders for name in (CROPS_FILE, SCENES_FILE) if (file := folder / name).is_file()]
    faces = [face for file in files for face in _faces(file)]
    missing = [bare for bare in BARE if not any(face.bare == bare for face in faces)]
    if missing:
        raise RequestError(
            f"no face of {', '.join(map(str, folders))} says that {missing[0]} is bare: expected lines of {CROPS_FILE} "
            f'or faces of {SCENES_FILE} with "bare": "nose" and with "bare": "nose_and_mouth"'
        )
    return faces


def _faces(file: Path) -> Iterator[BareFace]:
    for number, record in read_records(file, "labelled picture"):
        try:
            for one in record.get("faces", [record]):
                if one.get("bare") is not None:
                    yield _face(file.parent / record["image"], one)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"{file}:{number} is not a labelled picture: {error!r}") from error


def _face(path: Path, record: Mapping[str, Any]) -> BareFace:
    if record["bare"] not in BARE:
        raise ValueError(f"bare is {record['bare']!r:.80}, expected one of {', '.join(BARE)}, or null")
    box = np.array(record["bbox"], np.float32).reshape(4) if "bbox" in record else None
    return BareFace(path, record["bare"], box, "source" in record)

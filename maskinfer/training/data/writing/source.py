"""What is exported: annotated data in any format, or what the engine said of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.files.jsonl import read_results
from maskinfer.engine.files.listing import IMAGE_SUFFIXES
from maskinfer.engine.results import FrameResult
from maskinfer.training.data.crops import holds_scenes, read_crops
from maskinfer.training.data.formats.detect import detect
from maskinfer.training.data.formats.raw import Box
from maskinfer.training.data.formats.translate import size_of, translate
from maskinfer.training.data.scenes import Scene, read_records, read_scenes


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A face.

    Attributes:
        box: left, top, right, bottom in pixels; None in a picture of one face without a box.
        label: its label.
        score: the probability of the label, where the engine said it; None where a person did.
    """

    box: Box | None
    label: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Annotated:
    """A picture that is exported.

    Attributes:
        path: of the picture.
        size_wh: in pixels.
        faces: in it.
    """

    path: Path
    size_wh: tuple[int, int]
    faces: tuple[LabelledBox, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported.

    Attributes:
        pictures: in a fixed order.
        left_out: pictures that cannot be read, with the reason.
        is_predicted: the engine said it, not a person.
    """

    pictures: tuple[Annotated, ...]
    left_out: tuple[tuple[Path, str], ...]
    is_predicted: bool


def read_source(data: Path, names: Mapping[str, str]) -> Source:
    """Read what is exported: data of any format, or the results of ``maskinfer image --jsonl``.

    Raises:
        SourceNotFoundError, SourceError: it cannot be read, or there is no picture.
        RequestError: a label is not known.
    """
    found = detect(data)
    if found.format != "maskinfer":
        read = translate(found, found.read(), names)
        crops = [(c.path, (LabelledBox(None, c.label),)) for c in read.crops]
        return _source([*((s.path, _faces(s)) for s in read.scenes), *crops])
    if data.is_file() and _are_results(data):
        return _source([(_picture(r), _predicted(r)) for r in read_results(data)], is_predicted=True)
    if holds_scenes(data):
        return _source([(scene.path, _faces(scene)) for scene in read_scenes(data)])
    return _source([(scene.path, (LabelledBox(None, scene.labels[0]),)) for scene in read_crops(data)])


def _source(every: list[tuple[Path, tuple[LabelledBox, ...]]], *, is_predicted: bool = False) -> Source:
    pictures, left_out = [], []
    for path, faces in every:
        size = size_of(path)
        if isinstance(size, str):
            left_out.append((path, size))
        else:
            pictures.append(Annotated(path, size, faces))
    if not pictures:
        raise SourceNotFoundError(
            f"there is nothing to export: {left_out[0][0]} is one of {len(left_out)} {left_out[0][1]}"
            if left_out
            else "there is nothing to export: the data hold no picture"
        )
    return Source(tuple(pictures), tuple(left_out), is_predicted)


def _are_results(file: Path) -> bool:
    records = read_records(file, "picture")
    return bool(records) and "source" in records[0][1] and "faces" in records[0][1]


def _picture(result: FrameResult) -> Path:
    if result.frame or Path(result.source).suffix.lower() not in IMAGE_SUFFIXES:
        raise SourceError(f"{result.source} is no picture: results of pictures can be exported, not of videos")
    return Path(result.source)


def _faces(scene: Scene) -> tuple[LabelledBox, ...]:
    boxes = (tuple(float(v) for v in box) for box in scene.xyxy)
    return tuple(LabelledBox((b[0], b[1], b[2], b[3]), label) for b, label in zip(boxes, scene.labels, strict=True))


def _predicted(result: FrameResult) -> tuple[LabelledBox, ...]:
    return tuple(LabelledBox(face.xyxy, face.label, round(face.score, 4)) for face in result.faces)

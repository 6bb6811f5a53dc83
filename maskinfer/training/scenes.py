"""Annotated scenes, and how well predictions on them are found and labelled.

A scenes file holds a JSON object a line::

    {"image": "set/x.jpg", "set": "set", "width": W, "height": H,
     "faces": [{"bbox": [left, top, right, bottom], "label": "with_mask"}, ...]}

Image paths are relative to the file's folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.geometry import FloatArray, iou_matrix
from maskinfer.engine.results import LABELS, FrameResult

SCENES_FILE = "scenes.jsonl"


@dataclass(frozen=True, slots=True)
class Scene:
    """An image whose every face is annotated.

    Attributes:
        path: of the image.
        set: name of the data set that it is from.
        xyxy: float32 (N, 4), in pixels of the stored image.
        labels: N.
    """

    path: Path
    set: str
    xyxy: FloatArray
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SceneScore:
    """End-to-end figures over scenes.

    Attributes:
        images: how many.
        faces: of each label, those with a shorter side of at least the least size.
        found: of these, those that a detection overlaps.
        right: of these, those whose label is right.
        confusion: for each true label, how often a found face was given each label.
        false_positives: detections of at least the least size that overlap no face.
    """

    images: int
    faces: Mapping[str, int]
    found: Mapping[str, int]
    right: Mapping[str, int]
    confusion: Mapping[str, Mapping[str, int]]
    false_positives: int

    def recall(self, label: str) -> float:
        """Return the share of a label's faces that were found."""
        return self.found.get(label, 0) / max(1, self.faces.get(label, 0))

    def accuracy(self, label: str) -> float:
        """Return the share of a label's found faces that were labelled right."""
        return self.right.get(label, 0) / max(1, self.found.get(label, 0))

    def correct(self, label: str) -> float:
        """Return the share of a label's faces that were found and labelled right."""
        return self.right.get(label, 0) / max(1, self.faces.get(label, 0))

    def mean_correct(self, labels: Sequence[str]) -> float:
        """Return the mean of ``correct`` over those of the labels that occur."""
        present = [self.correct(label) for label in labels if self.faces.get(label)]
        return float(np.mean(present)) if present else 0.0


@dataclass(slots=True)
class _Tally:
    images: int = 0
    faces: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    confusion: dict[str, Counter[str]] = field(default_factory=dict)
    false_positives: int = 0


def read_scenes(data: Path) -> list[Scene]:
    """Return the scenes of a file, or of ``scenes.jsonl`` in a folder.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: a line is not as described above.
    """
    file = data / SCENES_FILE if data.is_dir() else data
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{file} does not exist: expected annotated scenes, a JSON object a line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error
    return [_scene(line, file, number) for number, line in enumerate(lines, 1) if line.strip()]


def _scene(line: str, file: Path, number: int) -> Scene:
    try:
        record = json.loads(line)
        boxes = np.asarray([face["bbox"] for face in record["faces"]], np.float32).reshape(-1, 4)
        labels = tuple(str(face["label"]) for face in record["faces"])
        return Scene(file.parent / record["image"], str(record.get("set", "")), boxes, labels)
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file}:{number} is not an annotated scene: {error!r}") from error


def score_scenes(
    pairs: Iterable[tuple[Scene, FrameResult]], *, iou: float = 0.4, min_side_px: float = 16
) -> SceneScore:
    """Match predictions to annotated faces, best detector score first, and count.

    Args:
        pairs: each scene with what was predicted on it.
        iou: least overlap of a detection with the face it finds.
        min_side_px: faces whose shorter side is under this are neither missed nor, when detected, false.
    """
    tally = _Tally()
    for scene, result in pairs:
        _count(tally, scene, result, iou, min_side_px)
    return SceneScore(tally.images, tally.faces, tally.found, tally.right, tally.confusion, tally.false_positives)


def _count(tally: _Tally, scene: Scene, result: FrameResult, iou: float, min_side_px: float) -> None:
    tally.images += 1
    counted = (scene.xyxy[:, 2:] - scene.xyxy[:, :2]).min(1) >= min_side_px
    tally.faces.update(label for label, counts in zip(scene.labels, counted, strict=True) if counts)
    predicted = sorted(result.faces, key=lambda face: -face.det_score)
    boxes = np.asarray([face.xyxy for face in predicted], np.float32).reshape(-1, 4)
    overlaps = iou_matrix(boxes, scene.xyxy)
    taken = np.zeros(len(scene.xyxy), bool)
    for face, box, row in zip(predicted, boxes, overlaps, strict=True):
        free = np.flatnonzero((row >= iou) & ~taken)
        if not len(free):
            small = (box[2:] - box[:2]).min() < min_side_px
            tally.false_positives += int(not small and not (row >= iou).any())
            continue
        match = free[row[free].argmax()]
        taken[match] = True
        if counted[match]:
            _count_found(tally, scene.labels[match], face.label)


def _count_found(tally: _Tally, truth: str, predicted: str) -> None:
    tally.found[truth] += 1
    tally.right[truth] += int(truth == predicted)
    tally.confusion.setdefault(truth, Counter())[predicted] += 1


def to_dict(score: SceneScore) -> dict[str, object]:
    """Return the figures as a JSON-ready record."""
    return {
        "images": score.images,
        "classes": {
            label: {
                "faces": score.faces[label],
                "recall": round(score.recall(label), 4),
                "accuracy": round(score.accuracy(label), 4),
                "correct": round(score.correct(label), 4),
            }
            for label in LABELS
            if score.faces.get(label)
        },
        "confusion": {label: dict(row) for label, row in score.confusion.items()},
        "false_positives_per_image": round(score.false_positives / max(1, score.images), 3),
        "correct2": round(score.mean_correct(LABELS[:2]), 4),
        "correct3": round(score.mean_correct(LABELS), 4),
    }

"""Which annotated faces were found and labelled right, and which detections are false."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.results import LABELS, Face, FloatArray, FrameResult, label_order
from maskinfer.training.data.scenes import Scene


def judge_crop(index: int, scene: Scene, result: FrameResult, min_side_px: float) -> Sequence[TrueFace]:
    """Say whether the face of a picture was found; its size is the picture's.

    Args:
        index: of the picture, for the record.
        scene: the picture, with its label.
        result: what was predicted on it, one face or none.
        min_side_px: smaller pictures are left out.
    """
    width, height = result.size_wh
    found = result.faces[0] if result.faces else None
    box = (0.0, 0.0, float(width), float(height))
    face = TrueFace(index, scene.labels[0], box, scene.set, scene.slices, found)
    return [face] if face.side_px >= min_side_px else []


# What ``assign`` says of a detection that finds no face of its own.
NOTHING, REPEATED = -1, -2


@dataclass(frozen=True, slots=True)
class TrueFace:
    """An annotated face, and what was made of it.

    Attributes:
        scene: index of its scene.
        label: the true one.
        xyxy: left, top, right, bottom in pixels of the image.
        set, slices: that it belongs to.
        found: the detected face, with the label that it was given; None when the detector missed it.
    """

    scene: int
    label: str
    xyxy: tuple[float, float, float, float]
    set: str
    slices: tuple[str, ...]
    found: Face | None

    @property
    def side_px(self) -> float:
        """The shorter side of its box."""
        return min(self.xyxy[2] - self.xyxy[0], self.xyxy[3] - self.xyxy[1])


@dataclass(frozen=True, slots=True)
class FalseFace:
    """A detection where no face is annotated.

    Attributes:
        scene: index of its scene.
        set, slices: that the scene belongs to.
        face: what was detected.
    """

    scene: int
    set: str
    slices: tuple[str, ...]
    face: Face

    @property
    def side_px(self) -> float:
        """The shorter side of its box."""
        return min(self.face.xyxy[2] - self.face.xyxy[0], self.face.xyxy[3] - self.face.xyxy[1])


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

    def label_recall(self, label: str) -> float:
        """Return the share of a label's found faces that were labelled right."""
        return self.right.get(label, 0) / max(1, self.found.get(label, 0))

    def correct(self, label: str) -> float:
        """Return the share of a label's faces that were found and labelled right."""
        return self.right.get(label, 0) / max(1, self.faces.get(label, 0))

    def mean_correct(self, labels: Sequence[str]) -> float:
        """Return the mean of ``correct`` over those of the labels that occur."""
        present = [self.correct(label) for label in labels if self.faces.get(label)]
        return float(np.mean(present)) if present else 0.0


def assign(found: FloatArray, annotated: FloatArray, iou: float) -> NDArray[np.int64]:
    """Match detections to annotated faces: each in turn takes the free face that it overlaps most.

    Args:
        found: (N, 4), best score first.
        annotated: (M, 4).
        iou: least overlap.

    Returns:
        (N,), the index of the face that each finds; ``REPEATED`` where it overlaps taken ones only, ``NOTHING`` where
        it overlaps none.
    """
    matches = np.full(len(found), NOTHING, np.int64)
    taken = np.zeros(len(annotated), bool)
    for i, row in enumerate(iou_matrix(found, annotated)):
        free = np.flatnonzero((row >= iou) & ~taken)
        if len(free):
            matches[i] = free[row[free].argmax()]
            taken[matches[i]] = True
        elif (row >= iou).any():
            matches[i] = REPEATED
    return matches


def judge(
    index: int, scene: Scene, result: FrameResult, *, iou: float = 0.4, min_side_px: float = 16
) -> tuple[list[TrueFace], list[FalseFace]]:
    """Say of each annotated face of a scene whether it was found, and which detections are of no face.

    Args:
        index: of the scene, for the record.
        scene: the truth.
        result: what was predicted on it.
        iou: least overlap of a detection with the face it finds.
        min_side_px: faces whose shorter side is under this are neither missed nor, when detected, false.
    """
    predicted = sorted(result.faces, key=lambda face: -face.det_score)
    boxes = np.asarray([face.xyxy for face in predicted], np.float32).reshape(-1, 4)
    matches = assign(boxes, scene.xyxy, iou)
    by_face = {int(match): face for match, face in zip(matches, predicted, strict=True)}
    own = scene.face_slices or ((),) * len(scene.labels)
    true = []
    for i, (box, label) in enumerate(zip(scene.xyxy, scene.labels, strict=True)):
        left, top, right, bottom = (float(v) for v in box)
        slices = tuple(dict.fromkeys(scene.slices + own[i]))
        true.append(TrueFace(index, label, (left, top, right, bottom), scene.set, slices, by_face.get(i)))
    false = [
        FalseFace(index, scene.set, scene.slices, face)
        for face, match in zip(predicted, matches, strict=True)
        if match == NOTHING
    ]
    return [f for f in true if f.side_px >= min_side_px], [f for f in false if f.side_px >= min_side_px]


def count(true: Iterable[TrueFace], images: int, false_positives: int) -> SceneScore:
    """Return the figures of annotated faces and of so many images and false positives."""
    faces: Counter[str] = Counter()
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    confusion: dict[str, Counter[str]] = {}
    for face in true:
        faces[face.label] += 1
        if face.found is not None:
            found[face.label] += 1
            right[face.label] += int(face.found.label == face.label)
            confusion.setdefault(face.label, Counter())[face.found.label] += 1
    return SceneScore(images, faces, found, right, confusion, false_positives)


def to_dict(score: SceneScore) -> dict[str, object]:
    """Return the figures as a JSON-ready record."""
    return {
        "images": score.images,
        "classes": {
            label: {
                "faces": score.faces[label],
                "recall": round(score.recall(label), 4),
                "accuracy": round(score.label_recall(label), 4),
                "correct": round(score.correct(label), 4),
            }
            for label in label_order(score.faces)
        },
        "confusion": {label: dict(row) for label, row in score.confusion.items()},
        "false_positives_per_image": round(score.false_positives / max(1, score.images), 3),
        "correct2": round(score.mean_correct(LABELS[:2]), 4),
        "correct3": round(score.mean_correct(label_order(score.faces)), 4),
    }

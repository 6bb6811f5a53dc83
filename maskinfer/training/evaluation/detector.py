"""How well faces are found: masked against bare ones, and what a lower threshold would find and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.results import LABELS, WITHOUT_MASK, Detections
from maskinfer.training.data.scenes import Scene
from maskinfer.training.evaluation.intervals import Estimate, Floats, bootstrap, share
from maskinfer.training.evaluation.matching import NOTHING, TrueFace, assign
from maskinfer.training.evaluation.metrics import Outcome, by_size, per_image

NEAR_IOU = 0.15
"""What overlaps a missed face so much may well be meant for it."""
CURVE_THRESHOLD = 0.05
"""Least score that detectors are run at for the curve; more lies below it, hardly any of it a face."""
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class DetectorCurve:
    """Recall against false positives over the score threshold (a free-response curve, Bunch et al. 1977).

    Attributes:
        thresholds: (M,), rising.
        recall: (M,), share of all faces found.
        masked: (M,), share of the masked faces found.
        bare: (M,), share of the bare faces found.
        false_positives: (M,), per image.
    """

    thresholds: Floats
    recall: tuple[Estimate, ...]
    masked: tuple[Estimate, ...]
    bare: tuple[Estimate, ...]
    false_positives: Floats


@dataclass(frozen=True, slots=True)
class DetectorFigures:
    """Of finding faces, whatever their label.

    Attributes:
        recall: share of all faces found.
        masked: share found of the faces that wear a mask, rightly or not.
        bare: share found of those that wear none.
        difference: masked minus bare, -1 to 1.
        by_size: masked and bare for each range of sizes.
        near_misses: missed faces that a false positive overlaps, though too little: boxed otherwise than annotated.
        curve: None where false positives cannot be told, or the detector has no threshold to lower.
    """

    recall: Estimate
    masked: Estimate
    bare: Estimate
    difference: Estimate
    by_size: dict[str, tuple[Estimate, Estimate]]
    near_misses: int
    curve: DetectorCurve | None


def measure_detector(outcome: Outcome, curve: DetectorCurve | None) -> DetectorFigures:
    """Return the detector's figures at the threshold that the outcome was made with."""
    masked = [face for face in outcome.true if face.label != WITHOUT_MASK]
    bare = [face for face in outcome.true if face.label == WITHOUT_MASK]
    sizes = {}
    for name, figures in by_size(outcome).items():
        faces, found = figures.score.faces, figures.score.found
        others = [label for label in faces if label != WITHOUT_MASK]
        of_masked = share(sum(found.get(label, 0) for label in others), sum(faces[label] for label in others))
        sizes[name] = of_masked, share(found.get(WITHOUT_MASK, 0), faces.get(WITHOUT_MASK, 0))
    missed = [face for face in outcome.true if face.found is None]
    near = sum(nearest_false(outcome, face)[0] is not None for face in missed)
    recall, difference = _found(outcome.true), _difference(masked, bare)
    return DetectorFigures(recall, _found(masked), _found(bare), difference, sizes, near, curve)


def nearest_false(outcome: Outcome, face: TrueFace) -> tuple[Box | None, float]:
    """Return the false positive that overlaps a missed face most, and how much; None under ``NEAR_IOU``."""
    boxes = [one.face.xyxy for one in outcome.false if one.scene == face.scene]
    overlaps = iou_matrix(np.asarray([face.xyxy], np.float32), np.asarray(boxes, np.float32).reshape(-1, 4))[0]
    if not len(overlaps) or overlaps.max() < NEAR_IOU:
        return None, 0.0
    return boxes[int(overlaps.argmax())], float(overlaps.max())


def _found(faces: Sequence[TrueFace]) -> Estimate:
    return share(sum(face.found is not None for face in faces), len(faces))


def _difference(masked: Sequence[TrueFace], bare: Sequence[TrueFace]) -> Estimate:
    if not masked or not bare:
        return Estimate(0.0, -1.0, 1.0, 0)
    images = sorted({face.scene for face in (*masked, *bare)})
    found = [[face for face in faces if face.found is not None] for faces in (masked, bare)]
    return bootstrap(
        np.stack([per_image(faces, images) for faces in (masked, bare, *found)], axis=1), _share_difference
    )


def _share_difference(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[:, 2] / sums[:, 0] - sums[:, 3] / sums[:, 1])


def trace_curve(
    scenes: Sequence[Scene], found: Sequence[Detections], *, iou: float = 0.4, min_side_px: float = 16
) -> DetectorCurve:
    """Return the curve over all thresholds from detections made once at a low one.

    Detections are matched best score first, so those over a threshold are matched as if there were no others.

    Args:
        scenes: the truth.
        found: of each scene, best score first.
        iou: least overlap of a detection with the face it finds.
        min_side_px: smaller faces are neither missed nor, when detected, false.
    """
    faces: list[tuple[float, bool]] = []
    false: list[float] = []
    for scene, detections in zip(scenes, found, strict=True):
        matches = assign(detections.xyxy, scene.xyxy, iou)
        scores = np.full(len(scene.xyxy), -1.0)
        scores[matches[matches >= 0]] = detections.scores[matches >= 0]
        counted = (_sides(scene.xyxy) >= min_side_px) & np.isin(scene.labels, LABELS)
        faces += [
            (float(s), label == WITHOUT_MASK) for s, label, c in zip(scores, scene.labels, counted, strict=True) if c
        ]
        false += detections.scores[(matches == NOTHING) & (_sides(detections.xyxy) >= min_side_px)].tolist()
    best = np.asarray([score for score, _ in faces], np.float64)
    bare = np.asarray([is_bare for _, is_bare in faces], bool)
    return _curve(best, bare, np.asarray(false, np.float64), len(scenes))


def _sides(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((xyxy[:, 2:] - xyxy[:, :2]).min(1))


def _curve(best: Floats, bare: NDArray[np.bool_], false: Floats, images: int) -> DetectorCurve:
    thresholds = np.concatenate([np.arange(0.05, 0.95, 0.01), np.arange(0.95, 0.9995, 0.002)])

    def recall(scores: Floats) -> tuple[Estimate, ...]:
        return tuple(share(int((scores >= t).sum()), len(scores)) for t in thresholds)

    false_positives = np.asarray([(false >= t).sum() / max(1, images) for t in thresholds])
    return DetectorCurve(thresholds, recall(best), recall(best[~bare]), recall(best[bare]), false_positives)

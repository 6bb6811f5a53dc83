"""Learns from annotated scenes how a classifier's view of a crop and the detector's score together tell a face.

The detector proposes from a low score on; what overlaps an annotated face is one, what is far from all is none. A
logistic regression weighs both logits, every data set counting the same. Boxes are compared after each set's
predictions are scaled by one factor, since annotators' boxes differ by habit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.contract import FACE_OUTPUT, FaceCheck
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.boxes import grown, iou_matrix
from maskinfer.engine.faces.classifier import OnnxClassifier
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.faces.face_check import face_scores, logits
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import FloatArray
from maskinfer.training.data.scenes import Scene

PROPOSALS_FROM = 0.3
MIN_SIDE_PX = 16
_FACE_IOU, _COUNTED_IOU, _NO_FACE_IOU = 0.45, 0.4, 0.1
_MARGINS = tuple(float(margin) for margin in np.round(np.arange(-0.1, 0.26, 0.01), 2))
_RIDGE, _ROUNDS = 1e-3, 30
_INT8 = "-int8"


@dataclass(frozen=True, slots=True)
class Proposals:
    """What a detector proposes on the scenes of one data set.

    Attributes:
        images: how many scenes.
        seen_as: float32 (N,), logits of the classifier's second output.
        scores: float32 (N,), the detector's.
        overlap: float32 (N,), the largest IoU with an annotated face.
        large: bool (N,), whether the shorter side has as many pixels as counts.
    """

    images: int
    seen_as: FloatArray
    scores: FloatArray
    overlap: FloatArray
    large: NDArray[np.bool_]

    def false_positives(self, scores: FloatArray, threshold: float) -> float:
        """Return how many boxes an image would be taken for faces and are none."""
        false = (self.overlap < _COUNTED_IOU) & self.large & (scores >= threshold)
        return float(false.sum()) / self.images


def fit_face_check(
    classifier: OnnxClassifier,
    detector: OnnxDetector,
    scenes: Sequence[Scene],
    progress: Progress = SILENT,
    *,
    proposals_from: float = PROPOSALS_FROM,
    false_positives: float | None = None,
) -> FaceCheck:
    """Return how the two decide together what is a face.

    The threshold is the least at which there are, in the mean over the data sets, no more false positives than allowed.

    Args:
        classifier: its graph has the second output.
        detector: with the threshold that it has on its own.
        scenes: annotated; best such as neither of both was trained on.
        proposals_from: least score of the detector for the classifier to be asked.
        false_positives: allowed per scene; None for as many as the detector alone gives at its own threshold.
        progress: told of each scene.

    Raises:
        RequestError: the classifier does not tell faces, or the scenes hold no faces or nothing else.
    """
    if FACE_OUTPUT not in [output.name for output in classifier.session.get_outputs()]:
        raise RequestError(f"{classifier.contract.name} does not tell faces from other things: train it to")
    low = replace(detector, contract=replace(detector.contract, det_threshold=proposals_from))
    by_set: dict[str, list[tuple[Scene, FloatArray, FloatArray, FloatArray]]] = {}
    for scene in counted(scenes, len(scenes), progress):
        by_set.setdefault(scene.set, []).append((scene, *_propose(low, classifier, scene)))
    sets = [_compared(rows) for rows in by_set.values()]
    weight, detector_weight, bias = _regress(sets)
    base = detector.contract.name.removesuffix(_INT8)
    check = FaceCheck((base, base + _INT8), proposals_from, 0.5, weight, detector_weight, bias)
    if false_positives is None:
        alone = detector.contract.det_threshold
        false_positives = float(np.mean([one.false_positives(one.scores, alone) for one in sets]))
    return replace(check, threshold=_threshold(check, sets, false_positives))


def _propose(
    detector: OnnxDetector, classifier: OnnxClassifier, scene: Scene
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return boxes (N, 4), the detector's scores and the classifier's logits (N,) of a scene."""
    image = read_image(scene.path)
    found = detector([image])[0]
    contract = classifier.contract
    faces = classifier.look(cut_crops(image, found.xyxy, contract.crop, contract.size_wh)).face
    return found.xyxy, found.scores, logits(np.zeros(0, np.float32) if faces is None else faces)


def _compared(rows: Sequence[tuple[Scene, FloatArray, FloatArray, FloatArray]]) -> Proposals:
    """Hold a set's proposals against its faces, their boxes enlarged by what finds most faces."""

    def overlaps(margin: float) -> list[FloatArray]:
        return [iou_matrix(grown(boxes, margin), scene.xyxy) for scene, boxes, _, _ in rows]

    def found(margin: float) -> int:
        return sum(int((one.max(0, initial=0) >= _COUNTED_IOU).sum()) for one in overlaps(margin))

    best = max(sorted(_MARGINS, key=abs), key=found)
    sides = np.concatenate([(boxes[:, 2:] - boxes[:, :2]).min(1) for _, boxes, _, _ in rows])
    return Proposals(
        len(rows),
        np.concatenate([seen_as for _, _, _, seen_as in rows]),
        np.concatenate([scores for _, _, scores, _ in rows]),
        np.concatenate([one.max(1, initial=0) for one in overlaps(best)]),
        np.asarray(sides * (1 + 2 * best) >= MIN_SIDE_PX),
    )


def _regress(sets: Sequence[Proposals]) -> tuple[float, float, float]:
    """Return the weights of both logits, and the bias, by Newton's method."""
    inputs, truth, weights = [], [], []
    for one in sets:
        sure = (one.overlap > _FACE_IOU) | (one.overlap < _NO_FACE_IOU)
        inputs.append(np.column_stack([one.seen_as, logits(one.scores), np.ones(len(sure))])[sure])
        truth.append(one.overlap[sure] > _FACE_IOU)
        weights.append(np.full(int(sure.sum()), 1 / max(1, int(sure.sum()))))
    x, y, w = np.concatenate(inputs).astype(np.float64), np.concatenate(truth), np.concatenate(weights) / len(sets)
    if not y.any() or y.all():
        raise RequestError("the scenes hold no faces, or the detector finds nothing else in them: nothing to learn")
    beta = np.zeros(3)
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (w * (y - p)) - _RIDGE * beta
        beta = beta + np.linalg.solve((x * (w * p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(3), gradient)
    return round(float(beta[0]), 4), round(float(beta[1]), 4), round(float(beta[2]), 4)


def _threshold(check: FaceCheck, sets: Sequence[Proposals], allowed: float) -> float:
    """Return the least threshold at which there are no more false positives per image than allowed."""
    scores = [face_scores(check, one.seen_as, one.scores) for one in sets]
    for threshold in np.round(np.arange(0.05, 0.96, 0.01), 2):
        pairs = zip(sets, scores, strict=True)
        if np.mean([one.false_positives(values, float(threshold)) for one, values in pairs]) <= allowed:
            return float(threshold)
    return 0.95

"""What each anchor of a sample has to learn.

Matching follows SSD (Liu et al., ECCV 2016), the encoding is the inverse of ``engine.faces.retinaface``'s decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.retinaface import anchor_grid
from maskinfer.engine.results import FloatArray
from maskinfer.training.detector.model import ANCHORS, STRIDES, VARIANCES
from maskinfer.training.detector.windows import TrainingWindow

FACE, BACKGROUND, IGNORED = 1, 0, -1
# A face that no anchor fits takes the one that fits best, if it fits at all.
LEAST_IOU = 0.2
# Anchors that overlap what is ignored by this much learn nothing. Smaller boxes are grown first: no anchor fits them.
IGNORE_IOU, IGNORE_SIDE_PX = 0.15, 12.0


@dataclass(frozen=True, slots=True)
class Targets:
    """What the anchors of a batch have to learn; P of them are faces.

    Attributes:
        kinds: int64 (N, A): ``FACE``, ``BACKGROUND`` or ``IGNORED``.
        boxes: float32 (P, 4), encoded, in the order of the faces in ``kinds``.
        landmarks: float32 (P, 10), encoded; NaN where unknown.
    """

    kinds: NDArray[np.int64]
    boxes: FloatArray
    landmarks: FloatArray


def make_targets(samples: Sequence[TrainingWindow], match_iou: float) -> Targets:
    """Return what the anchors of samples of one size have to learn.

    Args:
        samples: N.
        match_iou: least overlap of an anchor with the face that it learns.
    """
    height, width = samples[0].image.shape[:2]
    anchors = anchor_grid((width, height), STRIDES, ANCHORS)
    parts = [_sample_targets(sample, anchors, match_iou) for sample in samples]
    kinds, boxes, landmarks = zip(*parts, strict=True)
    return Targets(np.stack(kinds), np.concatenate(boxes), np.concatenate(landmarks))


def _sample_targets(
    sample: TrainingWindow, anchors: FloatArray, match_iou: float
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    squares = np.concatenate([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], 1)
    kinds = np.full(len(anchors), BACKGROUND, np.int64)
    if len(sample.ignored):
        kinds[iou_matrix(squares, _grown(sample.ignored)).max(1) >= IGNORE_IOU] = IGNORED
    if not len(sample.xyxy):
        return kinds, np.zeros((0, 4), np.float32), np.zeros((0, 10), np.float32)
    overlaps = iou_matrix(squares, sample.xyxy)
    owner = _match(overlaps, match_iou)
    kinds[owner >= 0] = FACE
    chosen = np.flatnonzero(kinds == FACE)
    faces = owner[chosen]
    return kinds, *encode(sample.xyxy[faces], sample.landmarks[faces], anchors[chosen])


def _grown(xyxy: FloatArray) -> FloatArray:
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    half = np.maximum(xyxy[:, 2:] - xyxy[:, :2], IGNORE_SIDE_PX) / 2
    return np.concatenate([centres - half, centres + half], 1)


def _match(overlaps: FloatArray, match_iou: float) -> NDArray[np.int64]:
    """Return the face that each anchor learns, -1 for none: (A, N) -> (A,)."""
    owner = np.where(overlaps.max(1) >= match_iou, overlaps.argmax(1), -1)
    for face in np.argsort(overlaps.max(0)):
        best = int(overlaps[:, face].argmax())
        if overlaps[best, face] >= LEAST_IOU:
            owner[best] = face
    return owner


def encode(xyxy: FloatArray, landmarks: FloatArray, anchors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return boxes (P, 4) and landmarks (P, 10) as offsets from anchors (P, 3): centre x, centre y, side."""
    centres, sides = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
    offsets = (centres - anchors[:, :2]) / (VARIANCES[0] * anchors[:, 2:])
    scales = np.log(np.maximum(sides, 1.0) / anchors[:, 2:]) / VARIANCES[1]
    points = (landmarks - anchors[:, None, :2]) / (VARIANCES[0] * anchors[:, None, 2:])
    return np.concatenate([offsets, scales], 1).astype(np.float32), points.reshape(-1, 10).astype(np.float32)

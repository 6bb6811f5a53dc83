"""Array functions on boxes: suppression, overlaps, and which may be those of the frame before."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import Detections, FloatArray

Candidates = tuple[FloatArray, FloatArray, FloatArray | None]
"""Decoded predictions over the threshold, in input pixels: xyxy (N, 4), scores (N,), landmarks (N, 5, 2)."""
# Boxes of two looks at a picture show one face from this IoU on.
_SAME_FACE_IOU = 0.5
# As which score it counts that a look did not find a face at all.
_UNSEEN_SCORE = 0.03
# A face that was seen once may be so many of its sides farther in the next frame, and so much larger or smaller.
_LEAP, _LEAP_RATIO = 1.5, 1.3


def suppress(xyxy: FloatArray, scores: FloatArray, iou_threshold: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        xyxy: float32 (N, 4).
        scores: float32 (N,), over 0.
        iou_threshold: a box is dropped when its IoU with a better one that is kept is over this.

    Returns:
        Indices of the boxes that stay, best score first.
    """
    if not len(xyxy):
        return np.zeros(0, np.intp)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, iou_threshold)
    return np.asarray(kept, np.intp).reshape(-1)


def fused(looks: Sequence[Detections]) -> Detections:
    """Return the faces that several looks at one picture found together, the best score first.

    A face is where its boxes and landmarks are in the mean, weighted by their scores (weighted boxes fusion, Solovyev
    et al., 2021). Its score is the mean of all looks' logits, those that did not find it included.

    Args:
        looks: at least one, in the same pixels.
    """
    xyxy, scores = (np.concatenate([getattr(look, name) for look in looks]) for name in ("xyxy", "scores"))
    points = [look.landmarks for look in looks if look.landmarks is not None]
    groups = _groups(xyxy, scores, np.repeat(np.arange(len(looks)), [len(look) for look in looks]))
    together = np.array([_mean_logit(scores[group], len(looks)) for group in groups], np.float32)
    ranked = [groups[i] for i in np.argsort(-together, kind="stable")]

    def means(values: FloatArray) -> FloatArray:
        rows = [np.average(values[group], axis=0, weights=scores[group]) for group in ranked]
        return np.array(rows, np.float32).reshape(-1, *values.shape[1:])

    landmarks = means(np.concatenate(points)) if len(points) == len(looks) else None
    return Detections(means(xyxy), -np.sort(-together), landmarks)


def _groups(xyxy: FloatArray, scores: FloatArray, look: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the indices of the boxes of each face, at most one of each look; the face of the best box first."""
    left, groups = np.argsort(-scores, kind="stable"), []
    while len(left):
        same = iou_matrix(xyxy[left[:1]], xyxy[left])[0] >= _SAME_FACE_IOU
        same[0] = True
        # The others of this place and look are no faces of their own.
        groups.append(left[same][np.unique(look[left[same]], return_index=True)[1]])
        left = left[~same]
    return groups


def _mean_logit(scores: FloatArray, looks: int) -> float:
    """Return the score of a face that so many looks of all found."""
    each = np.full(looks, _UNSEEN_SCORE)
    each[: len(scores)] = np.clip(scores, _UNSEEN_SCORE, 1 - 1e-4)
    return float(1 / (1 + np.exp(-np.log(each / (1 - each)).mean())))


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the intersection over union of every pair: xyxy (N, 4) and (M, 4) -> float32 (N, M)."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.clip(bottom_right - top_left, 0, None).prod(-1)
    union = _areas(a)[:, None] + _areas(b)[None] - intersection
    return np.asarray(intersection / np.maximum(union, 1e-9), np.float32)


def _areas(xyxy: FloatArray) -> FloatArray:
    return np.asarray((xyxy[:, 2:] - xyxy[:, :2]).prod(-1), np.float32)


def grown(xyxy: FloatArray, margin: float) -> FloatArray:
    """Return boxes, xyxy float32 (N, 4), larger by a share of their sides on each side."""
    sides = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    return np.asarray(xyxy + sides * np.array([-margin, -margin, margin, margin]), np.float32)


def nearness(before: FloatArray, now: FloatArray) -> FloatArray:
    """Return how near boxes are to others, (N, M): 1 at the same place, 0 at ``_LEAP`` or with another size."""
    sides = [np.sqrt(np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1e-3), axis=1)) for xyxy in (before, now)]
    middles = [(xyxy[:, :2] + xyxy[:, 2:]) / 2 for xyxy in (before, now)]
    away = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=2)
    larger, smaller = np.maximum(sides[0][:, None], sides[1]), np.minimum(sides[0][:, None], sides[1])
    near = np.maximum(0, 1 - away / (_LEAP * smaller))
    return np.asarray(np.where(larger <= _LEAP_RATIO * smaller, near, 0), np.float32)


def best_first(overlaps: FloatArray, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return pairs of row and column, each row and each column once at most, the best overlaps first."""
    pairs: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for i in np.argsort(-overlaps, kind="stable"):
        row, column = int(rows[i]), int(columns[i])
        if row in taken[0] or column in taken[1]:
            continue
        taken[0].add(row)
        taken[1].add(column)
        pairs.append((row, column))
    return pairs

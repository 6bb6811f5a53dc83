"""Array functions on boxes: suppression, overlaps, and which may be those of the frame before."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import FloatArray

Candidates = tuple[FloatArray, FloatArray, FloatArray | None]
"""Decoded predictions over the threshold, in input pixels: xyxy (N, 4), scores (N,), landmarks (N, 5, 2)."""
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

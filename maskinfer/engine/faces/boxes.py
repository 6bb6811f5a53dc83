"""Array functions on boxes and pictures: letterboxing, suppression, face crops."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import FloatArray

Candidates = tuple[FloatArray, FloatArray, FloatArray | None]
"""Decoded predictions over the threshold, in input pixels: xyxy (N, 4), scores (N,), landmarks (N, 5, 2)."""


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

"""Boxes made comparable: annotators draw faces by habits of their own, from brow to chin or whole heads.

Such a habit says nothing about a detector. So the predicted boxes of a data set are scaled by one factor, the one with
which most of its faces are found, before they are matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maskinfer.engine.results import LABELS, Detections, FloatArray, FrameResult
from maskinfer.training.data.scenes import Scene
from maskinfer.training.evaluation.matching import assign

FACTORS = tuple(round(0.7 + 0.02 * step, 2) for step in range(41))
"""Factors that are tried, 0.70 to 1.50."""


def scale_boxes(xyxy: FloatArray, factor: float) -> FloatArray:
    """Return boxes scaled about their centres: float32 (N, 4) -> (N, 4)."""
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    halves = (xyxy[:, 2:] - xyxy[:, :2]) / 2 * np.float32(factor)
    return np.concatenate([centres - halves, centres + halves], axis=1)


def scale_detections(found: Detections, factor: float) -> Detections:
    """Return detections with their boxes scaled; landmarks and scores stay."""
    return found if factor == 1 else Detections(scale_boxes(found.xyxy, factor), found.scores, found.landmarks)


def scale_result(result: FrameResult, factor: float) -> FrameResult:
    """Return a result with the boxes of its faces scaled; landmarks and scores stay."""
    if factor == 1 or not result.faces:
        return result
    boxes = scale_boxes(np.asarray([face.xyxy for face in result.faces], np.float32), factor)
    faces = (
        replace(face, xyxy=(float(x1), float(y1), float(x2), float(y2)))
        for face, (x1, y1, x2, y2) in zip(result.faces, boxes, strict=True)
    )
    return replace(result, faces=tuple(faces))


def fit_box_factor(
    scenes: Sequence[Scene], results: Sequence[FrameResult], *, iou: float = 0.4, min_side_px: float = 16
) -> float:
    """Return the factor, of ``FACTORS``, with which most annotated faces are found; of equals the one nearest to 1.

    Args:
        scenes: the truth, of one data set.
        results: what was predicted on each.
        iou: least overlap of a prediction with the face that it finds.
        min_side_px: faces whose shorter side is under this do not count.
    """
    predicted = [_best_first(result) for result in results]
    counted = [_counted(scene, min_side_px) for scene in scenes]

    def found(factor: float) -> int:
        total = 0
        for scene, boxes, counts in zip(scenes, predicted, counted, strict=True):
            matches = assign(scale_boxes(boxes, factor), scene.xyxy, iou)
            total += int(counts[matches[matches >= 0]].sum())
        return total

    return max(sorted(FACTORS, key=lambda factor: abs(factor - 1)), key=found)


def _best_first(result: FrameResult) -> FloatArray:
    ordered = sorted(result.faces, key=lambda face: -face.det_score)
    return np.asarray([face.xyxy for face in ordered], np.float32).reshape(-1, 4)


def _counted(scene: Scene, min_side_px: float) -> FloatArray:
    sides = (scene.xyxy[:, 2:] - scene.xyxy[:, :2]).min(1) if len(scene.xyxy) else np.zeros(0, np.float32)
    return np.asarray((sides >= min_side_px) & np.isin(scene.labels, LABELS), np.float32)

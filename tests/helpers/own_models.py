"""A detector and a classifier as a user of maskinfer writes them, without anything of the engine's own."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

import maskinfer
from maskinfer.engine.results import BGRFrame, FloatArray


class RedDetector:
    """Finds the red rectangles of frames."""

    def __call__(self, frames: Sequence[BGRFrame]) -> list[maskinfer.Detections]:
        return [self._find(frame) for frame in frames]

    def _find(self, frame: BGRFrame) -> maskinfer.Detections:
        red = ((frame[..., 2] > 200) & (frame[..., :2].max(-1) < 60)).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red)
        boxes = [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:] if area > 100]
        scores = np.linspace(0.6, 0.9, len(boxes), dtype=np.float32)  # the best last: the engine sorts
        return maskinfer.Detections(np.array(boxes, np.float32).reshape(-1, 4), scores, None)


class LightClassifier:
    """Takes light faces for covered ones."""

    labels = ("covered", "bare")
    size_wh = (24, 32)
    crop = maskinfer.CropRule(square=False, margin=0.0)

    def __call__(self, crops: BGRFrame) -> FloatArray:
        light = crops.reshape(len(crops), -1, 3).max(-1).mean(-1) / 255
        return np.stack([light, 1 - light], axis=1).astype(np.float32)

"""Bare faces that a mask can be drawn on: found for certain, large enough, and seen from the front or half aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.results import BGRFrame, FloatArray

MIN_SCORE = 0.8
MIN_SIDE_PX = 40
# Of the box's sides, on each side of it: the detector and the crop rule look around the face.
MARGIN = 1.0
_MAX_ROLL_DEG = 35
# How far the nose may lie beside the line from the eyes to the mouth, in distances of the eyes.
_MAX_ASIDE = 0.42
# Where between the eyes and the mouth the nose may lie: heads that look far up or down are left out.
_NOSE_DOWN = (0.30, 0.80)
# Of the box's height, below it: where the picture ends at the chin, a mask worn low would be labelled but not seen.
_MIN_ROOM_BELOW = 0.10
_PADDING_BGR = (104, 117, 123)


@dataclass(frozen=True, slots=True)
class BareFace:
    """A face cut from its picture with room around it.

    Attributes:
        bgr: uint8 (height, width, 3), BGR.
        xyxy: float32 (4,), the face's box in pixels of ``bgr``.
        landmarks: float32 (5, 2), as ``draw.draw_mask`` takes them.
    """

    bgr: BGRFrame
    xyxy: FloatArray
    landmarks: FloatArray


def bare_faces(detector: OnnxDetector, bgr: BGRFrame, *, many: bool) -> Iterator[BareFace]:
    """Yield the faces of a picture that a mask can be drawn on, cut out; best score first.

    Args:
        detector: one that gives landmarks.
        bgr: uint8 (height, width, 3), BGR.
        many: take all; otherwise the picture is of one face, and the largest is taken.
    """
    height, width = bgr.shape[:2]
    # Around a tightly cut face the detector needs some room to see it.
    room = 0 if many else max(height, width) // 3
    padded = cv2.copyMakeBorder(bgr, room, room, room, room, cv2.BORDER_CONSTANT, value=_PADDING_BGR)
    found = detector([np.asarray(padded, np.uint8)])[0]
    if found.landmarks is None or not len(found):
        return
    boxes, landmarks = found.xyxy - np.float32(room), found.landmarks - np.float32(room)
    order = range(len(boxes)) if many else [int((boxes[:, 2:] - boxes[:, :2]).prod(1).argmax())]
    for i in order:
        sides = boxes[i, 2:] - boxes[i, :2]
        sure = found.scores[i] >= MIN_SCORE and sides.min() >= MIN_SIDE_PX
        whole = height - boxes[i, 3] >= _MIN_ROOM_BELOW * sides[1]
        if sure and whole and is_drawable(landmarks[i]):
            yield _cut_out(bgr, boxes[i], landmarks[i])


def is_drawable(landmarks: FloatArray) -> bool:
    """Tell whether a face with these landmarks, (5, 2) in pixels, is upright and frontal enough."""
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    across, down = landmarks[1] - landmarks[0], mouth - eyes
    wide, high = float(np.hypot(*across)), float(np.hypot(*down))
    if min(wide, high) < 8 or abs(np.degrees(np.arctan2(across[1], across[0]))) > _MAX_ROLL_DEG:
        return False
    nose = landmarks[2] - eyes
    along = float(nose @ down) / high**2
    aside = abs(float(nose[0] * down[1] - nose[1] * down[0])) / high / wide
    return _NOSE_DOWN[0] <= along <= _NOSE_DOWN[1] and aside <= _MAX_ASIDE and 0.6 < high / wide < 1.9


def _cut_out(bgr: BGRFrame, xyxy: FloatArray, landmarks: FloatArray) -> BareFace:
    height, width = bgr.shape[:2]
    side = (xyxy[2:] - xyxy[:2]).max() * MARGIN
    left, top = np.floor(np.clip(xyxy[:2] - side, 0, None)).astype(int)
    right, bottom = np.ceil(np.minimum(xyxy[2:] + side, (width, height))).astype(int)
    start = np.array([left, top], np.float32)
    window = np.ascontiguousarray(bgr[top:bottom, left:right])
    return BareFace(window, xyxy - np.tile(start, 2), landmarks - start)

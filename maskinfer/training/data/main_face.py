"""The one face that a labelled picture means.

Most such pictures are faces cut out, too tightly for a detector to see them without some room around; others show a
whole person, whose face is a hundredth of the picture, or bystanders too.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from maskinfer.engine.faces.protocols import Detector
from maskinfer.engine.results import BGRFrame, Detections

# The mean colour of the detector's training pictures.
_PADDING_BGR = (104, 117, 123)
# Of the picture's area; in a picture that is a face cut out, less is something else.
_LEAST_SHARE = 0.03


def find_main_face(detector: Detector, image: BGRFrame, *, padded_detector: Detector | None = None) -> Detections:
    """Return the one face that a picture shows, or none, in pixels of the picture.

    It is looked for with a third of the picture's longer side around it, and if that shows none of 3 % of the
    picture, in the picture as it is. Of several faces the largest, most central, best scored one is meant.

    Args:
        detector: of any threshold.
        image: uint8 (height, width, 3), BGR.
        padded_detector: for the first look, which a smaller input size is enough for; ``detector`` by default.
    """
    height, width = image.shape[:2]
    room = max(height, width) // 3
    padded = cv2.copyMakeBorder(image, room, room, room, room, cv2.BORDER_CONSTANT, value=_PADDING_BGR)
    found = (padded_detector or detector)([np.asarray(padded, np.uint8)])[0]
    points = None if found.landmarks is None else found.landmarks - np.float32(room)
    found = replace(found, xyxy=found.xyxy - np.float32(room), landmarks=points)
    best = _best(found, (width, height), _LEAST_SHARE)
    return best if len(best) else _best(detector([image])[0], (width, height), 0.0)


def _best(found: Detections, size_wh: tuple[int, int], least_share: float) -> Detections:
    areas = (found.xyxy[:, 2:] - found.xyxy[:, :2]).prod(1)
    off_centre = np.abs((found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2 - np.array(size_wh) / 2).max(1) / max(size_wh)
    merit = np.where(areas > least_share * np.prod(size_wh), areas * (1 - off_centre) * found.scores, 0)
    best = np.argsort(-merit)[: int((merit > 0).any())]
    points = None if found.landmarks is None else found.landmarks[best]
    return Detections(found.xyxy[best], found.scores[best], points)

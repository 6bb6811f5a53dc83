"""A picture of a person in which nobody is known."""

from __future__ import annotations

import cv2
import numpy as np

from maskinfer.engine.results import BGRFrame

# So few dots along a picture's longer side that nobody is known by them, whatever is done to them later.
_DOTS = 8


def few_dots(bgr: BGRFrame, shown_px: int = 320) -> BGRFrame:
    """Return a close-up of a face as a few blurred dots, which show where it is and its colours, and not whose it is.

    Args:
        bgr: uint8 (height, width, 3), BGR.
        shown_px: longer side of what is returned, in pixels.
    """
    height, width = bgr.shape[:2]
    scale = max(width, height)
    dots_wh = max(1, round(width * _DOTS / scale)), max(1, round(height * _DOTS / scale))
    shown_wh = max(1, round(width * shown_px / scale)), max(1, round(height * shown_px / scale))
    dots = cv2.resize(bgr, dots_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(dots, shown_wh, interpolation=cv2.INTER_CUBIC), np.uint8)

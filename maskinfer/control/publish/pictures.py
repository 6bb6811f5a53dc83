"""Pictures of people that are sent to others: small, and only as clear as the settings say."""

from __future__ import annotations

import cv2
import numpy as np

from maskinfer.control.settings.receivers import SentPicture
from maskinfer.engine.frames.dots import few_dots
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.visits.visit import BestPicture

_LONGEST_PX = 640
_QUALITIES = (85, 70, 50, 30)


def picture_for(how: SentPicture, picture: BestPicture) -> bytes | None:
    """Return a picture as it may be sent, a JPEG; None if none may."""
    if how == "none":
        return None
    return jpeg(few_dots(picture.bgr) if how == "blurred" else picture.bgr)


def jpeg(bgr: BGRFrame, *, longest_px: int = _LONGEST_PX, most_bytes: int | None = None) -> bytes:
    """Return a picture as JPEG, see ``sized_jpeg``."""
    return sized_jpeg(bgr, longest_px=longest_px, most_bytes=most_bytes)[0]


def sized_jpeg(
    bgr: BGRFrame, *, longest_px: int = _LONGEST_PX, most_bytes: int | None = None
) -> tuple[bytes, tuple[int, int]]:
    """Return a picture as JPEG, and its width and height in pixels.

    Args:
        bgr: uint8 (height, width, 3), BGR.
        longest_px: longer side; larger pictures are made smaller.
        most_bytes: the quality, and then the size, are lowered until it takes no more; None for any size.
    """
    while True:
        small = _fitted(bgr, longest_px)
        for quality in _QUALITIES:
            data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
            if most_bytes is None or len(data) <= most_bytes or max(small.shape) <= 16:
                return data, (small.shape[1], small.shape[0])
        longest_px = max(small.shape[:2]) * 2 // 3


def _fitted(bgr: BGRFrame, longest_px: int) -> BGRFrame:
    height, width = bgr.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return bgr
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(bgr, size_wh, interpolation=cv2.INTER_AREA), np.uint8)

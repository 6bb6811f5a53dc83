"""The gate: faces too small or too blurred to be labelled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import BGRFrame, FloatArray

_SIDE_PX = 64
_SOBEL_GAIN = 8.0


@dataclass(frozen=True, slots=True)
class Gate:
    """How large and sharp a face must be to get a label other than ``uncertain``.

    Attributes:
        min_face_px: shortest side of the detector's box, in pixels of the source frame.
        min_sharpness: lowest sharpness; see ``Face.sharpness``.
    """

    min_face_px: float = 0.0
    min_sharpness: float = 0.0

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            RequestError: one is negative or not a number.
        """
        for name in ("min_face_px", "min_sharpness"):
            if not getattr(self, name) >= 0:
                raise RequestError(f"{name} is {getattr(self, name)}, expected 0 (off) or more")

    def passes(self, xyxy: Sequence[float] | FloatArray, sharp: float | None) -> bool:
        """Say whether a face is large and sharp enough.

        Args:
            xyxy: (4,), the detector's box, in pixels of the source frame.
            sharp: its sharpness; None, if it was not measured, passes.
        """
        if min(xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]) < self.min_face_px:
            return False
        return sharp is None or sharp >= self.min_sharpness


def sharpness(crop: BGRFrame) -> float:
    """Return how much detail a face shows, whatever its size, light and contrast.

    The crop is scaled to 64x64; the root mean square of its grey gradient (Tenengrad: Tenenbaum, 1970) is divided by
    the grey values' standard deviation and multiplied by 64. Few edges across the face give 6, many 20.

    Args:
        crop: uint8 (height, width, 3), BGR, as the classifier gets it.

    Returns:
        0 for a plain surface, and up.
    """
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    along_x, along_y = cv2.spatialGradient(grey)
    energy = (cv2.norm(along_x, cv2.NORM_L2SQR) + cv2.norm(along_y, cv2.NORM_L2SQR)) / grey.size / _SOBEL_GAIN**2
    # Half a grey value: less contrast than that is rounding, not detail.
    return _SIDE_PX * math.sqrt(energy) / max(float(cv2.meanStdDev(grey)[1][0, 0]), 0.5)

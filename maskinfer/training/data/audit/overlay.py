"""Where two pictures that lie on each other are alike, and where they are not."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import FloatArray

# In grey levels, their squares, and pixels of a picture of ``audit_prints.SIDE_PX``.
_BLUR_PX = 1.5
_WINDOW_PX = 13
_NOISE_VARIANCE = 60.0
_MIN_STRUCTURE = 0.6
_MAX_BRIGHTNESS_STEP = 30.0
_TEXTURE_VARIANCE = 80.0
_MIN_OVERLAP_PX = 400
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Overlay:
    """How one picture compares with another that lies on it. All shares are 0 to 1.

    Attributes:
        coverage: share of the smaller picture that the other covers.
        alike: of all that is structured or differs, the share that is alike; flat background says nothing.
        patch: share of the overlap that the largest differing patch takes.
        stray: of all that is structured or differs outside that patch, the share that differs.
    """

    coverage: float
    alike: float
    patch: float
    stray: float


_NOTHING = Overlay(0.0, 0.0, 0.0, 1.0)


def lay_over(a: NDArray[np.uint8], b: NDArray[np.uint8], placement: FloatArray) -> Overlay:
    """Lay a grey picture over another and compare them in small windows.

    Windows are alike when their structure correlates (the third factor of SSIM, Wang et al., IEEE TIP 2004) and their
    brightness agrees, after the exposure of the whole is evened out.

    Args:
        a: uint8 (height, width).
        b: uint8 (height, width), laid over it.
        placement: float32 (2, 3), takes points of b to points of a.
    """
    size = (a.shape[1], a.shape[0])
    over = cv2.warpAffine(b, placement, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full_like(b, 255), placement, size, flags=cv2.INTER_NEAREST) > 0
    pixels = int(inside.sum())
    if pixels < _MIN_OVERLAP_PX:
        return _NOTHING
    same, differ = _compare_windows(_blur(a), _blur(np.asarray(over, np.uint8)), inside)
    # The patch is what a mask covers, so it is taken whole: one connected area.
    _, _, stats, _ = cv2.connectedComponentsWithStats(differ.astype(np.uint8))
    largest = int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))
    equal, unequal = int(same.sum()), int(differ.sum())
    area_b = abs(float(np.linalg.det(placement[:, :2]))) * b.size
    return Overlay(
        coverage=min(1.0, pixels / max(1.0, min(a.size, area_b))),
        alike=equal / max(1, equal + unequal),
        patch=largest / pixels,
        stray=(unequal - largest) / max(1, equal + unequal - largest),
    )


def _blur(grey: NDArray[np.uint8]) -> FloatArray:
    # Blurred and noisy copies are then nearly as sharp and as smooth as their originals.
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR_PX), np.float32)


def _mean(values: FloatArray) -> FloatArray:
    return np.asarray(cv2.blur(values, (_WINDOW_PX, _WINDOW_PX), borderType=cv2.BORDER_REFLECT), np.float32)


def _compare_windows(a: FloatArray, b: FloatArray, inside: Mask) -> tuple[Mask, Mask]:
    """Return where both are structured and alike, and where they differ, both bool (height, width)."""
    mean_a, mean_b = _mean(a), _mean(b)
    variance_a = np.maximum(_mean(a * a) - mean_a**2, 0)
    variance_b = np.maximum(_mean(b * b) - mean_b**2, 0)
    covariance = _mean(a * b) - mean_a * mean_b
    structure = (covariance + _NOISE_VARIANCE) / (np.sqrt(variance_a * variance_b) + _NOISE_VARIANCE)
    gain, offset = _exposure(mean_a[inside][::16], mean_b[inside][::16])
    alike = (structure > _MIN_STRUCTURE) & (np.abs(mean_a - gain * mean_b - offset) < _MAX_BRIGHTNESS_STEP)
    textured = np.maximum(variance_a, variance_b) > _TEXTURE_VARIANCE
    return inside & alike & textured, inside & ~alike


def _exposure(a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """Return gain and offset that take b's brightness to a's.

    Each round fits the half that agrees best, so that a mask, which is in one picture only, does not count (least
    trimmed squares, Rousseeuw, JASA 1984).
    """
    gain, offset = 1.0, float(np.median(a - b))
    for _ in range(4):
        distance = np.abs(a - gain * b - offset)
        kept = distance <= max(float(np.median(distance)), 4.0)
        x, y = b[kept], a[kept]
        variance = float(x.var())
        if variance > 25:
            gain = float(np.clip(((x - x.mean()) * (y - y.mean())).mean() / variance, 0.5, 2.0))
        offset = float(np.median(y - gain * x))
    return gain, offset

"""Histograms with fixed bounds, so that those of any two weeks can be compared."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from typing import Literal, get_args

What = Literal[
    "label",
    "score",
    "face_px",
    "face_brightness",
    "face_sharpness",
    "place",
    "picture_brightness",
    "picture_sharpness",
]
"""Of each person the label, its probability, the shorter side of the face in pixels, its mean brightness (0 to 255),
its sharpness (``Face.sharpness``) and where in the picture it is (a ninth of it); of a picture every few minutes its
mean brightness and its sharpness."""
WHATS: tuple[What, ...] = get_args(What)
OF_PICTURES: tuple[What, ...] = ("picture_brightness", "picture_sharpness")
Counts = dict[What, Counter[str]]
"""How often each value was seen; the key is a label, a ninth of the picture, or the lower bound of a bin."""

_BRIGHTNESS = (25, 50, 75, 100, 125, 150, 175, 200, 225)
BOUNDS: Mapping[What, tuple[float, ...]] = {
    "score": (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999),
    "face_px": (16, 24, 32, 48, 64, 96, 128, 192, 256, 384),
    "face_brightness": _BRIGHTNESS,
    "face_sharpness": (6, 8, 9, 10, 11, 12, 13, 14, 16, 18),
    "picture_brightness": _BRIGHTNESS,
    "picture_sharpness": (4, 6, 8, 11, 16, 22, 32, 45, 64, 90),
}
_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


def bin_of(what: What, value: float) -> str:
    """Return the bin of a number: its lower bound.

    >>> bin_of("face_px", 50.0), bin_of("face_px", 3.0)
    ('48', '0')
    """
    bounds = (0, *BOUNDS[what])
    return f"{bounds[bisect_right(bounds, value) - 1 if value > 0 else 0]:g}"


def place_of(centre_xy: tuple[float, float], size_wh: tuple[int, int]) -> str:
    """Return the ninth of a picture in which a point lies; outside of it, the nearest one.

    >>> place_of((10, 700), (1280, 720)), place_of((640, 360), (1280, 720))
    ('lower left', 'middle centre')
    """
    column, row = (min(2, max(0, int(3 * at / size))) for at, size in zip(centre_xy, size_wh, strict=True))
    return f"{_ROWS[row]} {_COLUMNS[column]}"


def no_counts() -> Counts:
    """Return histograms of nothing."""
    return {what: Counter() for what in WHATS}


def added(one: Counts, other: Counts) -> Counts:
    """Return the histograms of both together."""
    return {what: one.get(what, Counter()) + other.get(what, Counter()) for what in WHATS}


def median(what: What, counts: Mapping[str, int]) -> float:
    """Return the median of a histogram, from 0 and up, read between the bounds of its bin.

    >>> median("face_px", {"48": 10, "64": 10})
    64.0
    """
    bounds = (0.0, *BOUNDS[what])
    half, total = sum(counts.values()) / 2, 0
    for i, low in enumerate(bounds):
        count = counts.get(f"{low:g}", 0)
        if count and total + count >= half:
            high = bounds[i + 1] if i + 1 < len(bounds) else low * (bounds[-1] / bounds[-2])
            high = min(1.0, high) if what == "score" else high
            return low + (high - low) * (half - total) / count
        total += count
    return 0.0

"""Layers that are laid over training pictures: where the face is, what covers which part, and how it is lit.

Places are those of an upright face in the middle of its window: eyes, nose and mouth at .40, .58 and .76 of the height
of the detector's box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import BGRFrame

FloatPicture = NDArray[np.float32]
Point = tuple[float, float]
# Reflectances of skin from light to dark (BGR), between which a hand's is mixed.
_SKIN = ((175, 195, 230), (120, 150, 200), (75, 105, 160), (45, 65, 105))
# Fractional bits of the coordinates that OpenCV draws with.
SHIFT = 4


@dataclass(frozen=True, slots=True)
class FacePlace:
    """Where the face is: the middle of its box, and the longer side."""

    x: float
    y: float
    side: float

    def at(self, x: float, y: float) -> Point:
        """Return the pixel of a place given in shares of the box."""
        return self.x + (x - 0.5) * self.side, self.y + (y - 0.5) * self.side


Layer = tuple[FloatPicture, FloatPicture]
Draw = Callable[[BGRFrame, FacePlace, np.random.Generator], Layer]


def composite(bgr: BGRFrame, layer: Layer, rng: np.random.Generator) -> BGRFrame:
    """Return a picture with a layer over it, lit as the picture is."""
    colour, cover = layer
    soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.5, 1.2)), np.float32)[..., None]
    # Things are lit as the face is.
    light = bgr.mean() / 130
    mixed = bgr * (1 - soft) + np.clip(colour * light, 0, 255) * soft
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def blank(window: BGRFrame, bgr: NDArray[np.float64]) -> Layer:
    """Return a layer of one colour that covers nothing yet."""
    colour = np.empty(window.shape, np.float32)
    colour[:] = bgr
    return colour, np.zeros(window.shape[:2], np.float32)


def fixed(point: Point) -> tuple[int, int]:
    """Return a point in the fractions of a pixel that OpenCV draws with."""
    return round(point[0] * 2**SHIFT), round(point[1] * 2**SHIFT)


def fill(cover: FloatPicture, points: list[Point], value: float = 1.0) -> None:
    """Let a layer cover a polygon."""
    corners = np.array([fixed(point) for point in points], np.int32)
    cv2.fillPoly(cover, [corners], value, cv2.LINE_AA, SHIFT)


def stroke(cover: FloatPicture, start: Point, end: Point, width: float) -> None:
    """Let a layer cover a line with round ends."""
    cv2.line(cover, fixed(start), fixed(end), 1.0, max(1, round(width)), cv2.LINE_AA, SHIFT)


def ellipse(cover: FloatPicture, centre: Point, axes: Point, degrees: float, value: float = 1.0) -> None:
    """Let a layer cover an ellipse."""
    cv2.ellipse(cover, fixed(centre), fixed(axes), degrees, 0, 360, value, -1, cv2.LINE_AA, SHIFT)


def roundness(cover: FloatPicture, width: float) -> FloatPicture:
    """Return the shading of round things: 1 in their middle, darker towards their edges."""
    distance = cv2.distanceTransform((cover > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(0.68 + 0.32 * np.clip(distance / max(width / 2, 1.0), 0, 1), np.float32)


def any_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return any reflectance, BGR, oftener grey than not."""
    grey = rng.uniform(20, 235)
    return np.clip(grey + rng.normal(0, rng.choice([8, 45]), 3), 8, 250)


def skin_colour(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the colour of a hand: that of the forehead, or any skin's."""
    x, y = face.at(rng.uniform(0.35, 0.65), 0.22)
    patch = window[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].reshape(-1, 3)
    if rng.random() < 0.6:
        return np.asarray(np.median(patch, 0) * 130 / max(window.mean(), 1) * rng.uniform(0.85, 1.1))
    tone = rng.uniform(0, len(_SKIN) - 1)
    return np.array([np.interp(tone, range(len(_SKIN)), [skin[c] for skin in _SKIN]) for c in range(3)])


def surface(window: BGRFrame, rng: np.random.Generator) -> FloatPicture:
    """Return a picture of cloth, a cover or a page, float32 (side, side, 3): flat, striped, spotted, printed."""
    size = window.shape[0]
    flat = np.asarray(any_colour(rng), np.float32)
    picture = np.broadcast_to(flat, window.shape).copy()
    kind = rng.integers(5)
    if kind == 1:  # stripes or folds
        down, across = np.mgrid[0:size, 0:size].astype(np.float32)
        turn, pitch = rng.uniform(0, np.pi), rng.uniform(0.08, 0.7)
        waves = np.sin((across * np.cos(turn) + down * np.sin(turn)) * pitch)[..., None] / 2 + 0.5
        picture += waves * (np.asarray(any_colour(rng), np.float32) - flat) * np.float32(rng.uniform(0.15, 1))
    elif kind in (2, 3):  # a picture of something, coarse or fine
        cells = int(rng.integers(3, 14))
        coarse = rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
        method = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.integers(3)]
        spots = np.asarray(cv2.resize(coarse, (size, size), interpolation=method), np.float32)
        picture += (spots - picture) * np.float32(rng.uniform(0.2, 0.8))
    elif kind == 4:  # lines of print
        step = int(rng.integers(3, 9))
        picture[::step] = np.asarray(any_colour(rng), np.float32)
    shade = np.linspace(rng.uniform(0.75, 1.1), rng.uniform(0.75, 1.1), size, dtype=np.float32)
    return np.asarray(picture * shade[:, None, None], np.float32)

"""What cameras, light and compression do to a picture, at random.

Pictures are uint8 (height, width, 3), BGR. All randomness is the given generator's.
"""

from __future__ import annotations

import cv2
import numpy as np

from maskinfer.engine.results import BGRFrame


def degrade(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    """Change light, colour, sharpness and compression of a picture; one in six stays as it is."""
    if rng.random() < 1 / 6:
        return picture
    picture = _light(picture, rng)
    picture = _soften(picture, rng)
    if rng.random() < 0.15:
        picture = _add_noise(picture, rng.uniform(3, 16), rng)
    return _compress(picture, rng) if rng.random() < 0.3 else picture


def _light(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    """Change exposure, contrast, the colour of the light, saturation; one in eight is as if taken in the dark."""
    dark = rng.random() < 0.125
    gain = rng.uniform(0.12, 0.5) if dark else np.exp(rng.normal(0, 0.22))
    gamma = np.exp(rng.normal(0, 0.2))
    lift = 0.0 if dark else rng.normal(0, 12)
    cast = np.exp(rng.normal(0, 0.07, 3)) if rng.random() < 0.6 else np.ones(3)
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * 255 * gain * cast + lift
    table = np.clip(levels, 0, 255).astype(np.uint8)
    picture = np.asarray(cv2.LUT(picture, table[None]), np.uint8)
    picture = _saturate(picture, rng)
    return _add_noise(picture, rng.uniform(2, 10), rng) if dark else picture


def _saturate(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    kind = rng.random()
    if kind >= 0.45:
        return picture
    grey = np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    share = 0.0 if kind < 0.08 else rng.uniform(0.3, 1.6)
    return np.asarray(cv2.addWeighted(picture, share, grey, 1 - share, 0), np.uint8)


def _soften(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    """Blur by focus or motion, or take the picture through a lower resolution."""
    kind = rng.random()
    if kind < 0.08:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.0)), np.uint8)
    if kind < 0.15:
        return _motion_blur(picture, rng)
    if kind < 0.25:
        size_wh = picture.shape[1::-1]
        small = [max(8, round(side * rng.uniform(0.4, 0.8))) for side in size_wh]
        method = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.integers(3)]
        shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(shrunk, size_wh, interpolation=method), np.uint8)
    return picture


def _motion_blur(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    length = int(rng.integers(2, 6)) * 2 - 1
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), rng.uniform(0, 180), 1)
    turned = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
    return np.asarray(cv2.filter2D(picture, -1, turned / turned.sum()), np.uint8)


def _add_noise(picture: BGRFrame, deviation: float, rng: np.random.Generator) -> BGRFrame:
    noise = rng.standard_normal(picture.shape, np.float32) * np.float32(deviation)
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def _compress(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 85))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR), np.uint8)

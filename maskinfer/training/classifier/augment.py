"""Random changes to training pictures: those of the lecture, and those of cameras.

Pictures are uint8 (height, width, 3), BGR. Every function draws from the generator that it is given, so that a
picture's changes follow from the seed and its number alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import INCORRECT_MASK, WITHOUT_MASK, BGRFrame
from maskinfer.training.classifier.recipe import Augmentation
from maskinfer.training.data.masks.hidden_mouth import hide_mouth
from maskinfer.training.data.masks.occluders import occlude

FloatPicture = NDArray[np.float32]


def lecture(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    """Rotate to 20 degrees, zoom by .15, shift by .2, shear by .15 and mirror, as Keras's ImageDataGenerator does."""
    height, width = picture.shape[:2]
    angle, shear = np.deg2rad(rng.uniform(-20, 20)), np.deg2rad(rng.uniform(-0.15, 0.15))
    zoom_x, zoom_y = rng.uniform(0.85, 1.15, 2)
    shift = rng.uniform(-0.2, 0.2, 2) * (width, height)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation @ np.array([[1, -np.sin(shear)], [0, np.cos(shear)]]) @ np.diag([zoom_x * mirror, zoom_y])
    return _sample(picture, linear, np.array([width / 2, height / 2]) + shift, (width, height))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the face lies in a square picture, in whose middle it is.

    Attributes:
        crop_share: of the picture's side that the engine's crop takes.
        face_share: of the picture's side that the detector's box takes.
    """

    crop_share: float
    face_share: float


def camera(
    window: BGRFrame,
    rng: np.random.Generator,
    size_px: int,
    place: Place,
    chosen: Augmentation,
    label: str | None,
) -> BGRFrame:
    """Cut a face from its window as a jittering detector would, and degrade it as cameras do.

    Args:
        window: square, with the face in its middle.
        rng: where the randomness comes from.
        size_px: side of the picture that is returned.
        place: where the face is.
        chosen: how often each change is made.
        label: of the face; None for what is no face. Nothing is drawn before what is none, nor over what makes a mask
            worn badly.
    """
    if label is not None and rng.random() < chosen.occluders:
        window = occlude(window, rng, place.face_share, clear=label == INCORRECT_MASK)
    elif label == WITHOUT_MASK and rng.random() < chosen.hidden_mouths:
        window = hide_mouth(window, rng, place.face_share)
    picture = _jittered_crop(window, rng, size_px, place.crop_share, chosen.rotate)
    if rng.random() < chosen.low_resolution:
        picture = _low_resolution(picture, rng)
    if rng.random() < chosen.blur:
        picture = _blur(picture, rng)
    if rng.random() < chosen.cutout:
        picture = _cover_a_block(picture, rng)
    if chosen.photometric:
        picture = _light(picture, rng)
    return _jpeg(picture, rng) if rng.random() < chosen.jpeg else picture


def _sample(
    picture: BGRFrame, linear: NDArray[np.float64], centre: NDArray[np.float64], size_wh: tuple[int, int]
) -> BGRFrame:
    """Resample: ``linear`` maps offsets from the output's centre to offsets from ``centre`` in the picture."""
    offset = centre - linear @ np.array([size_wh[0] / 2, size_wh[1] / 2])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = np.hstack([linear, offset[:, None]])
    sampled = cv2.warpAffine(picture, matrix, size_wh, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.uint8)


def _jittered_crop(window: BGRFrame, rng: np.random.Generator, size_px: int, share: float, turns: bool) -> BGRFrame:
    side = window.shape[0]
    crop = side * share
    scale = crop * rng.uniform(0.85, 1.2) / size_px
    aspect = np.exp(rng.normal(0, 0.06))
    degrees = rng.normal(0, 15) if rng.random() < 0.8 else rng.uniform(-45, 45)
    angle = np.deg2rad(degrees) if turns else 0.0
    centre = side / 2 + rng.normal(0, 0.05, 2) * crop
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos * mirror * aspect, -sin / aspect], [sin * mirror * aspect, cos / aspect]])
    return _sample(window, linear, centre, (size_px, size_px))


def _low_resolution(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    size_wh = picture.shape[1::-1]
    side = int(np.exp(rng.uniform(np.log(12), np.log(64))))
    method = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)[rng.integers(3)]
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, size_wh, interpolation=method), np.uint8)


def _blur(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    if rng.random() < 0.6:
        return _motion_blur(picture, rng)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.5)), np.uint8)


def _motion_blur(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    length = int(rng.integers(2, 6)) * 2 - 1
    angle = rng.uniform(0, np.pi)
    end = (int(length / 2 * (1 + np.cos(angle))), int(length / 2 * (1 + np.sin(angle))))
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (length - 1 - end[0], length - 1 - end[1]), end, 1.0)
    if not kernel.any():
        return picture
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)


def _cover_a_block(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    side = picture.shape[0]
    height, width = (float(v) for v in rng.uniform(0.1, 0.4, 2) * side)
    top, left = (float(v) for v in rng.uniform(-0.1, 0.9, 2) * side)
    colour = rng.integers(0, 256, 3).tolist()
    if rng.random() < 0.5:
        corners = (int(left), int(top)), (int(left + width), int(top + height))
        cv2.rectangle(picture, *corners, colour, -1)
    else:
        axes = (max(1, int(width / 2)), max(1, int(height / 2)))
        cv2.ellipse(picture, (int(left), int(top)), axes, rng.uniform(0, 180), 0, 360, colour, -1)
    return picture


def _light(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    """Change exposure, contrast, colour cast, saturation, and add noise."""
    values = picture.astype(np.float32) * rng.uniform(0.6, 1.4) + rng.normal(0, 16)
    mean = values.mean()
    values = (values - mean) * rng.uniform(0.65, 1.35) + mean
    if rng.random() < 0.6:
        values = values * (1 + rng.normal(0, 0.08, 3))
    grey = values.mean(2, keepdims=True)
    if rng.random() < 0.12:
        values = np.repeat(grey, 3, 2)
    elif rng.random() < 0.5:
        values = grey + (values - grey) * rng.uniform(0.3, 1.5)
    if rng.random() < 0.3:
        values = values + rng.normal(0, rng.uniform(2, 14), values.shape)
    return np.clip(values, 0, 255).astype(np.uint8)


def _jpeg(picture: BGRFrame, rng: np.random.Generator) -> BGRFrame:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR), np.uint8)

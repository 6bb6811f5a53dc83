"""Training samples: windows around a face, and mosaics of four or nine of them.

A window is an affine view of a picture: scaled, mirrored, tilted, shifted. Its labels are moved along. What lies
outside of the picture is one colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import BGRFrame, FloatArray
from maskinfer.training.detector.dataset import Picture
from maskinfer.training.detector.degrade import degrade
from maskinfer.training.detector.labels import CROPS
from maskinfer.training.detector.recipe import DetectorRecipe
from maskinfer.training.detector.teacher import MIRRORED_POINTS

Affine = NDArray[np.float64]
# Shorter sides of the face that a window is laid around, in its pixels: drawn evenly on a logarithmic scale.
FACE_PX = (11.0, 260.0)
MOSAIC_FACE_PX = (9.0, 130.0)
# Pixels of a window per pixel of the picture; more would be blur only.
MAX_SCALE = 3.0
# The smallest picture in a window, one that just fits being 1.
LEAST_FIT = (0.6, 1.05)
# Shares of a face's box that have to be in the window: to be a face, and to be worth ignoring.
VISIBLE, GLIMPSED = 0.5, 0.1
_GREY = (123, 117, 104)


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """A training picture.

    Attributes:
        image: uint8 (height, width, 3), BGR.
        xyxy: float32 (N, 4), its faces, inside of it.
        landmarks: float32 (N, 5, 2), NaN where unknown.
        ignored: float32 (M, 4), neither faces nor background.
    """

    image: BGRFrame
    xyxy: FloatArray
    landmarks: FloatArray
    ignored: FloatArray


def draw_sample(
    pictures: Mapping[str, Sequence[Picture]], recipe: DetectorRecipe, rng: np.random.Generator
) -> TrainingWindow:
    """Return a random sample, uint8 (size, size, 3)."""
    size = recipe.size_px
    if rng.random() >= recipe.mosaic_share:
        sample = window(_draw_picture(pictures, recipe, rng), (size, size), FACE_PX, rng, recipe.tilted_share)
    else:
        sample = _mosaic(pictures, recipe, rng)
    return _without_small(
        TrainingWindow(degrade(sample.image, rng), sample.xyxy, sample.landmarks, sample.ignored), recipe
    )


def _draw_picture(
    pictures: Mapping[str, Sequence[Picture]], recipe: DetectorRecipe, rng: np.random.Generator
) -> Picture:
    kinds = [kind for kind, share in recipe.shares.items() if share > 0 and pictures.get(kind)]
    shares = np.array([recipe.shares[kind] for kind in kinds])
    group = pictures[kinds[rng.choice(len(kinds), p=shares / shares.sum())]]
    return group[int(rng.integers(len(group)))]


def _without_small(sample: TrainingWindow, recipe: DetectorRecipe) -> TrainingWindow:
    small = (sample.xyxy[:, 2:] - sample.xyxy[:, :2]).min(1) < recipe.min_face_px
    ignored = np.concatenate([sample.ignored, sample.xyxy[small]])
    return TrainingWindow(sample.image, sample.xyxy[~small], sample.landmarks[~small], ignored)


def _mosaic(
    pictures: Mapping[str, Sequence[Picture]], recipe: DetectorRecipe, rng: np.random.Generator
) -> TrainingWindow:
    """Lay windows side by side: two rows of two around a random middle, at times three rows of three."""
    size = recipe.size_px
    many = rng.random() < 0.25
    edges = [_edges(size, many, rng) for _ in range(2)]
    canvas = np.empty((size, size, 3), np.uint8)
    parts = []
    for top, bottom in zip(edges[0], edges[0][1:], strict=False):
        for left, right in zip(edges[1], edges[1][1:], strict=False):
            picture = _draw_picture(pictures, recipe, rng)
            part = window(picture, (right - left, bottom - top), MOSAIC_FACE_PX, rng, recipe.tilted_share)
            canvas[top:bottom, left:right] = part.image
            shift = np.array([left, top], np.float32)
            parts.append((part.xyxy + np.tile(shift, 2), part.landmarks + shift, part.ignored + np.tile(shift, 2)))
    xyxy, landmarks, ignored = (np.concatenate(values) for values in zip(*parts, strict=True))
    return TrainingWindow(canvas, xyxy, landmarks, ignored)


def _edges(size: int, many: bool, rng: np.random.Generator) -> list[int]:
    inner = [size // 3, 2 * size // 3] if many else [round(size * rng.uniform(0.35, 0.65))]
    return [0, *inner, size]


def window(
    picture: Picture,
    size_wh: tuple[int, int],
    face_px: tuple[float, float],
    rng: np.random.Generator,
    tilted_share: float = 0.12,
) -> TrainingWindow:
    """Return a random window of a picture, around one of its faces if it has any."""
    known = picture.known
    height, width = picture.image.shape[:2]
    if len(known.xyxy):
        box = known.xyxy[_draw_face(known.masked, rng)]
        centre, side = (box[:2] + box[2:]) / 2, float(min(box[2:] - box[:2]))
    else:
        centre, side = rng.random(2) * (width, height), 40.0
    # As large as the whole picture in the window, more or less: there would be little but one colour otherwise.
    fitting = min(size_wh[0] / width, size_wh[1] / height)
    if known.kind == CROPS:
        scale = fitting * rng.uniform(0.7, 1.8)
    else:
        wanted = np.exp(rng.uniform(*np.log(face_px))) / side
        scale = float(max(min(wanted, MAX_SCALE), fitting * rng.uniform(*LEAST_FIT)))
    affine = _affine(centre, rng.uniform(0.15, 0.85, 2) * size_wh, scale, _angle(tilted_share, rng), rng)
    if rng.random() < 0.85:
        affine = _filling(affine, scale, (width, height), size_wh)
    return _view(picture, affine, scale, size_wh, rng)


def _draw_face(masked: Sequence[bool], rng: np.random.Generator) -> int:
    weights = np.where(masked, 2.0, 1.0)
    return int(rng.choice(len(masked), p=weights / weights.sum()))


def _angle(tilted_share: float, rng: np.random.Generator) -> float:
    """Return radians: none, a few degrees, or up to 45 degrees either way."""
    kind = rng.random()
    if kind < tilted_share:
        return float(np.deg2rad(rng.uniform(-45, 45)))
    return float(np.deg2rad(rng.normal(0, 7))) if kind < (1 + tilted_share) / 2 else 0.0


def _affine(centre: FloatArray, place: Affine, scale: float, angle: float, rng: np.random.Generator) -> Affine:
    """Return the 2 x 3 matrix that takes the picture's pixels to the window's, ``centre`` to ``place``."""
    aspect = np.exp(rng.normal(0, 0.06))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror * aspect, 1 / aspect])
    return np.column_stack([linear, place - linear @ centre])


def _filling(affine: Affine, scale: float, picture_wh: tuple[int, int], size_wh: tuple[int, int]) -> Affine:
    """Shift the picture so that it fills the window along each axis, or lies in it whole."""
    size = np.asarray(size_wh, np.float64)
    half = np.asarray(picture_wh) * scale / 2
    centre = affine[:, :2] @ (np.asarray(picture_wh) / 2) + affine[:, 2]
    shift = np.clip(centre, np.minimum(half, size - half), np.maximum(half, size - half)) - centre
    return np.column_stack([affine[:, :2], affine[:, 2] + shift])


def _view(
    picture: Picture, affine: Affine, scale: float, size_wh: tuple[int, int], rng: np.random.Generator
) -> TrainingWindow:
    known = picture.known
    xyxy, seen = _clip(_move_boxes(known.xyxy, affine), size_wh)
    ignored, ignored_seen = _clip(_move_boxes(known.ignored, affine), size_wh)
    landmarks = known.landmarks @ affine[:, :2].T + affine[:, 2]
    if np.linalg.det(affine[:, :2]) < 0:
        landmarks = landmarks[:, MIRRORED_POINTS]
    face = seen >= VISIBLE
    glimpsed = np.concatenate([xyxy[~face & (seen >= GLIMPSED)], ignored[ignored_seen >= GLIMPSED]])
    image = _warp(picture.image, affine, scale, size_wh, rng)
    return TrainingWindow(image, xyxy[face], landmarks[face].astype(np.float32), glimpsed)


def _move_boxes(xyxy: FloatArray, affine: Affine) -> FloatArray:
    """Return the boxes of the ellipses in the boxes after the move; a turned box would grow with the angle."""
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2 @ affine[:, :2].T + affine[:, 2]
    half = np.sqrt(((xyxy[:, 2:] - xyxy[:, :2]) / 2) ** 2 @ (affine[:, :2].T ** 2))
    return np.concatenate([centres - half, centres + half], 1).astype(np.float32)


def _clip(xyxy: FloatArray, size_wh: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return the boxes cut to the window and the share of each that is left."""
    clipped = np.clip(xyxy, 0, np.tile(np.asarray(size_wh, np.float32), 2))
    areas, whole = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (clipped, xyxy))
    return clipped, np.asarray(areas / np.maximum(whole, 1e-6), np.float32)


def _warp(
    image: BGRFrame, affine: Affine, scale: float, size_wh: tuple[int, int], rng: np.random.Generator
) -> BGRFrame:
    if scale < 0.6:
        # Sampling alone would leave out pixels; the area filter does not.
        shrunk = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        ratio = np.array([image.shape[1] / shrunk[0], image.shape[0] / shrunk[1]])
        image = np.asarray(cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA), np.uint8)
        affine = np.column_stack([affine[:, :2] * ratio, affine[:, 2]])
    options: dict[str, Any] = {"flags": (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.random() < 0.3)]}
    kind = rng.random()
    colour = (0, 0, 0) if kind < 0.5 else _GREY if kind < 0.7 else rng.integers(0, 256, 3).tolist()
    return np.asarray(cv2.warpAffine(image, affine, size_wh, borderValue=colour, **options), np.uint8)

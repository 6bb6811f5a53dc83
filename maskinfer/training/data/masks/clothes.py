"""What is worn around a face, and is no mask: scarves, collars, hoods.

They lie under the chin and beside the cheeks, where a mask that was pulled down lies too.
"""

from __future__ import annotations

import numpy as np

from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.masks.layers import (
    FacePlace,
    FloatPicture,
    Layer,
    any_colour,
    blank,
    ellipse,
    fill,
    surface,
)

_SHIRT = (225.0, 230.0, 232.0)


def draw_scarf(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a scarf or a high collar that ends between the neck and the lower lip."""
    cover = draped(window, face, rng, rng.uniform(0.87, 1.05), rng.uniform(-0.05, 0.12), 0.012)
    return surface(window, rng), cover


def draped(
    window: BGRFrame, face: FacePlace, rng: np.random.Generator, top: float, dip: float, tremble: float
) -> FloatPicture:
    """Return what cloth covers that hangs across the window, float32 (side, side).

    Args:
        window: that it is drawn on.
        face: around which it hangs.
        rng: decides on the waves of its upper edge.
        top, dip, tremble: of that edge its height, how much lower it is in the middle and how high its waves are, in
            shares of the face.
    """
    cover: FloatPicture = np.zeros(window.shape[:2], np.float32)
    size = window.shape[0]
    xs = np.linspace(0, size, 11)
    bend = dip * face.side * np.cos((xs - face.x) / face.side * np.pi)
    edge = face.at(0.5, top)[1] + bend + rng.normal(0, face.side * tremble, 11)
    fill(cover, [*zip(xs.tolist(), edge.tolist(), strict=True), (size, size), (0, size)])
    return cover


def draw_collar(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw the two sides of a collar that meet under the chin: a shirt's, white oftener than not, or a jacket's."""
    colour, cover = blank(window, np.array(_SHIRT) if rng.random() < 0.5 else any_colour(rng))
    size = window.shape[0]
    wide, meets = rng.uniform(0.22, 0.4), rng.uniform(1.08, 1.35)
    for side in (-1, 1):
        high = rng.uniform(0.92, 1.04)
        sides = [(0.5 + side * wide, high), (0.5 + side * rng.uniform(0.0, 0.06), meets), (0.5 + side * 0.1, 1.6)]
        far = [(0.5 + side * 1.5, 1.6), (0.5 + side * 1.5, high + rng.uniform(0.05, 0.25))]
        fill(cover, [face.at(*point) for point in (*sides, *far)])
    shade = np.linspace(rng.uniform(0.7, 1.0), rng.uniform(0.7, 1.0), size, dtype=np.float32)
    return colour * shade[None, :, None], cover


def draw_hood(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a hood, a headscarf or a balaclava that leaves the face alone uncovered."""
    cover: FloatPicture = np.ones(window.shape[:2], np.float32)
    middle = face.at(0.5 + rng.normal(0, 0.02), rng.uniform(0.5, 0.56))
    wide, high = face.side * rng.uniform(0.36, 0.46), face.side * rng.uniform(0.43, 0.52)
    ellipse(cover, middle, (wide, high), rng.normal(0, 4), 0.0)
    outside: FloatPicture = np.zeros_like(cover)
    ellipse(outside, face.at(0.5, 0.6), (face.side * rng.uniform(0.62, 0.85), face.side * rng.uniform(0.75, 1.0)), 0)
    fill(outside, [face.at(-0.1, 1.1), face.at(1.1, 1.1), face.at(1.6, 2.0), face.at(-0.6, 2.0)])
    return surface(window, rng), cover * outside

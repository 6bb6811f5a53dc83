"""Things that hide a bare mouth: hands, cups, books, telephones, scarves pulled up. None of them is a mask.

What tells them from a mask is their outline and how they lie on the face, so they come in all colours and patterns
that masks have, too.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.masks.clothes import draped
from maskinfer.training.data.masks.layers import (
    FacePlace,
    FloatPicture,
    Layer,
    composite,
    fill,
    skin_colour,
    stroke,
    surface,
)
from maskinfer.training.data.masks.occluders import draw_cup, draw_hand, draw_microphone


def hide_mouth(window: BGRFrame, rng: np.random.Generator, face_share: float) -> BGRFrame:
    """Return the window with something drawn before the mouth of its face.

    Args:
        window: uint8 (side, side, 3), BGR, with an upright face in its middle; it is not changed.
        rng: where the randomness comes from.
        face_share: of the window's side that the head takes.
    """
    side = window.shape[0]
    face = FacePlace(side / 2, side / 2, side * face_share)
    draw = _HIDING[int(rng.integers(len(_HIDING)))]
    return composite(window, draw(window, face, rng), rng)


def _board(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a book, a telephone, a sheet of paper: something flat with straight edges, up to the eyes at most."""
    cover: FloatPicture = np.zeros(window.shape[:2], np.float32)
    wide, high = face.side * rng.uniform(0.35, 1.3), face.side * rng.uniform(0.45, 1.1)
    x, y = face.at(rng.normal(0.5, 0.12), rng.uniform(0.44, 0.72))
    turn = np.deg2rad(rng.normal(0, 14))
    along, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    lean = rng.normal(0, 0.08, 4) * face.side
    corners = [(-wide / 2, lean[0]), (wide / 2, lean[1]), (wide / 2 + lean[2], high), (-wide / 2 + lean[3], high)]
    places = [np.array([x, y]) + along * across + down * below for across, below in corners]
    fill(cover, [(float(p[0]), float(p[1])) for p in places])
    colour = surface(window, rng)
    if rng.random() < 0.5:  # the fingers that hold it
        finger = np.zeros_like(cover)
        for k in range(int(rng.integers(1, 5))):
            start = places[3] + (places[0] - places[3]) * rng.uniform(0.1, 0.8) + down * k * face.side * 0.11
            end = start + along * face.side * rng.uniform(0.15, 0.35)
            stroke(finger, (float(start[0]), float(start[1])), (float(end[0]), float(end[1])), face.side * 0.1)
        colour = np.where(finger[..., None] > 0.3, np.asarray(skin_colour(window, face, rng), np.float32), colour)
        cover = np.maximum(cover, finger)
    return np.asarray(colour, np.float32), cover


def _high_scarf(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a scarf or a collar that is pulled up over the mouth, wide and wrapped, wider than the face."""
    size = window.shape[0]
    height = rng.uniform(0.58, 0.86)
    cover, top = draped(window, face, rng, height, rng.uniform(-0.02, 0.14), 0.02), face.at(0.5, height)[1]
    colour = surface(window, rng)
    for _ in range(int(rng.integers(1, 5))):  # folds
        fold: FloatPicture = np.zeros_like(cover)
        y = top + face.side * rng.uniform(0.05, 0.5)
        stroke(fold, (0, y + face.side * rng.normal(0, 0.15)), (size, y), face.side * rng.uniform(0.02, 0.08))
        colour = colour * (1 - cv2.GaussianBlur(fold, (0, 0), 2)[..., None] * np.float32(rng.uniform(0.1, 0.45)))
    return np.asarray(colour, np.float32), cover


def _hand_across(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a hand that lies across the mouth from one side, or a fist before it."""
    tint: NDArray[np.float64] = skin_colour(window, face, rng)
    cover: FloatPicture = np.zeros(window.shape[:2], np.float32)
    shade: FloatPicture = np.zeros_like(cover)
    side = 1.0 if rng.random() < 0.5 else -1.0
    width = face.side * rng.uniform(0.10, 0.15)
    turn = np.deg2rad(rng.uniform(-35, 35))
    along = np.array([side * np.cos(turn), np.sin(turn)])
    start = np.array(face.at(0.5 - side * rng.uniform(0.1, 0.4), rng.uniform(0.66, 0.82)))
    count = int(rng.integers(2, 5))
    for k in range(count):
        root = start + np.array([0, (k - (count - 1) / 2) * width * 0.95]) - along * width * rng.uniform(0, 0.8)
        end = root + along * face.side * rng.uniform(0.7, 1.1)
        finger: FloatPicture = np.zeros_like(cover)
        stroke(finger, (float(root[0]), float(root[1])), (float(end[0]), float(end[1])), width)
        near = cv2.distanceTransform((finger > 0.5).astype(np.uint8), cv2.DIST_L2, 3) / max(width / 2, 1.0)
        shade = np.where(finger > 0.5, 0.68 + 0.32 * np.clip(near, 0, 1), shade).astype(np.float32)
        cover = np.maximum(cover, finger)
    return np.asarray(tint * shade[..., None], np.float32), cover


_HIDING = (draw_hand, draw_hand, _hand_across, _hand_across, draw_cup, draw_cup, _board, _board, _board, _high_scarf,
           draw_microphone)  # fmt: skip

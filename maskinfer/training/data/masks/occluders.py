"""Things before a face, drawn on training pictures: hands, cups, microphones, scarves, collars, hoods, glasses, visors.

They are hard cases of the field: whatever covers the mouth is easily taken for a mask, and what lies under the chin for
one that was pulled down. A thing never changes the label: a hand before a bare mouth leaves the face ``without_mask``.
"""

from __future__ import annotations

import cv2
import numpy as np

from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.masks.clothes import draw_collar, draw_hood, draw_scarf
from maskinfer.training.data.masks.layers import (
    SHIFT,
    Draw,
    FacePlace,
    FloatPicture,
    Layer,
    any_colour,
    blank,
    composite,
    ellipse,
    fill,
    fixed,
    roundness,
    skin_colour,
    stroke,
)


def occlude(window: BGRFrame, rng: np.random.Generator, face_share: float, *, clear: bool) -> BGRFrame:
    """Return the window with one thing drawn before its face; as it is if that thing may not be.

    Args:
        window: uint8 (side, side, 3), BGR, with the face in its middle; it is not changed.
        rng: where the randomness comes from.
        face_share: of the window's side that the face's box takes.
        clear: only what can be looked through may be drawn. A scarf would hide a mask on the chin, and a hand the bare
            nose, which are what makes a mask worn badly.
    """
    # Drawn before it is known whether it may be, so that no thing is more frequent with one label than it is anyway.
    draw = _THINGS[int(rng.integers(len(_THINGS)))]
    if clear and draw is not _visor:
        return window
    side = window.shape[0]
    face = FacePlace(side / 2, side / 2, side * face_share)
    return composite(window, draw(window, face, rng), rng)


def draw_visor(bgr: BGRFrame, xyxy: FloatPicture, rng: np.random.Generator) -> BGRFrame:
    """Return a copy of a picture in which a face is behind a face shield.

    Args:
        bgr: uint8 (height, width, 3), BGR.
        xyxy: (4,), the face's box in pixels.
        rng: decides on size, sheen and band.
    """
    left, top, right, bottom = (float(v) for v in xyxy)
    face = FacePlace((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top))
    return composite(bgr, _visor(bgr, face, rng), rng)


def draw_hand(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw fingers, next to each other, over mouth, chin or cheek, and the back of the hand that they grow from."""
    colour, cover = blank(window, skin_colour(window, face, rng))
    width = face.side * rng.uniform(0.10, 0.15)
    tip = np.array(face.at(rng.uniform(0.3, 0.7), rng.uniform(0.5, 0.85)))
    away = np.deg2rad(rng.uniform(-70, 70))
    along = np.array([np.sin(away), np.cos(away)])
    across = np.array([along[1], -along[0]])
    count = int(rng.integers(1, 6))
    shade = np.zeros_like(cover)
    for i in range(count):
        start = tip + across * width * 0.98 * (i - (count - 1) / 2) + along * width * rng.uniform(0, 0.9)
        bend = np.deg2rad(rng.normal(0, 4))
        end = start + (along * np.cos(bend) + across * np.sin(bend)) * width * rng.uniform(4.0, 5.5)
        finger = np.zeros_like(cover)
        stroke(finger, (start[0], start[1]), (end[0], end[1]), width)
        shade = np.where(finger > 0.5, roundness(finger, width), shade)
        cover = np.maximum(cover, finger)
    palm = np.zeros_like(cover)
    middle = tip + along * width * 6
    ellipse(palm, (middle[0], middle[1]), (width * (0.6 + count * 0.5), width * 3), float(-np.rad2deg(away)))
    shade = np.where((palm > 0.5) & (shade == 0), roundness(palm, width * 2), shade)
    return colour * shade[..., None], np.maximum(cover, palm)


def draw_cup(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a cup or a glass at the mouth, seen from the front."""
    colour, cover = blank(window, any_colour(rng))
    width, height = face.side * rng.uniform(0.3, 0.55), face.side * rng.uniform(0.4, 0.7)
    x, y = face.at(rng.normal(0.5, 0.06), rng.uniform(0.58, 0.8))
    foot = width * rng.uniform(0.6, 1.0)
    lean = rng.normal(0, 0.12) * height
    fill(
        cover,
        [
            (x - width / 2, y),
            (x + width / 2, y),
            (x + lean + foot / 2, y + height),
            (x + lean - foot / 2, y + height),
        ],
    )
    ellipse(cover, (x, y), (width / 2, width * rng.uniform(0.05, 0.2)), 0)
    return colour * roundness(cover, width)[..., None], cover * np.float32(rng.choice([1.0, 1.0, 0.75]))


def draw_microphone(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a round head before mouth or chin, and the handle under it."""
    colour, cover = blank(window, np.full(3, rng.uniform(15, 110)) + rng.normal(0, 6, 3))
    width = face.side * rng.uniform(0.16, 0.34)
    x, y = face.at(rng.normal(0.5, 0.1), rng.uniform(0.7, 0.95))
    lean = rng.normal(0, 0.5)
    stroke(cover, (x, y), (x + lean * face.side, y + face.side), width * rng.uniform(0.4, 0.7))
    ellipse(cover, (x, y), (width / 2, width * rng.uniform(0.5, 0.7)), 0)
    return colour * roundness(cover, width)[..., None], cover


def _glasses(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw sunglasses, or a sleeping mask over both eyes."""
    colour, cover = blank(window, rng.uniform(5, 60) + rng.normal(0, 8, 3))
    y, wide, high = rng.uniform(0.38, 0.42), rng.uniform(0.15, 0.21), rng.uniform(0.08, 0.11)
    if rng.random() < 0.25:
        colour[:] = any_colour(rng)
        ellipse(cover, face.at(0.5, y), (face.side * 0.5, face.side * high * 1.1), 0)
        return colour, cover
    for x in (0.5 - wide * 1.25, 0.5 + wide * 1.25):
        ellipse(cover, face.at(x, y), (face.side * wide, face.side * high), 0)
    stroke(cover, face.at(0.4, y - 0.03), face.at(0.6, y - 0.03), face.side * 0.03)
    return colour, cover * np.float32(rng.uniform(0.75, 1.0))


def _visor(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a face shield: a clear sheet with a sheen and a band on the forehead. It is no mask by our rule."""
    colour, cover = blank(window, rng.uniform(190, 255) + rng.normal(0, 6, 3))
    left, right, top, bottom = 0.5 - rng.uniform(0.5, 0.65), 0.5 + rng.uniform(0.5, 0.65), 0.08, rng.uniform(1.0, 1.25)
    sheet = [face.at(left, top), face.at(right, top), face.at(right - 0.05, bottom), face.at(left + 0.05, bottom)]
    fill(cover, sheet, rng.uniform(0.05, 0.2))
    for x in rng.uniform(left + 0.1, right - 0.1, int(rng.integers(1, 4))):
        wide, lean = rng.uniform(0.02, 0.12), rng.uniform(-0.12, 0.12)
        sheen = [face.at(x, top), face.at(x + wide, top), face.at(x + wide + lean, bottom), face.at(x + lean, bottom)]
        fill(cover, sheen, rng.uniform(0.15, 0.5))
    band = rng.uniform(0.08, 0.16)
    shape = [face.at(left, top), face.at(right, top), face.at(right, top + band), face.at(left, top + band)]
    fill(cover, shape, rng.uniform(0.4, 1.0))
    cv2.polylines(cover, [np.array([fixed(p) for p in sheet], np.int32)], True, 0.5, 1, cv2.LINE_AA, SHIFT)
    return colour, cover


# Hands are before a face more often than anything else, and under the chin of most there is something.
_THINGS: tuple[Draw, ...] = (
    *(draw_hand, draw_hand, draw_hand, draw_cup, draw_microphone),
    *(draw_scarf, draw_scarf, draw_collar, draw_hood, _glasses, _visor),
)

"""Things before a face, drawn on training pictures: hands, cups, microphones, scarves, glasses, visors.

They are hard cases of the field: whatever covers the mouth is easily taken for a mask. A thing never changes the
label: a hand before a bare mouth leaves the face ``without_mask``. Places are those of an upright face in the middle
of its window: eyes, nose and mouth at .40, .58 and .76 of the height of the detector's box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import BGRFrame

FloatPicture = NDArray[np.float32]
_Point = tuple[float, float]
# Reflectances of skin from light to dark (BGR), between which a hand's is mixed.
_SKIN = ((175, 195, 230), (120, 150, 200), (75, 105, 160), (45, 65, 105))
# Fractional bits of the coordinates that OpenCV draws with.
_SHIFT = 4


@dataclass(frozen=True, slots=True)
class FacePlace:
    """Where the face is: the middle of its box, and the longer side."""

    x: float
    y: float
    side: float

    def at(self, x: float, y: float) -> _Point:
        """Return the pixel of a place given in shares of the box."""
        return self.x + (x - 0.5) * self.side, self.y + (y - 0.5) * self.side


Layer = tuple[FloatPicture, FloatPicture]
_Draw = Callable[[BGRFrame, FacePlace, np.random.Generator], Layer]


def occlude(window: BGRFrame, rng: np.random.Generator, face_share: float, *, mouth: bool) -> BGRFrame:
    """Return the window with one thing drawn before its face.

    Args:
        window: uint8 (side, side, 3), BGR, with the face in its middle; it is not changed.
        rng: where the randomness comes from.
        face_share: of the window's side that the face's box takes.
        mouth: things before nose and mouth may be drawn; where a bare nose or mouth is what makes the label, they
            may not.
    """
    things = _ANYWHERE + (_AT_THE_MOUTH if mouth else ())
    draw = things[int(rng.integers(len(things)))]
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


def composite(bgr: BGRFrame, layer: Layer, rng: np.random.Generator) -> BGRFrame:
    """Return a picture with a layer over it, lit as the picture is."""
    colour, cover = layer
    soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.5, 1.2)), np.float32)[..., None]
    # Things are lit as the face is.
    light = bgr.mean() / 130
    mixed = bgr * (1 - soft) + np.clip(colour * light, 0, 255) * soft
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def _layer(window: BGRFrame, bgr: NDArray[np.float64]) -> Layer:
    """Return a layer of one colour that covers nothing yet."""
    colour = np.empty(window.shape, np.float32)
    colour[:] = bgr
    return colour, np.zeros(window.shape[:2], np.float32)


def _fixed(point: _Point) -> tuple[int, int]:
    return round(point[0] * 2**_SHIFT), round(point[1] * 2**_SHIFT)


def fill(cover: FloatPicture, points: list[_Point], value: float = 1.0) -> None:
    """Let a layer cover a polygon."""
    corners = np.array([_fixed(point) for point in points], np.int32)
    cv2.fillPoly(cover, [corners], value, cv2.LINE_AA, _SHIFT)


def stroke(cover: FloatPicture, start: _Point, end: _Point, width: float) -> None:
    """Let a layer cover a line with round ends."""
    cv2.line(cover, _fixed(start), _fixed(end), 1.0, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _ellipse(cover: FloatPicture, centre: _Point, axes: _Point, degrees: float, value: float = 1.0) -> None:
    cv2.ellipse(cover, _fixed(centre), _fixed(axes), degrees, 0, 360, value, -1, cv2.LINE_AA, _SHIFT)


def _round(cover: FloatPicture, width: float) -> FloatPicture:
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


def draw_hand(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw fingers, next to each other, over mouth, chin or cheek, and the back of the hand that they grow from."""
    colour, cover = _layer(window, skin_colour(window, face, rng))
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
        shade = np.where(finger > 0.5, _round(finger, width), shade)
        cover = np.maximum(cover, finger)
    palm = np.zeros_like(cover)
    middle = tip + along * width * 6
    _ellipse(palm, (middle[0], middle[1]), (width * (0.6 + count * 0.5), width * 3), float(-np.rad2deg(away)))
    shade = np.where((palm > 0.5) & (shade == 0), _round(palm, width * 2), shade)
    return colour * shade[..., None], np.maximum(cover, palm)


def draw_cup(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a cup or a glass at the mouth, seen from the front."""
    colour, cover = _layer(window, any_colour(rng))
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
    _ellipse(cover, (x, y), (width / 2, width * rng.uniform(0.05, 0.2)), 0)
    return colour * _round(cover, width)[..., None], cover * np.float32(rng.choice([1.0, 1.0, 0.75]))


def draw_microphone(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a round head before mouth or chin, and the handle under it."""
    colour, cover = _layer(window, np.full(3, rng.uniform(15, 110)) + rng.normal(0, 6, 3))
    width = face.side * rng.uniform(0.16, 0.34)
    x, y = face.at(rng.normal(0.5, 0.1), rng.uniform(0.7, 0.95))
    lean = rng.normal(0, 0.5)
    stroke(cover, (x, y), (x + lean * face.side, y + face.side), width * rng.uniform(0.4, 0.7))
    _ellipse(cover, (x, y), (width / 2, width * rng.uniform(0.5, 0.7)), 0)
    return colour * _round(cover, width)[..., None], cover


def _scarf(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a scarf or a high collar that ends between the neck and the lower lip."""
    colour, cover = _layer(window, any_colour(rng))
    size = window.shape[0]
    top = face.at(0.5, rng.uniform(0.9, 1.05))[1]
    dip = face.side * rng.uniform(-0.05, 0.12)
    xs = np.linspace(0, size, 9)
    edge = top - dip * np.cos((xs - face.x) / face.side * np.pi) * -1 + rng.normal(0, face.side * 0.012, 9)
    fill(cover, [*zip(xs.tolist(), edge.tolist(), strict=True), (size, size), (0, size)])
    down, across = np.mgrid[0:size, 0:size].astype(np.float32)
    turn = rng.uniform(0, np.pi)
    waves = np.sin((across * np.cos(turn) + down * np.sin(turn)) * rng.uniform(0.08, 0.5))
    depth = rng.uniform(0.05, 0.35)
    return colour * (1 - depth / 2 + depth / 2 * waves)[..., None].astype(np.float32), cover


def _glasses(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw sunglasses, or a sleeping mask over both eyes."""
    colour, cover = _layer(window, rng.uniform(5, 60) + rng.normal(0, 8, 3))
    y, wide, high = rng.uniform(0.38, 0.42), rng.uniform(0.15, 0.21), rng.uniform(0.08, 0.11)
    if rng.random() < 0.25:
        colour[:] = any_colour(rng)
        _ellipse(cover, face.at(0.5, y), (face.side * 0.5, face.side * high * 1.1), 0)
        return colour, cover
    for x in (0.5 - wide * 1.25, 0.5 + wide * 1.25):
        _ellipse(cover, face.at(x, y), (face.side * wide, face.side * high), 0)
    stroke(cover, face.at(0.4, y - 0.03), face.at(0.6, y - 0.03), face.side * 0.03)
    return colour, cover * np.float32(rng.uniform(0.75, 1.0))


def _visor(window: BGRFrame, face: FacePlace, rng: np.random.Generator) -> Layer:
    """Draw a face shield: a clear sheet with a sheen and a band on the forehead. It is no mask by our rule."""
    colour, cover = _layer(window, rng.uniform(190, 255) + rng.normal(0, 6, 3))
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
    cv2.polylines(cover, [np.array([_fixed(p) for p in sheet], np.int32)], True, 0.5, 1, cv2.LINE_AA, _SHIFT)
    return colour, cover


_ANYWHERE: tuple[_Draw, ...] = (_scarf, _glasses, _visor)
# Hands are before a face more often than anything else.
_AT_THE_MOUTH: tuple[_Draw, ...] = (draw_hand, draw_hand, draw_hand, draw_cup, draw_microphone)

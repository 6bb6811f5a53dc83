"""An average head, the masks that fit it, and the camera that shows both as a face in a picture.

The unit of head space is the distance from the eyes to the mouth; x points to the image's right, y down the face,
z out of it; the eyes' middle is the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import RequestError

Floats = NDArray[np.float64]
Ball = tuple[float, float, float, float]

_HEAD_LANDMARKS = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.62, 0.42], [-0.4, 1, 0], [0.4, 1, 0]])
_CHIN_Y = 1.72
_COLUMNS, _ROWS = 33, 21
_MIN_UNIT_PX = 2.0
# Down the middle of the face: how far it stands out, bare and under a mask that hangs from the nose.
_PROFILE_Y = (0.0, 0.2, 0.45, 0.65, 0.8, 1.0, 1.25, 1.5, 1.72, 1.9, 2.2)
_BARE_Z = (0.03, 0.08, 0.10, 0.12, 0.20, 0.24, 0.20, 0.20, 0.04, -0.25, -0.50)
_TENT_Z = (0.05, 0.20, 0.36, 0.48, 0.46, 0.40, 0.31, 0.22, 0.04, -0.25, -0.50)
# What is in front of a mask worn too low: spheres (x, y, z, radius).
NOSE = ((0.0, 0.58, 0.28, 0.20), (-0.16, 0.64, 0.12, 0.13), (0.16, 0.64, 0.12, 0.13), (0.0, 0.35, 0.12, 0.17))
LIPS = tuple((x, 1.02 - 0.02 * abs(x), 0.10, 0.13) for x in (-0.36, -0.24, -0.12, 0.0, 0.12, 0.24, 0.36))


@dataclass(frozen=True, slots=True)
class MaskShape:
    """The outline of a mask in head space: heights of its edges in the middle and at the sides."""

    top_y: float
    bottom_y: float
    side_top_y: float
    side_bottom_y: float
    half_width: float = 0.95
    # Share of the half width over which the upper edge falls from the middle to the cheek.
    peak: float = 0.45


_SHAPES = {
    "correct": MaskShape(0.24, 1.82, 0.50, 1.16),
    "below_nose": MaskShape(0.83, 1.86, 0.74, 1.26, peak=0.9),
    "below_mouth": MaskShape(1.24, 1.92, 1.00, 1.38, 0.92, peak=0.9),
    "chin": MaskShape(1.64, 2.04, 1.22, 1.50, 0.90, peak=0.95),
    "forehead": MaskShape(-1.05, -0.22, -0.80, -0.30, 0.92, peak=0.9),
    "eyes": MaskShape(-0.36, 0.34, -0.25, 0.30, 0.95, peak=0.9),
}
# How much nearer the edges of a style come to each other at the sides.
_NARROWER = {"n95": 0.17, "cloth": 0.04, "patterned": 0.04, "dark": 0.06}


@dataclass(frozen=True, slots=True)
class Camera:
    """Takes head space to pixels, ``xyz @ axes + origin``, without perspective."""

    axes: Floats
    origin: Floats
    chin_y: float

    @property
    def unit_px(self) -> float:
        """How many pixels the distance from the eyes to the mouth measures."""
        return float(np.linalg.norm(self.axes[:2]) / np.sqrt(2))

    @property
    def towards_viewer(self) -> Floats:
        """The direction in head space, a unit vector, that the camera looks from."""
        view = np.cross(self.axes[:, 0], self.axes[:, 1])
        return np.asarray(view / np.linalg.norm(view))

    def project(self, xyz: Floats) -> Floats:
        """Return pixels (..., 2); what lies below the mouth moves with this face's chin."""
        y = xyz[..., 1]
        stretched = np.where(y > 1, 1 + (y - 1) * (self.chin_y - 1) / (_CHIN_Y - 1), y)
        return np.asarray(np.stack((xyz[..., 0], stretched, xyz[..., 2]), -1) @ self.axes + self.origin)


def fit_camera(landmarks: Floats, xyxy: Floats) -> Camera:
    """Return the camera that shows the average head's landmarks at (5, 2) pixels, its chin towards the box's end.

    Raises:
        RequestError: the landmarks lie on a point or line, or are not finite.
    """
    homogeneous = np.column_stack((_HEAD_LANDMARKS, np.ones(5)))
    solution = np.linalg.lstsq(homogeneous, landmarks, rcond=None)[0]
    axes, origin = solution[:3], solution[3]
    unit_px = float(np.linalg.norm(axes[1]))
    if not np.isfinite(solution).all() or unit_px < _MIN_UNIT_PX:
        raise RequestError("cannot draw a mask: the eyes and the mouth are at one point")
    if abs(np.linalg.det(axes[:2])) < 0.02 * unit_px**2:
        raise RequestError("cannot draw a mask: the face is seen edge-on, its landmarks lie on a line")
    # The nose alone says how far the head is turned, and noses differ.
    turn = axes[2] * 0.85
    axes[2] = turn * min(1.0, 0.9 * unit_px / max(float(np.linalg.norm(turn)), 1e-9))
    return Camera(axes, origin, _chin_y(landmarks, xyxy, axes[1]))


def _chin_y(landmarks: Floats, xyxy: Floats, down: Floats) -> float:
    """Return where the chin is, from where the line down the face leaves the box."""
    mouth = landmarks[3:].mean(0)
    borders = np.where(down > 0, xyxy[2:], xyxy[:2])
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.nanmin(np.where(np.abs(down) > 1e-6, (borders - mouth) / down, np.inf))
    return float(np.clip(1 + 0.5 * (_CHIN_Y - 1) + 0.5 * reach, 1.6, 1.95))


def fitted_shape(style: str, wear: str, rng: np.random.Generator) -> MaskShape:
    """Return the outline of a mask of that style, worn so; a little different each time."""
    shape = _SHAPES[wear]
    jitter = rng.normal(0, 0.02, 4).clip(-0.04, 0.04)
    narrow = {"n95": 0.17, "cloth": 0.04, "patterned": 0.04, "dark": 0.06}.get(style, 0.0) * (
        1 if wear == "correct" else 0.5
    )
    width = {"n95": -0.05, "dark": 0.02}.get(style, 0.0)
    return MaskShape(
        # Lower than asked would bare the nose of a mask worn well, higher would cover one that is to show.
        shape.top_y + (-abs(jitter[0]) if wear == "correct" else abs(jitter[0])),
        shape.bottom_y + jitter[1],
        shape.side_top_y + narrow + jitter[2],
        shape.side_bottom_y - narrow + jitter[3],
        shape.half_width + width,
        shape.peak,
    )


def bend(shape: MaskShape, style: str, wear: str) -> Floats:
    """Return the mask's surface: float64 (rows, columns, 3) in head space."""
    turn, down = np.meshgrid(np.linspace(-np.pi / 2, np.pi / 2, _COLUMNS), np.linspace(0, 1, _ROWS))
    side = np.abs(turn) / (np.pi / 2)
    middle_y = shape.top_y + (shape.bottom_y - shape.top_y) * down
    side_y = shape.side_top_y + (shape.side_bottom_y - shape.side_top_y) * down
    upper = np.exp(-((side / shape.peak) ** 2)) * (1 - side**4)
    lower = 1 - side**2.2
    y = side_y + (middle_y - side_y) * (upper * (1 - down) + lower * down)
    bare, tent = np.interp(middle_y, _PROFILE_Y, _BARE_Z), np.interp(middle_y, _PROFILE_Y, _TENT_Z)
    x = (shape.half_width - 0.08 * down) * np.sin(turn)
    ridge = np.exp(-((x / 0.38) ** 2)) if wear == "correct" else np.zeros_like(x)
    puff = (0.10 if style == "n95" else 0.03) * np.sin(np.pi * down) * np.cos(turn)
    z = -0.60 + (bare + 0.60) * np.cos(turn) + (tent - bare) * ridge + puff
    return np.stack((x, y, z), -1)


def straps_of(mesh: Floats, style: str, camera: Camera) -> list[Floats]:
    """Return the visible straps, each (N, 3) in head space, from the mask to the ear."""
    ears = (-0.30, 0.85) if style == "n95" else (0.02, 0.62)
    straps = []
    for side, column in ((-1, 0), (1, -1)):
        if np.dot((side * 0.95, 0, 0.30), camera.towards_viewer) < 0.12:
            continue  # the cheek hides it
        for ear_y, row in zip(ears, (1, -2), strict=True):
            start, end = mesh[row, column], np.array([side * 1.06, ear_y, -1.25])
            along = np.linspace(0, 1, 12)[:, None]
            bulge = np.array([side * 0.07, 0.0, 0.0]) * np.sin(np.pi * along)
            straps.append(start + (end - start) * along + bulge)
    return straps

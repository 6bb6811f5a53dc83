"""Draws a mask onto a bare face: training data of faces that wear one well or badly.

A mask is a surface in the space of an average head, seen through the camera that takes the head's five landmarks
to those in the picture. The unit of head space is the distance from the eyes to the mouth; x points to the
image's right, y down the face, z out of it; the eyes' middle is the origin.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from maskinfer.engine.errors import RequestError
from maskinfer.engine.records import Bare
from maskinfer.engine.results import BARE, INCORRECT_MASK, WITH_MASK, BGRFrame
from maskinfer.training.data.masks.fabric import make_fabric
from maskinfer.training.data.masks.head import LIPS, NOSE, Ball, bend, fit_camera, fitted_shape, straps_of
from maskinfer.training.data.masks.render import canvas_for, composite, render_balls, render_mesh, render_straps

STYLES = ("surgical", "n95", "cloth", "patterned", "dark")
WEARS = ("correct", "below_nose", "below_mouth", "chin", "forehead", "eyes")

_IN_FRONT: Mapping[str, tuple[Ball, ...]] = {
    "correct": (),
    "below_nose": NOSE,
    "below_mouth": LIPS,
    "chin": LIPS,
    "forehead": (),
    "eyes": NOSE,
}


def label_of_wear(wear: str) -> str:
    """Return the label of a face that wears a mask so.

    "correct" is with_mask; all others leave the nose, or nose and mouth, bare and are incorrect_mask.

    Raises:
        RequestError: the wear is none of ``WEARS``.
    """
    if wear not in WEARS:
        raise RequestError(f"unknown wear {wear!r}: choose one of {', '.join(WEARS)}")
    return WITH_MASK if wear == "correct" else INCORRECT_MASK


def bare_of_wear(wear: str) -> Bare | None:
    """Return what a mask that is worn so leaves uncovered: None, ``nose``, or ``nose_and_mouth``."""
    nose, nose_and_mouth = BARE
    return {"correct": None, "below_nose": nose}.get(wear, nose_and_mouth)


def draw_mask(
    bgr: BGRFrame,
    landmarks: ArrayLike,
    xyxy: ArrayLike,
    *,
    style: str,
    wear: str,
    rng: np.random.Generator,
) -> BGRFrame:
    """Return a copy of a picture in which a bare face wears a mask.

    Args:
        bgr: uint8 (height, width, 3), blue, green, red. Not changed.
        landmarks: (5, 2), x and y in pixels: the eye on the image's left, the eye on its right, the nose tip,
            the left and the right corner of the mouth. The face may be turned and may reach past the borders.
        xyxy: (4,), the face box in pixels: left, top, right, bottom. Its lower end says where the chin is.
        style: one of ``STYLES``: the light blue pleated mask of surgeons, the white respirator (N95, FFP2), a
            cloth of one colour, a patterned one, a dark one.
        wear: one of ``WEARS``; ``label_of_wear`` says which label that is.
        rng: decides on colour, pattern, folds and exact fit; equal states draw equal masks.

    Returns:
        uint8 (height, width, 3), BGR.

    Raises:
        RequestError: the style or wear is unknown, or the landmarks lie on a point or line.
    """
    label_of_wear(wear)
    if style not in STYLES:
        raise RequestError(f"unknown style {style!r}: choose one of {', '.join(STYLES)}")
    camera = fit_camera(np.asarray(landmarks, np.float64), np.asarray(xyxy, np.float64))
    fabric = make_fabric(style, rng)
    mesh = bend(fitted_shape(style, wear, rng), style, wear)
    straps = straps_of(mesh, style, camera)
    canvas = canvas_for(bgr, camera, [mesh.reshape(-1, 3), *straps])
    if canvas.width <= 0 or canvas.height <= 0:
        return bgr.copy()
    cover, reflectance = render_mesh(canvas, camera, mesh, fabric.bgr)
    strap_cover = render_straps(canvas, camera, straps)
    bare = 1 - render_balls(canvas, camera, _IN_FRONT[wear])
    strap_bgr = np.broadcast_to(np.asarray(fabric.strap_bgr, np.float32), reflectance.shape)
    layers = [(strap_cover * bare, strap_bgr), (cover * bare, reflectance)]
    return composite(bgr, canvas, camera, layers, rng)

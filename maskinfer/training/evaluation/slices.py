"""Slices that are measured, not annotated: faces in the dark, blurred, turned aside, tilted, looking up or down, and by
the lightness of their skin.

Skin is told apart by the individual typology angle (Chardon, Cretois and Hourseau 1991), taken between eyes and nose,
where no mask lies. It is that of the picture: light and camera change it, so it sorts pictures, not people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from maskinfer.engine.contract import CropRule
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.quality import sharpness
from maskinfer.engine.results import BGRFrame, FloatArray
from maskinfer.training.data.head_pose import ASIDE_DEG, NODDING_DEG, TILTED_DEG, head_pose
from maskinfer.training.evaluation.matching import TrueFace

DARK, BLURRED = "dark", "blurred"
# By the typology angle: from 41 degrees up, down to 10, down to -30, below. The classes of the paper in pairs.
SKIN = ((41.0, "skin: light"), (10.0, "skin: intermediate to tan"), (-30.0, "skin: brown"), (-90.0, "skin: dark"))
# By the landmarks of the detector: of faces that it missed nothing is known.
ASIDE, NODDING, TILTED = "aside, if found", "up or down, if found", "tilted, if found"
# Mean grey value, of 255.
DARK_UNDER = 60
# Of ``quality.sharpness``; clear faces have more.
BLURRED_UNDER = 13
_SIDE_PX = 128
# Bridge of the nose and what is beside it, in a square crop of the face: top, bottom, left, right.
_BRIDGE = (0.34, 0.50, 0.38, 0.62)
# b* of skin is 5 to 25; less is grey.
_LEAST_YELLOW = 3.0


def light_slices(bgr: BGRFrame, xyxy: FloatArray) -> list[tuple[str, ...]]:
    """Return, for each face of a picture, which of the slices "dark", "blurred" and ``SKIN`` it belongs to.

    Args:
        bgr: uint8 (height, width, 3), BGR.
        xyxy: float32 (N, 4), the annotated faces.
    """
    if not len(xyxy):
        return []
    return [_light(crop) for crop in cut_crops(bgr, xyxy, CropRule(margin=0), (_SIDE_PX, _SIDE_PX))]


def with_slices(face: TrueFace, measured: Sequence[str] = ()) -> TrueFace:
    """Return an annotated face with the slices measured on it, and those of its pose if it was found."""
    return replace(face, slices=tuple(dict.fromkeys((*face.slices, *measured, *_pose(face)))))


def _light(crop: BGRFrame) -> tuple[str, ...]:
    dark = bool(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).mean() < DARK_UNDER)
    blurred = sharpness(crop) < BLURRED_UNDER
    return (*((DARK,) if dark else ()), *((BLURRED,) if blurred else ()), *_skin(crop))


def typology_angle_deg(bgr: BGRFrame) -> float | None:
    """Return the individual typology angle of a patch of skin, -90 to 90 degrees: the lighter, the higher.

    That is atan((L* - 50) / b*) of its median colour in CIE L*a*b* (D65).

    Args:
        bgr: uint8 (height, width, 3), BGR.

    Returns:
        None where the patch has no colour, as in black-and-white pictures, or none of skin.
    """
    lightness, red, yellow = np.median(cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2LAB), axis=(0, 1))
    if yellow < _LEAST_YELLOW or red < 0:
        return None
    return float(np.degrees(np.arctan((lightness - 50) / yellow)))


def _skin(crop: BGRFrame) -> tuple[str, ...]:
    top, bottom, left, right = (int(share * _SIDE_PX) for share in _BRIDGE)
    angle_deg = typology_angle_deg(crop[top:bottom, left:right])
    return () if angle_deg is None else (next(name for least_deg, name in SKIN if angle_deg >= least_deg),)


def _pose(face: TrueFace) -> list[str]:
    if face.found is None or face.found.landmarks is None:
        return []
    pose = head_pose([face.found.landmarks])
    limits = ((ASIDE, pose.yaw, ASIDE_DEG), (NODDING, pose.pitch, NODDING_DEG), (TILTED, pose.roll, TILTED_DEG))
    return [name for name, degrees, limit in limits if abs(degrees[0]) > limit]

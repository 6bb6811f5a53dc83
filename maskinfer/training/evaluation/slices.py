"""Slices that are measured, not annotated: faces in the dark, blurred, turned aside, tilted, looking up or down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2

from maskinfer.engine.contract import CropRule
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.quality import sharpness
from maskinfer.engine.results import BGRFrame, FloatArray
from maskinfer.training.data.head_pose import ASIDE_DEG, NODDING_DEG, TILTED_DEG, head_pose
from maskinfer.training.evaluation.matching import TrueFace

DARK, BLURRED = "dark", "blurred"
# By the landmarks of the detector: of faces that it missed nothing is known.
ASIDE, NODDING, TILTED = "aside, if found", "up or down, if found", "tilted, if found"
# Mean grey value, of 255.
DARK_UNDER = 60
# Of ``quality.sharpness``; clear faces have more.
BLURRED_UNDER = 13
_SIDE_PX = 128


def light_slices(bgr: BGRFrame, xyxy: FloatArray) -> list[tuple[str, ...]]:
    """Return, for each face of a picture, which of the slices "dark" and "blurred" it belongs to.

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
    return (*((DARK,) if dark else ()), *((BLURRED,) if blurred else ()))


def _pose(face: TrueFace) -> list[str]:
    if face.found is None or face.found.landmarks is None:
        return []
    pose = head_pose([face.found.landmarks])
    limits = ((ASIDE, pose.yaw, ASIDE_DEG), (NODDING, pose.pitch, NODDING_DEG), (TILTED, pose.roll, TILTED_DEG))
    return [name for name, degrees, limit in limits if abs(degrees[0]) > limit]

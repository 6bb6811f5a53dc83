"""Slices that are measured, not annotated: faces in the dark, blurred, turned aside, tilted, looking up or down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from maskinfer.engine.contract import CropRule
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.quality import sharpness
from maskinfer.engine.results import BGRFrame
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


def with_conditions(bgr: BGRFrame, faces: Sequence[TrueFace]) -> list[TrueFace]:
    """Return the faces of a picture, each with the measured slices that it belongs to besides its own.

    Args:
        bgr: uint8 (height, width, 3), BGR.
        faces: annotated in it.
    """
    if not faces:
        return []
    boxes = np.asarray([face.xyxy for face in faces], np.float32)
    crops = cut_crops(bgr, boxes, CropRule(margin=0), (_SIDE_PX, _SIDE_PX))
    return [
        replace(face, slices=tuple(dict.fromkeys((*face.slices, *_light(crop), *_pose(face)))))
        for face, crop in zip(faces, crops, strict=True)
    ]


def _light(crop: BGRFrame) -> list[str]:
    dark = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).mean() < DARK_UNDER
    return [DARK] * bool(dark) + [BLURRED] * (sharpness(crop) < BLURRED_UNDER)


def _pose(face: TrueFace) -> list[str]:
    if face.found is None or face.found.landmarks is None:
        return []
    pose = head_pose([face.found.landmarks])
    limits = ((ASIDE, pose.yaw, ASIDE_DEG), (NODDING, pose.pitch, NODDING_DEG), (TILTED, pose.roll, TILTED_DEG))
    return [name for name, degrees, limit in limits if abs(degrees[0]) > limit]

"""Slices that are measured: of pictures made dark, blurred and tilted on purpose."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.results import BGRFrame, Face
from maskinfer.training.evaluation.matching import TrueFace
from maskinfer.training.evaluation.slices import ASIDE, BLURRED, DARK, NODDING, TILTED, light_slices, with_slices


def judged(bgr: BGRFrame, *, found: bool = True) -> tuple[str, ...]:
    """Return the slices of the portrait's face, whose own slice is "mine"."""
    detected = load_detector("retinaface-mask")([bgr])[0]
    assert detected.landmarks is not None
    left, top, right, bottom = (float(v) for v in detected.xyxy[0])
    points = tuple((float(x), float(y)) for x, y in detected.landmarks[0])
    face = Face((left, top, right, bottom), 0.9, points, "with_mask", 0.9, {"with_mask": 0.9})
    true = TrueFace(0, "with_mask", face.xyxy, "", ("mine",), face if found else None)
    (measured,) = light_slices(bgr, detected.xyxy[:1])
    return with_slices(true, measured).slices


def rotated(bgr: BGRFrame, degrees: float) -> BGRFrame:
    turn = cv2.getRotationMatrix2D((224.0, 130.0), degrees, 1)
    return np.asarray(cv2.warpAffine(bgr, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def test_a_clear_upright_face_is_in_none(portrait: BGRFrame) -> None:
    assert judged(portrait) == ("mine",)


def test_light_and_blur_are_measured_of_missed_faces_too(portrait: BGRFrame) -> None:
    dark = (portrait * 0.3).astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(portrait, (0, 0), 5), np.uint8)
    for found in (True, False):
        assert judged(dark, found=found) == ("mine", DARK)
        assert BLURRED in judged(blurred, found=found)


@pytest.mark.parametrize("degrees", [-38, 38])
def test_pose_is_that_of_found_faces(portrait: BGRFrame, degrees: float) -> None:
    tilted = rotated(portrait, degrees)
    assert TILTED in judged(tilted)
    assert not {ASIDE, NODDING, TILTED} & set(judged(tilted, found=False))


def test_no_faces_are_none(portrait: BGRFrame) -> None:
    assert light_slices(portrait, np.zeros((0, 4), np.float32)) == []

"""Slices that are measured: of pictures made dark, blurred and tilted on purpose."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.results import BGRFrame, Face
from maskinfer.training.evaluation.matching import TrueFace
from maskinfer.training.evaluation.slices import (
    ASIDE,
    BLURRED,
    DARK,
    NODDING,
    TILTED,
    light_slices,
    typology_angle_deg,
    with_slices,
)


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
    assert judged(portrait) == ("mine", "skin: light")


def test_light_and_blur_are_measured_of_missed_faces_too(portrait: BGRFrame) -> None:
    dark = (portrait * 0.3).astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(portrait, (0, 0), 5), np.uint8)
    for found in (True, False):
        assert judged(dark, found=found)[:2] == ("mine", DARK)
        assert BLURRED in judged(blurred, found=found)


@pytest.mark.parametrize("degrees", [-38, 38])
def test_pose_is_that_of_found_faces(portrait: BGRFrame, degrees: float) -> None:
    tilted = rotated(portrait, degrees)
    assert TILTED in judged(tilted)
    assert not {ASIDE, NODDING, TILTED} & set(judged(tilted, found=False))


def test_no_faces_are_none(portrait: BGRFrame) -> None:
    assert light_slices(portrait, np.zeros((0, 4), np.float32)) == []


# Mean colours of skin, sRGB, and the class of the paper that each belongs to.
@pytest.mark.parametrize(
    ("rgb", "low", "high"),
    [((240, 210, 195), 41, 90), ((200, 155, 125), 10, 41), ((130, 90, 65), -30, 10), ((70, 45, 32), -90, -30)],
)
def test_the_angle_of_skin_of_four_kinds(rgb: tuple[int, int, int], low: float, high: float) -> None:
    angle = typology_angle_deg(np.full((8, 8, 3), rgb[::-1], np.uint8))
    assert angle is not None
    assert low <= angle < high


@pytest.mark.parametrize("rgb", [(128, 128, 128), (30, 90, 200), (40, 160, 60)])
def test_what_has_no_colour_of_skin_has_no_angle(rgb: tuple[int, int, int]) -> None:
    assert typology_angle_deg(np.full((8, 8, 3), rgb[::-1], np.uint8)) is None


def test_the_portrait_has_light_skin_and_none_in_black_and_white(portrait: BGRFrame) -> None:
    grey = np.repeat(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)
    box = np.asarray([[177, 60, 272, 180]], np.float32)
    assert [name for name in light_slices(portrait, box)[0] if name.startswith("skin")] != []
    assert [name for name in light_slices(grey, box)[0] if name.startswith("skin")] == []

"""Faces too small or too blurred to be labelled."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.quality import Gate, sharpness
from maskinfer.engine.results import BGRFrame


def test_sharpness_falls_with_blur(portrait: BGRFrame) -> None:
    face = portrait[40:260, 130:350]
    blurred = [sharpness(np.asarray(cv2.GaussianBlur(face, (0, 0), sigma), np.uint8)) for sigma in (2, 6, 12, 24)]
    assert [sharpness(face), *blurred] == sorted([sharpness(face), *blurred], reverse=True)
    assert sharpness(face) > 12
    assert blurred[-1] < 8


def test_sharpness_leaves_out_light_contrast_and_size(portrait: BGRFrame) -> None:
    face = portrait[40:260, 130:350]
    darker = (face * 0.4).astype(np.uint8)
    smaller = cv2.resize(face, (96, 96), interpolation=cv2.INTER_AREA)
    assert sharpness(darker) == pytest.approx(sharpness(face), rel=0.03)
    assert sharpness(np.asarray(smaller, np.uint8)) == pytest.approx(sharpness(face), rel=0.1)


def test_a_plain_surface_has_none() -> None:
    assert sharpness(np.full((40, 30, 3), 90, np.uint8)) == 0


def test_the_shorter_side_decides() -> None:
    assert Gate(min_face_px=20).passes((5, 5, 25, 65), None)
    assert not Gate(min_face_px=20).passes((5, 5, 24.9, 65), 30.0)
    assert Gate().passes((5, 5, 6, 6), 0.0)


def test_sharpness_decides_where_it_is_known() -> None:
    assert Gate(min_sharpness=9).passes((5, 5, 25, 65), 9.0)
    assert not Gate(min_sharpness=9).passes((5, 5, 25, 65), 8.9)
    assert Gate(min_sharpness=9).passes((5, 5, 25, 65), None)


@pytest.mark.parametrize("gate", [{"min_face_px": 1.0}, {"min_sharpness": 1.0}])
def test_the_engine_calls_what_does_not_pass_uncertain(
    gate: dict[str, float], colour_classifier: Path, portrait: BGRFrame
) -> None:
    sure = maskinfer.load(classifier=str(colour_classifier))(portrait).faces[0]
    lax = maskinfer.load(classifier=str(colour_classifier), gate=Gate(**gate))(portrait).faces[0]
    high = {name: value * 1000 for name, value in gate.items()}
    strict = maskinfer.load(classifier=str(colour_classifier), gate=Gate(**high))(portrait).faces[0]
    assert lax == sure
    assert (strict.label, strict.score, strict.scores) == ("uncertain", sure.score, sure.scores)


def test_every_labelled_face_says_how_sharp_it_is(colour_classifier: Path, portrait: BGRFrame) -> None:
    result = maskinfer.load(classifier=str(colour_classifier))(portrait)
    assert (result.faces[0].sharpness or 0) > 12
    assert result.to_dict()["faces"][0]["sharpness"] == round(result.faces[0].sharpness or 0, 2)


@pytest.mark.parametrize("value", [-1.0, float("nan")])
def test_limits_below_nothing_are_refused(value: float) -> None:
    with pytest.raises(RequestError, match="min_sharpness"):
        Gate(min_sharpness=value)

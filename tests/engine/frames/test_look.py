"""Colours, words, sizes and clock of what is drawn, and who is hidden by a label."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import RequestError
from maskinfer.engine.frames.annotate import Style, annotate, blur_faces
from maskinfer.engine.frames.cover import Cover, covered
from maskinfer.engine.frames.look import Look
from maskinfer.engine.results import BGRFrame, Face, FrameResult


def face(label: str, track_id: int | None = 1, left: float = 200) -> Face:
    return Face((left, 160, left + 100, 300), 0.9, None, label, 0.97, {label: 0.97}, track_id)


def result(*faces: Face, frame: int = 0, time_s: float = 0.0) -> FrameResult:
    return FrameResult("a", frame, time_s, (640, 480), faces)


def drawn(look: Look, one: FrameResult | None = None) -> BGRFrame:
    frame = np.full((480, 640, 3), 120, np.uint8)
    annotate(frame, one or result(face("without_mask")), Style(look=look))
    return frame


def painted(frame: BGRFrame, colour: tuple[int, int, int]) -> int:
    return int((frame == colour).all(-1).sum())


def test_colours_and_lines() -> None:
    pink = (203, 0, 255)
    usual, own = drawn(Look()), drawn(Look(colours=(("without_mask", pink),)))
    assert (painted(usual, (0, 94, 213)), painted(usual, pink)) != (0, 0)
    assert painted(own, (0, 94, 213)) == 0
    assert painted(own, pink) > 1000
    thick = drawn(Look(colours=(("without_mask", pink),), line=3))
    assert painted(thick, pink) > 1.5 * painted(own, pink)
    with pytest.raises(RequestError, match="the line size is 0"):
        Look(line=0)


def test_words_counts_and_letters() -> None:
    assert Look(words=(("without_mask", "ohne Maske"),)).caption(face("without_mask")) == "ohne Maske 97%"
    nose = replace(face("incorrect_mask"), bare="nose")
    assert Look().caption(nose) == "nose uncovered 97%"
    assert Look(words=(("nose", "Nase frei"),)).caption(nose) == "Nase frei 97%"
    one = result(face("with_mask"), face("other"))
    assert Look(counted=("with_mask",)).counts(one) == [("with_mask", "with mask 1")]
    assert [label for label, _ in Look().counts(one)] == ["with_mask", "without_mask", "incorrect_mask", "other"]
    usual, few, none = (drawn(Look(counted=counted)) for counted in (None, ("with_mask",), ()))
    width = [int((frame[470] != 120).any(-1).sum()) for frame in (usual, few, none)]
    assert width[0] > 2 * width[1] > 0
    assert width[2] == 0
    large = drawn(Look(font=2))
    assert (large[440:450, :60] != 120).any()
    assert (usual[440:450, :60] == 120).all()


def test_the_clock() -> None:
    late = result(time_s=3725.9)
    assert (drawn(Look(), late)[:20, :40] == 120).all()
    since, wall = (Look(clock=True, clock_start=start) for start in (None, datetime(2026, 11, 25, 8)))
    assert (since.time(3725.9), wall.time(3725.9)) == ("1:02:05", "2026-11-25 09:02:05")
    short, long = ((drawn(look, late)[5] != 120).any(-1).sum() for look in (since, wall))
    assert 0 < short < long


@pytest.mark.parametrize(
    ("style", "hidden"),
    [
        (Style(blur_faces=True), {"with_mask", "without_mask", "uncertain"}),
        (Style(blur_faces=True, blur_labels=("without_mask",)), {"without_mask"}),
        (Style(blur_faces=True, blur_except=("with_mask",)), {"without_mask", "uncertain"}),
        (Style(), set()),
    ],
)
def test_who_is_hidden(style: Style, hidden: set[str]) -> None:
    assert {label for label in ("with_mask", "without_mask", "uncertain") if style.hides(face(label))} == hidden


@pytest.mark.parametrize("solid", [False, True])
def test_a_solid_blur_leaves_no_colour(solid: bool) -> None:
    frame = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    blur_faces(frame, [(200, 160, 300, 300)], margin=0, solid=solid)
    colours = len(np.unique(frame[160:300, 200:300].reshape(-1, 3), axis=0))
    assert colours == 1 if solid else 1 < colours <= 36


def labels_over_time() -> list[FrameResult]:
    """One person whose mask is off from 2 to 3 s, and who is not seen from 4 to 4.6 s."""
    return [
        result(*([] if 4 <= i / 10 < 4.6 else [face("without_mask" if 2 <= i / 10 < 3 else "with_mask")]),
               frame=i, time_s=i / 10)
        for i in range(60)
    ]  # fmt: skip


@pytest.mark.parametrize("hold_s", [0.0, 0.5, 1.0])
def test_a_label_hides_in_both_directions_of_time(hold_s: float) -> None:
    style = Style(blur_faces=True, blur_labels=("without_mask",))
    found = list(covered(labels_over_time(), lambda one: one, hold_s, style.hides))
    hidden = {one.frame for one, boxes in found if boxes}
    low, high = round(20 - 10 * hold_s), round(29 + 10 * hold_s)
    assert hidden == set(range(low, high + 1))


def test_a_gap_is_hidden_by_what_is_on_its_sides() -> None:
    results = labels_over_time()
    masked = Style(blur_faces=True, blur_labels=("with_mask",))
    known = Cover(0.0, masked.hides)
    for one in results:
        known.add(one)
    found = {one.frame: known.boxes(one) for one in results}
    assert all(found[i] for i in range(40, 46)), "a gap between two sightings that are hidden"
    assert not any(found[i] for i in range(20, 30))
    cover = Cover(0.35, masked.hides)  # as of a camera, which knows only what was
    shown = []
    for one in results:
        cover.add(one)
        shown.append(bool(cover.boxes(one)))
        cover.forget(one.time_s)
    assert shown[:23] == [True] * 23
    assert not any(shown[24:30])
    assert shown[30:43] == [True] * 13


def test_an_unknown_face_of_no_track_is_hidden_by_its_own_label() -> None:
    style = Style(blur_faces=True, blur_except=("with_mask",))
    one = result(face("with_mask", None), face("without_mask", None, left=400))
    frame = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    before = frame.copy()
    annotate(frame, one, replace(style, boxes=False))
    assert (frame[200:260, 220:280] == before[200:260, 220:280]).all()
    assert (frame[200:260, 420:480] != before[200:260, 420:480]).any()
    assert [boxes for _, boxes in covered([one], lambda item: item, 1.0, style.hides)] == [[one.faces[1].xyxy]]


def test_letters_of_other_languages() -> None:
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 draws ASCII alone")
    plain, cyrillic = (drawn(Look(words=(("without_mask", words),))) for words in ("?????", "маска"))
    assert (plain != cyrillic).any()

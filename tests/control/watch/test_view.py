"""Live pictures of large cameras are made smaller, and what is drawn on them with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.control.watch.view import View
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from maskinfer.engine.sources.video import open_video
from tests.helpers.clips import write_clip

SIZE_WH = (2560, 1440)
BOX = (1200.0, 400.0, 1600.0, 1000.0)


def noise(size_wh: tuple[int, int]) -> BGRFrame:
    """Dots as large as four pixels, which stay visible when the picture is made smaller."""
    width, height = size_wh
    dots = np.random.default_rng(1).integers(60, 196, (height // 4, width // 4, 1), np.uint8)
    return np.repeat(cv2.resize(dots, size_wh, interpolation=cv2.INTER_NEAREST)[..., None], 3, axis=2)


@pytest.fixture(params=["planes", "BGR"])
def picture(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Picture]:
    if request.param == "BGR":
        yield Picture(noise(SIZE_WH))
        return
    with open_video(write_clip(tmp_path / "large.mp4", [noise(SIZE_WH)], options={"preset": "ultrafast"})) as video:
        yield next(iter(video)).picture


def shown(picture: Picture, *, blurred: bool, small: bool = False) -> BGRFrame:
    face = Face(BOX, 0.9, ((1300.0, 600.0),) * 5, "without_mask", 0.9, {"without_mask": 0.9}, track_id=1)
    view = View()
    view.show(picture, FrameResult("door", 0, 0.0, picture.size_wh, (face,)))
    _, jpeg = view.live(blurred=blurred, most_fps=5, small=small) or (0, b"")
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def roughness(bgr: BGRFrame, xyxy: tuple[int, int, int, int]) -> float:
    left, top, right, bottom = xyxy
    return float(np.abs(np.diff(bgr[top:bottom, left:right].astype(float), axis=1)).mean())


def test_a_large_picture_is_made_smaller_and_the_box_with_it(picture: Picture) -> None:
    bgr = shown(picture, blurred=False)
    assert bgr.shape == (720, 1280, 3)
    colours = bgr.max(axis=2).astype(int) - bgr.min(axis=2)
    rows, columns = np.nonzero(colours[:640] > 100)  # the wall is grey; the legend stands below
    assert columns.min() == pytest.approx(600, abs=12)
    assert columns.max() == pytest.approx(800, abs=12)
    assert rows.max() == pytest.approx(500, abs=12)


def test_a_small_picture_has_boxes_but_no_words_that_could_not_be_read(picture: Picture) -> None:
    for small, width, words in ((False, 1280, True), (True, 480, False)):
        bgr = shown(picture, blurred=False, small=small)
        colours = bgr.max(axis=2).astype(int) - bgr.min(axis=2) > 100
        scale = width / SIZE_WH[0]
        top = round(BOX[1] * scale)
        above, below = colours[: top - 6], colours[round((BOX[3] + 80) * scale) :]
        assert (above.any(), below.any()) == (words, words), "the caption, and the counts"
        assert colours[top - 4 : round(BOX[3] * scale) + 4, round(BOX[0] * scale) - 4 : round(BOX[2] * scale) + 4].any()


def test_a_small_picture_is_less_wide_and_does_not_take_the_place_of_the_other() -> None:
    view = View()
    view.show(Picture(noise(SIZE_WH)), FrameResult("door", 0, 0.0, SIZE_WH, ()))
    shapes = []
    for small in (True, False, True):
        number, jpeg = view.live(blurred=False, most_fps=0.1, small=small) or (0, b"")
        shapes.append((number, cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape))
    assert shapes == [(1, (270, 480, 3)), (1, (720, 1280, 3)), (1, (270, 480, 3))]


def test_a_picture_in_which_nothing_has_changed_is_not_drawn_again() -> None:
    view, result = View(), FrameResult("door", 0, 0.0, SIZE_WH, ())
    numbers = []
    for is_unchanged in (True, True, False, True):  # before the first one there is none to be like
        view.show(Picture(noise(SIZE_WH)), replace(result, time_s=result.time_s + 1), is_unchanged=is_unchanged)
        result = replace(result, time_s=result.time_s + 1)
        numbers.append((view.live(blurred=False, most_fps=1e9) or (0, b""))[0])
    assert numbers == [1, 1, 2, 2]
    assert view.newest is not None
    assert view.newest.time_s == result.time_s


def test_a_blurred_face_is_blurred_where_it_is_shown(picture: Picture) -> None:
    bgr = shown(picture, blurred=True)
    inside, beside = (620, 220, 780, 480), (900, 220, 1060, 480)
    assert roughness(bgr, beside) > 5
    assert roughness(bgr, inside) < roughness(bgr, beside) / 3

"""Pictures in which nothing changes are not looked at again, and everything that matters is a change."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.frames.stillness import Stillness
from maskinfer.engine.frames.yuv420 import planes_of
from maskinfer.engine.results import BGRFrame

RNG = np.random.default_rng(2)
WALL = np.asarray(120 + RNG.normal(0, 15, (360, 640, 1)).repeat(3, axis=2), np.float32)


def picture(canvas: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Picture:
    noise = RNG.normal(0, 4, canvas.shape)
    return Picture(np.clip(canvas + noise, 0, 255).astype(np.uint8))


def test_noise_and_a_light_that_flickers_are_no_change() -> None:
    stillness = Stillness(60)
    assert not stillness.is_still(picture(WALL), 0.0)
    assert all(stillness.is_still(picture(WALL * (1 + 0.03 * (-1) ** n)), n / 10) for n in range(1, 100))


@pytest.mark.parametrize("corner_xy", [(0, 0), (301, 203), (628, 348)])
def test_a_face_as_small_as_can_be_found_is_a_change(corner_xy: tuple[int, int]) -> None:
    stillness, (x, y) = Stillness(60), corner_xy
    stillness.is_still(picture(WALL), 0.0)
    with_face = WALL.copy()
    with_face[y : y + 12, x : x + 12] += 25
    assert not stillness.is_still(picture(with_face), 0.1)
    assert stillness.is_still(picture(with_face), 0.2)
    assert not stillness.is_still(picture(WALL), 0.3)  # and when it is gone


def test_what_changes_slowly_adds_up() -> None:
    stillness, looked = Stillness(60), []
    for n in range(40):
        canvas = WALL.copy()
        canvas[100:140, 200:240] += n
        looked.append(not stillness.is_still(picture(canvas), n / 10))
    assert 2 < sum(looked[1:]) < 20


def test_it_is_looked_at_now_and_then_and_when_time_or_size_are_others() -> None:
    stillness, other = Stillness(1.0), np.ascontiguousarray(WALL[:, :320])
    times_s = [0.0, 0.5, 0.9, 1.0, 1.9, 2.1, 0.0, 0.1]
    assert [stillness.is_still(picture(WALL), t) for t in times_s] == [
        *(False, True, True, False, True, False, False, True)
    ]  # fmt: skip
    assert not stillness.is_still(picture(other), 0.2)


def test_planes_are_as_bright_as_their_picture() -> None:
    bgr = picture(WALL)
    frame = av.VideoFrame.from_ndarray(bgr.bgr, format="bgr24").reformat(format="yuv420p")
    luma = Picture(planes_of(frame, 5)).brightness((160, 90))
    assert luma.shape == (90, 160)
    # Studio range: 16 is black and 235 is white.
    np.testing.assert_allclose(luma, 16 + bgr.brightness((160, 90)) * 219 / 255, atol=2)


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160))


def test_who_stands_still_is_still_there_and_nobody_is_looked_for(engine: Engine, portrait: BGRFrame) -> None:
    frames = [Frame("door", n, n / 10, Picture(portrait.copy())) for n in range(25)]
    every, less = engine.tracker(TrackOptions()), engine.tracker(TrackOptions(still_s=1.0))
    looked = [engine.infer([frame], [every])[0] for frame in frames]
    left_out = [engine.infer([frame], [less])[0] for frame in frames]
    assert [result.faces for result in left_out] == [result.faces for result in looked]
    assert all(len(result.faces) == 1 for result in left_out[1:])
    assert (every.unchanged, less.unchanged) == (0, 22)


def test_who_leaves_is_gone_at_once(engine: Engine, portrait: BGRFrame) -> None:
    shown = [portrait] * 5 + [np.full_like(portrait, 127)] * 5 + [portrait] * 5
    frames = [Frame("door", n, n / 10, Picture(bgr.copy())) for n, bgr in enumerate(shown)]
    results = [pair[1] for pairs in engine.follow(frames, TrackOptions(still_s=60)) for pair in pairs]
    assert [len(result.faces) for result in results][2:] == [1] * 3 + [0] * 5 + [1] * 5


def test_times_that_cannot_be() -> None:
    with pytest.raises(RequestError, match="still_s is -1, expected seconds, or None"):
        TrackOptions(still_s=-1)

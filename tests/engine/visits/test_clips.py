"""Visits of real clips, through the real models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import maskinfer
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sources.open import open_source
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import VisitRules
from maskinfer.engine.visits.visit import VisitChange
from tests.conftest import shared
from tests.engine.visits.scenes import START, of_kind


@pytest.fixture(scope="module")
def engine() -> maskinfer.Engine:
    return maskinfer.load()


def watch(engine: maskinfer.Engine, frames: Iterator[Frame], *, every: int = 1) -> tuple[list[VisitChange], int]:
    """Return what a book says of every so many frames, and how many tracks there were."""
    book, tracker, tracks = VisitBook("door", VisitRules(), "r1"), engine.tracker(TrackOptions()), set()
    changes = []
    for frame in frames:
        if frame.index % every == 0:
            (result,) = engine.infer([frame], [tracker])
            tracks |= {face.track_id for face in result.faces}
            changes += book.add(frame, result, START + timedelta(seconds=frame.time_s))
    return changes + book.close(START + timedelta(days=1)), len(tracks)


def looped(clip: Path, times: int) -> Iterator[Frame]:
    with open_source(str(clip)) as source:
        shown = [frame.bgr.copy() for frame in source]
    numbers = count()
    for _ in range(times):
        yield from (Frame("door", n, n / 25, Picture(bgr.copy())) for bgr, n in zip(shown, numbers, strict=False))


def test_who_is_hidden_for_a_while_is_one_visit_with_a_picture(engine: maskinfer.Engine, portrait: BGRFrame) -> None:
    nobody = np.full_like(portrait, 127)
    shown = [portrait] * 10 + [nobody] * 15 + [portrait] * 10
    frames = (Frame("door", i, i / 10, Picture(bgr.copy())) for i, bgr in enumerate(shown))
    changes, tracks = watch(engine, frames)
    assert tracks == 2
    (ended,) = of_kind(changes, "ended")
    assert (ended.visit.label, ended.visit.ended) == ("without_mask", "stopped")
    assert ended.visit.last_at - ended.visit.first_at == timedelta(seconds=3.4)
    (settled,) = of_kind(changes, "settled")
    assert settled.picture is not None
    x0, y0, x1, y1 = (round(value) for value in settled.picture.xyxy)
    height, width = settled.picture.bgr.shape[:2]
    top, left = max(0, y0 - (y1 - y0) // 2), max(0, x0 - (x1 - x0) // 2)
    bottom, right = (min(512, high + (high - low) // 2) for low, high in ((y0, y1), (x0, x1)))
    assert (height, width) == pytest.approx((bottom - top, right - left), abs=3)
    cut = portrait[top:, left:][:height, :width]
    assert np.abs(cut.astype(int) - settled.picture.bgr).mean() < 20


@pytest.mark.parametrize("every", [2, 5])
def test_each_time_the_mask_goes_down_is_one_change(engine: maskinfer.Engine, every: int) -> None:
    changes, _ = watch(engine, looped(shared("videos", "chin_mask_640x480.avi"), 3), every=every)
    down = [change for change in of_kind(changes, "changed") if change.visit.label == "incorrect_mask"]
    seconds = [(change.at - START).total_seconds() for change in down]
    assert [round(second // (104 / 25)) for second in seconds] == [0, 1, 2]


def test_the_people_of_a_street_are_counted_though_their_tracks_break(engine: maskinfer.Engine) -> None:
    with open_source(str(shared("videos", "walking_1080p.mp4"))) as frames:
        changes, tracks = watch(engine, iter(frames), every=3)
    visits = [change.visit for change in of_kind(changes, "ended")]
    assert tracks > 11
    # Of eleven people a face is to be seen, of some of them for half a second.
    assert 8 <= len(visits) <= 11
    assert {visit.label for visit in visits} <= {"without_mask", "uncertain"}

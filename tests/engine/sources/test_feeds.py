"""Sources that come and go, at most so many frames a second, recordings at their own pace."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import av
import pytest

from maskinfer.engine.sources.feeds import Feeds
from maskinfer.engine.sources.live import FeedOptions
from tests.helpers.clips import number_of, write_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "numbers.mp4", 50, rate=25)


def numbers(feeds: Feeds) -> list[int]:
    return [number_of(fed.frame.bgr) for batch in feeds.batches() for fed in batch]


@pytest.mark.parametrize(
    ("most", "expected"),
    [(5.0, list(range(0, 50, 5))), (12.5, list(range(0, 50, 2))), (25.0, list(range(50))), (100.0, list(range(50)))],
)
def test_frames_beyond_the_most_a_second_are_left_out(clip: Path, most: float, expected: list[int]) -> None:
    feeds = Feeds()
    feeds.add(str(clip), "clip", FeedOptions(max_fps=most))
    assert numbers(feeds) == expected
    assert feeds.feeds[0].dropped == 0


def test_a_rate_that_divides_nothing_is_met_on_average(clip: Path) -> None:
    feeds = Feeds()
    feeds.add(str(clip), "clip", FeedOptions(max_fps=10.0))
    assert len(numbers(feeds)) == 20


def test_a_paced_recording_takes_as_long_as_it_lasts(clip: Path) -> None:
    feeds = Feeds()
    began_s = time.monotonic()
    feeds.add(str(clip), "clip", FeedOptions(paced=True))
    assert numbers(feeds) == list(range(50))
    assert time.monotonic() - began_s >= 49 / 25


def test_sources_come_and_go_while_others_are_read(clip: Path) -> None:
    feeds = Feeds()
    first = feeds.add(str(clip), "first", FeedOptions(paced=True))
    seen: dict[str, list[int]] = {"first": [], "second": []}
    second = None
    for batch in feeds.batches(lambda: first.is_over, endless=True, wake_s=0.05):
        for fed in batch:
            seen[fed.feed.name].append(number_of(fed.frame.bgr))
        if second is None and len(seen["first"]) >= 5:
            second = feeds.add(str(clip), "second", FeedOptions(paced=True))
        if second in feeds.feeds and second is not None and len(seen["second"]) >= 5:
            feeds.remove(second)
            count = len(seen["second"])
    assert seen["first"] == list(range(50))
    assert len(seen["second"]) == count
    feeds.close()


def test_nothing_to_read_is_no_end_where_others_may_come() -> None:
    feeds = Feeds()
    asked: list[int] = []

    def stopped() -> int:
        asked.append(1)
        return int(len(asked) > 3)

    assert list(feeds.batches(stopped, endless=True, wake_s=0.01)) == [[], [], []]


def test_no_decoded_picture_outlives_its_source(clip: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        feeds = Feeds()
        feeds.add(str(clip), "clip")
        assert len(numbers(feeds)) == 50
        feeds.close()
        # Not isinstance, which asks objects of other libraries for their class, and some of them warn.
        assert not [one for one in gc.get_objects() if type(one) is av.VideoFrame]
    finally:
        gc.enable()

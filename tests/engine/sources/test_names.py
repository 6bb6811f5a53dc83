from __future__ import annotations

import threading
from pathlib import Path

import pytest

from maskinfer.engine.errors import RequestError
from maskinfer.engine.sources.feeds import open_feeds
from maskinfer.engine.sources.live import Feed, FeedOptions
from maskinfer.engine.sources.names import named
from tests.helpers.clips import write_clip


@pytest.mark.parametrize(
    ("source", "name", "address"),
    [
        ("door=rtsp://10.0.0.7/ch1", "door", "rtsp://10.0.0.7/ch1"),
        ("back-door.2=0", "back-door.2", "0"),
        ("door=a=b.mp4", "door", "a=b.mp4"),
        ("0", "", "0"),
        ("clip.mp4", "", "clip.mp4"),
        ("rtsp://10.0.0.7/ch1?channel=1", "", "rtsp://10.0.0.7/ch1?channel=1"),
        ("films/a=b.mp4", "", "films/a=b.mp4"),
    ],
)
def test_a_source_may_have_a_name(source: str, name: str, address: str) -> None:
    assert named(source) == (name, address)


def test_a_file_of_such_a_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.mp4").touch()
    assert named("a=b.mp4") == ("", "a=b.mp4")
    with pytest.raises(RequestError, match="'door' has a name, but no address"):
        named("door=")


def test_frames_carry_the_name(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", 3)
    with open_feeds([f"door={clip}"]) as feeds:
        sources = [fed.frame.source for batch in feeds.batches() for fed in batch]
    assert sources == ["door"] * 3


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", 3)
    with (
        pytest.raises(RequestError, match="two sources are called door: give each a"),
        open_feeds([f"door={clip}", "door=0"]),
    ):
        pass


def test_whatever_a_reader_raises_ends_that_source_with_its_name(tmp_path: Path) -> None:
    """A path that no system takes; the other source is read to its end."""
    clip = write_clip(tmp_path / "a.mkv", 5)
    with open_feeds(["bad=x\0y.mp4", str(clip)]) as feeds:
        read = [fed.frame.index for batch in feeds.batches() for fed in batch]
        problems = [feed.problem for feed in feeds.feeds]
    assert read == list(range(5))
    assert "x\\x00y.mp4" in problems[0]
    assert problems[1] == ""


def test_a_live_source_that_is_down_at_the_start_is_waited_for() -> None:
    told: list[str] = []
    with open_feeds(["door=http://127.0.0.1:9/a"], FeedOptions(), told.append) as feeds:
        batches = feeds.batches(lambda: len(told), insist=True)
        assert list(batches) == []
    assert told == [
        "door cannot be opened yet, and is tried again: http://127.0.0.1:9/a cannot be opened: nothing listens at "
        "127.0.0.1:9; check the address"
    ]


def test_a_driver_that_raises_something_else_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source: str) -> None:
        raise OverflowError("signed integer is greater than maximum")

    monkeypatch.setattr("maskinfer.engine.sources.live.open_live", broken)
    told: list[str] = []
    feed = Feed("0", "door", FeedOptions(give_up_after_s=0.0), threading.Condition(), told.append)
    feed.start().join(5)
    assert feed.is_over
    assert feed.problem == "door cannot be read: OverflowError: signed integer is greater than maximum"

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from maskinfer.engine.errors import RequestError, SourceError
from maskinfer.engine.sources.camera import is_live
from maskinfer.engine.sources.live import FeedOptions
from maskinfer.engine.sources.open import open_source
from tests.helpers.clips import IN_FRONT, cut, number_of, write_clip
from tests.helpers.waiting import wait_until

NO_SUCH_CAMERA = 97


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("0", True),
        ("12", True),
        ("rtsp://10.0.0.7/ch1", True),
        ("HTTP://10.0.0.7/ch1", True),
        ("clip.mp4", False),
        ("films/0", False),
        ("-1", False),
        ("", False),
        ("a:b.mp4", False),
        ("file:///clip.mp4", False),
    ],
)
def test_is_live(source: str, live: bool) -> None:
    assert is_live(source) is live


def test_a_missing_camera_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(SourceError, match=f"no camera at index {NO_SUCH_CAMERA}: check") as caught,
        open_source(str(NO_SUCH_CAMERA)) as frames,
    ):
        next(frames)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; gives its URL, which holds a password."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://guard:hunter2@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_stream_gives_its_newest_frames(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 200, container_options=IN_FRONT)
    frames = []
    with served(tmp_path) as url, open_source(f"{url}/a.mp4") as source:
        for frame in source:
            frames.append(frame)
            time.sleep(0.05)
    numbers = [number_of(frame.bgr) for frame in frames]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 199
    assert len(frames) < 200
    assert frames[-1].index == 199  # counted as they came, also those that nobody asked for in time


def test_times_are_those_of_the_clock(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 200, container_options=IN_FRONT)
    began_s = time.monotonic()
    with served(tmp_path) as url, open_source(f"{url}/a.mp4", reading=FeedOptions("all")) as source:
        frames = list(source)
    took_s = time.monotonic() - began_s
    assert len(frames) == 200
    assert frames[0].time_s == 0
    assert all(b.pts > a.pts for a, b in pairwise(frames))
    assert all(frame.time_s == pytest.approx(float(frame.pts * frame.time_base)) for frame in frames)
    # The clip lasts 8 s but is read as fast as it comes.
    assert frames[-1].time_s <= took_s


def test_frames_hide_the_password(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 40, container_options=IN_FRONT)
    with served(tmp_path) as url, open_source(f"{url}/a.mp4") as source:
        sources = {frame.source for frame in source}
    assert len(sources) == 1
    assert "hunter2" not in sources.pop()


def test_it_can_be_stopped_at_any_frame(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 200, container_options=IN_FRONT)
    with served(tmp_path) as url:
        with open_source(f"{url}/a.mp4") as source:
            next(source)
        with open_source(f"{url}/a.mp4"):
            pass
        wait_until(lambda: _threads() == 0)


def test_a_lost_stream_is_begun_again(tmp_path: Path) -> None:
    """The server closes the connection in the middle each time."""
    cut(write_clip(tmp_path / "a.mp4", 60, container_options=IN_FRONT), 0.6)
    numbers: list[int] = []
    with served(tmp_path) as url, open_source(f"{url}/a.mp4", reading=FeedOptions("all")) as source:
        for index, frame in enumerate(source):
            assert frame.index == index
            numbers.append(number_of(frame.bgr))
            if numbers.count(0) == 2:
                break
    assert numbers[:2] == [0, 1]
    wait_until(lambda: _threads() == 0)


def test_a_stream_that_stays_away_is_given_up_as_asked(tmp_path: Path) -> None:
    cut(write_clip(tmp_path / "a.mp4", 60, container_options=IN_FRONT), 0.6)
    with served(tmp_path) as url, open_source(f"{url}/a.mp4", reading=FeedOptions("all", 0.1)) as source:
        first = next(source)
        (tmp_path / "a.mp4").unlink()
        with pytest.raises(SourceError, match=r"127\.0\.0\.1"):
            list(source)
    assert first.index == 0
    wait_until(lambda: _threads() == 0)


def test_an_address_that_does_not_answer() -> None:
    with (
        pytest.raises(SourceError, match=r"127\.0\.0\.1:9/a .*check the address") as caught,
        open_source("http://guard:hunter2@127.0.0.1:9/a") as source,
    ):
        next(source)
    assert "hunter2" not in str(caught.value)
    wait_until(lambda: _threads() == 0)


def _threads() -> int:
    return sum(thread.name.startswith("feed ") for thread in threading.enumerate())


@pytest.mark.parametrize("index", ["99999999999", "100"])
def test_an_index_that_no_camera_can_have(index: str) -> None:
    with pytest.raises(RequestError, match=f"there is no camera {index}: indices go up to 99"), open_source(index):
        pass


class _Answers(_Quiet):
    def do_GET(self) -> None:
        self.send_response(int(self.path[1:4]))
        self.end_headers()
        self.wfile.write(b"this is no video " * 100)


@contextmanager
def answering() -> Iterator[str]:
    """Serve the status that the path names, with a text; gives the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://guard:hunter2@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("401", "refuses the user name or the password"),
        ("403", "refuses the user name or the password"),
        ("404", "has nothing at this path"),
        ("200", "is not a video that can be read"),
    ],
)
def test_the_cause_is_said_in_words(path: str, words: str) -> None:
    with (
        answering() as url,
        pytest.raises(SourceError, match=words) as caught,
        open_source(f"{url}/{path}.mjpg") as source,
    ):
        next(source)
    assert "hunter2" not in str(caught.value)


def test_a_name_that_nobody_knows_and_a_port_where_nobody_listens() -> None:
    for url, words in (
        ("rtsp://camera.invalid/ch1", "the name camera.invalid is not known"),
        ("rtsp://127.0.0.1:9/ch1", "nothing listens at 127.0.0.1:9"),
    ):
        with pytest.raises(SourceError, match=words), open_source(url) as source:
            next(source)

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from maskinfer.engine.errors import SourceError
from maskinfer.engine.sinks.video import open_writer
from maskinfer.engine.sources.camera import is_live, open_camera
from tests.helpers.clips import IN_FRONT, cut, facts, number_of, write_clip

NO_SUCH_CAMERA = 97


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("0", True),
        ("12", True),
        ("rtsp://10.0.0.7/ch1", True),
        ("HTTP://10.0.0.7/ch1", True),
        ("clip.mp4", False),
        ("/tmp/0", False),
        ("-1", False),
        ("", False),
        ("a:b.mp4", False),
        ("file:///clip.mp4", False),
    ],
)
def test_is_live(source: str, live: bool) -> None:
    assert is_live(source) is live


@pytest.mark.parametrize("source", [NO_SUCH_CAMERA, str(NO_SUCH_CAMERA)])
def test_a_missing_camera_is_one_line(source: int | str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match=f"no camera at index {NO_SUCH_CAMERA}: check") as caught, open_camera(source):
        pass
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


def test_a_stream_gives_its_newest_frames_and_counts_the_others(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 200, container_options=IN_FRONT)
    with served(tmp_path) as url, open_camera(f"{url}/a.mp4") as camera:
        frames = []
        for frame in camera:
            frames.append(frame)
            time.sleep(0.05)
    numbers = [number_of(frame.bgr) for frame in frames]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 199
    assert camera.dropped == 200 - len(frames) > 0
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_times_are_those_of_the_clock(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 200, container_options=IN_FRONT)
    began_s = time.monotonic()
    with served(tmp_path) as url, open_camera(f"{url}/a.mp4") as camera:
        frames = list(camera)
    took_s = time.monotonic() - began_s
    assert frames[0].time_s == 0
    assert all(b.pts > a.pts for a, b in pairwise(frames))
    assert all(frame.time_s == pytest.approx(float(frame.pts * frame.time_base)) for frame in frames)
    # The clip lasts 8 s but is read as fast as it comes.
    assert frames[-1].time_s <= took_s


def test_info_hides_the_password_and_is_fit_for_a_recording(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 40, container_options=IN_FRONT)
    out = tmp_path / "out.mp4"
    with served(tmp_path) as url, open_camera(f"{url}/a.mp4") as camera, open_writer(out, camera.info) as writer:
        frames = list(camera)
        for frame in frames:
            writer.write(frame.bgr, frame.pts, frame.time_base, frame.duration)
    assert "guard:***@" in camera.info.source
    assert "hunter2" not in camera.info.source
    assert camera.info.size_wh == (64, 48)
    assert facts(out).times == [frame.pts * frame.time_base for frame in frames]
    assert camera.info.time_base == Fraction(1, 90_000)


def test_it_can_be_stopped_at_any_frame(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 200, container_options=IN_FRONT)
    with served(tmp_path) as url:
        with open_camera(f"{url}/a.mp4") as camera:
            next(iter(camera))
        with open_camera(f"{url}/a.mp4"):
            pass
        assert _threads() == 0


def test_a_lost_stream_is_told_after_its_frames(tmp_path: Path) -> None:
    cut(write_clip(tmp_path / "a.mp4", 60, container_options=IN_FRONT), 0.6)
    frames = []
    with served(tmp_path) as url, open_camera(f"{url}/a.mp4") as camera:
        with pytest.raises(SourceError, match=r"guard:\*\*\*@"):
            frames.extend(camera)
        assert _threads() == 0


def test_an_address_that_does_not_answer() -> None:
    with (
        pytest.raises(SourceError, match=r"http://guard:\*\*\*@127\.0\.0\.1:9/a .*check the address"),
        open_camera("http://guard:hunter2@127.0.0.1:9/a"),
    ):
        pass
    assert _threads() == 0


def _threads() -> int:
    return sum(thread.name == "camera" for thread in threading.enumerate())

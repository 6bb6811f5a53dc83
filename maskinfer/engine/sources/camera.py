"""Live sources: cameras by index, streams by URL; always the newest frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from maskinfer.engine.errors import SourceError
from maskinfer.engine.files.urls import is_url
from maskinfer.engine.frames.colour import SDR_VIDEO
from maskinfer.engine.frames.frame import VideoFrame, VideoInfo
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.sources.video import VideoReader, open_video

TIME_BASE = Fraction(1, 90_000)
_STOP_WAIT_S = 2.0
# A recording may end so much before its declared end: with the last frame, or with its sound.
_END_S = 2.0


@dataclass(frozen=True, slots=True)
class Live:
    """An open live source.

    Attributes:
        name: without passwords.
        frame_rate: as declared.
        frames: waits for each, and raises SourceError when the source is lost.
        has_end: it is a recording that has a length, read over the net.
    """

    name: str
    frame_rate: Fraction | None
    frames: Iterator[Picture]
    has_end: bool = False

    def info(self, picture: Picture) -> VideoInfo:
        """Return what a recording has to know, by a frame; its clock is that of arrival."""
        return VideoInfo(self.name, picture.size_wh, TIME_BASE, self.frame_rate, colour=SDR_VIDEO)


def is_live(source: str) -> bool:
    """Tell whether ``source`` is a camera's index, as "0", or a URL, rather than a file.

    >>> is_live("0"), is_live("rtsp://10.0.0.7/ch1"), is_live("clip.mp4"), is_live("file:///clip.mp4")
    (True, True, False, False)
    """
    return source.isdecimal() or (is_url(source) and not source.lower().startswith("file://"))


class Camera:
    """An open live source: iterate over it once to get the newest ``VideoFrame`` whenever one is asked for.

    A thread reads all the time, so that what is asked for is never old; frames that nobody asked for in time
    are dropped. Times are those at which frames arrived.

    Attributes:
        info: made from the first frame.

    While iterating:
        SourceError: the source was lost.
    """

    info: VideoInfo

    def __init__(self, opening: AbstractContextManager[Live]) -> None:
        self._news = threading.Condition()
        self._newest: tuple[float, Picture] | None = None
        self._dropped = 0
        self._ended = False
        self._error: BaseException | None = None
        # The thread also opens and closes: nothing is closed under a driver that hangs while it reads.
        self._thread = threading.Thread(target=self._read, args=(opening,), name="camera", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many frames were replaced by a newer one before they were asked for."""
        with self._news:
            return self._dropped

    def __iter__(self) -> Iterator[VideoFrame]:
        start_s: float | None = None
        index, last_pts = 0, -1
        while (newest := self._take()) is not None:
            arrived_s, picture = newest
            start_s = arrived_s if start_s is None else start_s
            last_pts = max(last_pts + 1, round((arrived_s - start_s) / TIME_BASE))
            yield VideoFrame(index, float(last_pts * TIME_BASE), last_pts, TIME_BASE, None, picture)
            index += 1
        if self._error is not None:
            raise self._error

    def wait_until_open(self) -> None:
        """Wait for the first frame, which gives ``info``.

        Raises:
            SourceError: there is none.
        """
        with self._news:
            self._wait()
            if self._newest is None:
                raise self._error or SourceError("the camera was stopped before its first frame")

    def stop(self) -> None:
        """Stop reading; a driver that hangs keeps its thread, but not its caller."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._thread.join(_STOP_WAIT_S)

    def _take(self) -> tuple[float, Picture] | None:
        with self._news:
            self._wait()
            newest, self._newest = self._newest, None
            return newest

    def _wait(self) -> None:
        # With a timeout, because on Windows a wait without one does not let Ctrl-C through.
        while self._newest is None and not self._ended:
            self._news.wait(timeout=0.5)

    def _read(self, opening: AbstractContextManager[Live]) -> None:
        error: BaseException | None = None
        try:
            with opening as live:
                for picture in live.frames:
                    if not self._offer(live, picture):
                        return
        except BaseException as raised:  # handed to the reader
            error = raised
        with self._news:
            self._ended, self._error = True, error
            self._news.notify_all()

    def _offer(self, live: Live, picture: Picture) -> bool:
        with self._news:
            if self._ended:
                return False
            if not hasattr(self, "info"):
                self.info = live.info(picture)
            self._dropped += self._newest is not None
            self._newest = time.monotonic(), picture
            self._news.notify_all()
            return True


@contextmanager
def open_camera(source: int | str) -> Iterator[Camera]:
    """Open a camera by its index, or a live URL; reading stops when the block ends, at whatever frame.

    Raises:
        SourceError: there is no such camera, it is in use, or the URL does not answer.
    """
    camera = Camera(open_live(source))
    try:
        camera.wait_until_open()
        yield camera
    finally:
        camera.stop()


def open_live(source: int | str) -> AbstractContextManager[Live]:
    """Open a camera by its index, or a URL, in the calling thread; see ``open_camera``."""
    is_index = isinstance(source, int) or source.isdecimal()
    return _device(int(source)) if is_index else _stream(str(source))


@contextmanager
def _stream(url: str) -> Iterator[Live]:
    with open_video(url) as video:
        info = video.info
        yield Live(info.source, info.frame_rate, _to_its_end(video), info.duration_s is not None)


def _to_its_end(video: VideoReader) -> Iterator[Picture]:
    # A server of recordings that dies closes the connection as if it were through.
    time_s = 0.0
    for frame in video:
        time_s = frame.time_s
        yield frame.picture
    length_s = video.info.duration_s
    if length_s is not None and time_s < length_s - _END_S:
        raise SourceError(f"{video.info.source} ended after {time_s:.1f} of {length_s:.1f} s")


@contextmanager
def _device(index: int) -> Iterator[Live]:
    with _quiet_opencv():
        capture = cv2.VideoCapture(index)
    try:
        if not capture.isOpened():
            raise SourceError(
                f"no camera at index {index}: check that it is plugged in and that no other program uses it"
            )
        rate = capture.get(cv2.CAP_PROP_FPS)
        frame_rate = Fraction(rate).limit_denominator(1001) if 1 <= rate < 1000 else None
        yield Live(f"camera {index}", frame_rate, _captured(capture, index))
    finally:
        capture.release()


def _captured(capture: cv2.VideoCapture, index: int) -> Iterator[Picture]:
    while True:
        arrived, bgr = capture.read()
        if not arrived:
            raise SourceError(f"camera {index} gives no more frames: check its cable")
        yield Picture(np.asarray(bgr, dtype=np.uint8))


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    # OpenCV tells of each backend that finds no camera; one line of ours says it.
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)

"""Live sources as they come: cameras by index, streams by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from maskinfer.engine.errors import SourceError
from maskinfer.engine.files.urls import is_url
from maskinfer.engine.frames.colour import SDR_VIDEO
from maskinfer.engine.frames.frame import VideoInfo
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.sources.video import VideoReader, open_video

TIME_BASE = Fraction(1, 90_000)
# OpenCV takes indices as C ints, and those from 100 on for other drivers.
LAST_CAMERA = 99
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


def open_live(source: int | str) -> AbstractContextManager[Live]:
    """Open a camera by its index, or a URL.

    Nothing is closed under a driver that hangs while it reads, if the thread that reads also opens and closes.

    Raises:
        SourceError: there is no such camera, it is in use, or the URL does not answer.
    """
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

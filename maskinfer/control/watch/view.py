"""What a camera shows now, as JPEG: drawn when somebody asks, and not more often than allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from time import monotonic

import cv2
import numpy as np

from maskinfer.engine.frames.annotate import Style, annotate
from maskinfer.engine.frames.cover import Cover
from maskinfer.engine.frames.look import USUAL, Look
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame, FrameResult

Box = tuple[float, float, float, float]
_STYLES = {True: Style(blur_faces=True), False: Style()}
_JPEG_QUALITY = 80
# On a page with several cameras one is hardly ever wider than the small picture, and alone not wider than the other.
_WIDTHS = {False: 1280, True: 480}
_LOOKS = {False: USUAL, True: Look(line=1.4)}


@dataclass(frozen=True, slots=True)
class _Shown:
    number: int
    picture: Picture
    result: FrameResult
    hidden: Sequence[Box]


@dataclass(frozen=True, slots=True)
class _Made:
    number: int
    at_s: float
    jpeg: bytes


class View:
    """The newest frame of one camera; ``show`` is for the thread that looks, all else for any thread."""

    def __init__(self) -> None:
        self._shown: _Shown | None = None
        self._count = 0
        self._cover = Cover(_STYLES[True].blur_hold_s)
        self._lock = Lock()
        self._made: dict[tuple[bool, bool], _Made] = {}

    def show(self, picture: Picture, result: FrameResult, *, is_unchanged: bool = False) -> None:
        """Take a frame, which nobody may use any more, and its result; those of a source in their order.

        One in which nothing has changed is not shown: the picture before it is drawn already.
        """
        self._cover.add(result)
        hidden = self._cover.boxes(result)
        self._cover.forget(result.time_s)
        if is_unchanged and self._shown is not None:
            self._shown = replace(self._shown, result=result, hidden=hidden)
            return
        self._count += 1
        self._shown = _Shown(self._count, picture, result, hidden)

    def begin_anew(self) -> None:
        """Forget where faces were: the next frame is of another source, or on another clock."""
        self._cover = Cover(_STYLES[True].blur_hold_s)

    def live(self, *, blurred: bool, most_fps: float, small: bool = False) -> tuple[int, bytes] | None:
        """Return a number, which grows, and the newest frame with its faces drawn; None before there is one."""
        with self._lock:
            shown, made = self._shown, self._made.get((blurred, small))
            if shown is None:
                return None
            if made is not None and (made.number == shown.number or monotonic() - made.at_s < 1 / most_fps):
                return made.number, made.jpeg
            made_s = monotonic()
            bgr, scale = _sized(shown.picture, _WIDTHS[small])
            # What is written in a small picture could not be read, and stands below it on the page.
            style = replace(_STYLES[blurred], counts=not small, captions=not small, look=_LOOKS[small])
            annotate(bgr, _scaled(shown.result, scale), style, hidden=_scaled_boxes(shown.hidden, scale))
            made = self._made[blurred, small] = _Made(shown.number, made_s, _jpeg(bgr))
            return made.number, made.jpeg

    def snapshot(self) -> bytes | None:
        """Return the newest frame as it came; None before there is one."""
        with self._lock:
            return None if self._shown is None else _jpeg(self._shown.picture.bgr)

    @property
    def newest(self) -> FrameResult | None:
        """The result of the newest frame."""
        return None if self._shown is None else self._shown.result


def _sized(picture: Picture, most_width: int) -> tuple[BGRFrame, float]:
    """Return a picture as the page shows it, to be drawn on, and by how much it is smaller."""
    width, height = picture.size_wh
    scale = min(1.0, most_width / width)
    # Made smaller before it becomes BGR, a picture of 1080p takes a small part of the time.
    size_wh = round(width * scale), max(1, round(height * scale))
    bgr = picture.bgr.copy() if scale == 1 else picture.shrunk(size_wh)
    return np.ascontiguousarray(bgr), scale


def _scaled(result: FrameResult, scale: float) -> FrameResult:
    """Return a result for a picture of another size; landmarks, which nobody draws, are left out."""
    boxes = _scaled_boxes([face.xyxy for face in result.faces], scale)
    faces = (replace(face, xyxy=box, landmarks=None) for face, box in zip(result.faces, boxes, strict=True))
    size_wh = round(result.size_wh[0] * scale), round(result.size_wh[1] * scale)
    return replace(result, size_wh=size_wh, faces=tuple(faces))


def _scaled_boxes(boxes: Sequence[Box], scale: float) -> list[Box]:
    return [(left * scale, top * scale, right * scale, bottom * scale) for left, top, right, bottom in boxes]


def _jpeg(bgr: BGRFrame) -> bytes:
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()

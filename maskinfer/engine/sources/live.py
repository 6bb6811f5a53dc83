"""One source, read by a thread of its own that brings it back when it is lost."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from maskinfer.engine.errors import SourceDeniedError, SourceError, SourceNotFoundError
from maskinfer.engine.files.urls import public_name
from maskinfer.engine.frames.frame import Frame, VideoInfo
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.sources.camera import TIME_BASE, Live, is_live, open_live
from maskinfer.engine.sources.changes import CameraChange, CameraChanges
from maskinfer.engine.sources.pictures import holds_images, timed_images
from maskinfer.engine.sources.video import open_video

Policy = Literal["auto", "latest", "all"]
_QUEUE_FRAMES = 4
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# Cameras lock out who tries a wrong password too often.
_DENIED_PAUSE_S = 60.0
POLL_S = 0.25
_TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How sources are read.

    Attributes:
        policy: ``latest`` keeps only the newest frame, ``all`` keeps every one; ``auto`` is ``latest`` for live
            sources.
        give_up_after_s: a live source that is lost for longer has ended; None to never give up.
        stalled_after_s: a live source without a frame for longer counts as lost, even if its driver hangs.
        max_fps: most frames a second that are given, the others are left out; None for all.
        paced: recordings are read no faster than they were recorded.
    """

    policy: Policy = "auto"
    give_up_after_s: float | None = None
    stalled_after_s: float = 20.0
    max_fps: float | None = None
    paced: bool = False


@dataclass(frozen=True, slots=True)
class _Lost:
    """Why a source gives no more frames, and whether that is a wrong password, or that there is no such file."""

    reason: str
    denied: bool = False
    missing: bool = False


@dataclass(frozen=True, slots=True)
class FeedFrame:
    """A frame of one of the sources.

    Attributes:
        feed: where it is from.
        frame: of a live source, on the clock of arrival.
        info: of the source as it is now; it may come back with another size.
        arrived_s: when it was read, by ``time.monotonic``.
    """

    feed: Feed
    frame: Frame
    info: VideoInfo
    arrived_s: float


class Feed:
    """One source.

    Attributes:
        name: given with it, or the source without passwords.
        is_live: a camera or a URL, which is tried again when it is lost.
        is_lost: it gave frames, and gives none now.
        dropped: frames that were replaced by newer ones before they were asked for.
        returns: how often it came back after it was lost.
        is_missing: it did not open because there is no such file.
        problem: why it ended early; empty if it did not.
        first_problem: why it did not open when it was tried first; empty if it did, or was not tried yet.
    """

    def __init__(
        self, source: str, name: str, options: FeedOptions, news: threading.Condition, on_status: Callable[[str], None]
    ):
        self.name = name
        self._is_renamed = name != public_name(source)
        self._source = source
        self.dropped = self.returns = 0
        self.problem = self.first_problem = ""
        self._options, self._news, self._on_status = options, news, on_status
        self.is_live = is_live(self._source)
        latest = options.policy == "latest" or (options.policy == "auto" and self.is_live)
        self._waiting: deque[FeedFrame] = deque(maxlen=1 if latest else None)
        self._reader = 0
        self._ended = self.is_lost = self.is_missing = False
        self._told = ""  # the reason that was told last
        is_index = source.isdecimal() and not self._is_renamed
        self._changes = CameraChanges(f"camera {source}" if is_index else name)
        self._started_s: float | None = None
        self._heard_s = self._alive_s = time.monotonic()
        self._count, self._pts = 0, -1
        self._due_s = float("-inf")

    def start(self) -> threading.Thread:
        """Begin to read, in a new thread; one that reads already is left to itself."""
        self._reader += 1
        self._heard_s = time.monotonic()
        thread = threading.Thread(target=self._read, args=(self._reader,), name=f"feed {self.name}", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Let the reader end at its next frame."""
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def reason(self) -> str:
        """Why it gives no frames now, or ended early; empty if neither is so."""
        return self.problem or self._told

    @property
    def is_over(self) -> bool:
        """Whether no frame will come any more."""
        return self._ended and not self._waiting

    def take(self) -> FeedFrame | None:
        """Return the next frame if there is one; holding the condition."""
        if not self._waiting:
            return None
        self._news.notify_all()
        return self._waiting.popleft()

    def changes(self, fed: FeedFrame | None) -> list[CameraChange]:
        """Return what became of a live source until a frame of it, or else until the next one that waits; each once."""
        with self._news:
            first = fed or next(iter(self._waiting), None)
            return self._changes.take(None if first is None else first.frame.index)

    def revive(self, now_s: float) -> None:
        """Read again in a new thread if the reader hangs; one that waits to try again does not."""
        if not self.is_live or self._ended or now_s - self._heard_s <= self._options.stalled_after_s:
            return
        reason = f"{self.name} has given no frame for {self._options.stalled_after_s:g} s"
        if self._is_given_up(reason):
            self.stop()
        else:
            self._tell_lost(reason)
            self.start()

    def _read(self, reader: int) -> None:
        pause_s, count = _FIRST_PAUSE_S, self._count
        while not self._is_stopped(reader):
            lost = self._read_once(reader)
            if self._count > count:
                # A frame of PyAV whose side data was asked for, as the first one's is, and that data hold each other,
                # and the decoder's pictures with them. In a quiet process it may take hours until they are found.
                gc.collect()
            if lost is None or self._is_stopped(reader):
                break
            if self._count > count:
                pause_s, count = _FIRST_PAUSE_S, self._count
            elif not count:
                self.first_problem = self.first_problem or lost.reason
                self.is_missing = lost.missing
            if self._is_given_up(lost.reason):
                break
            self._tell_lost(lost.reason)
            self._wait((_DENIED_PAUSE_S if lost.denied else pause_s) * random.uniform(0.5, 1.0), reader)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        if reader == self._reader:
            self.stop()

    def _is_given_up(self, reason: str) -> bool:
        limit_s = self._options.give_up_after_s
        is_given_up = not self.is_live or (limit_s is not None and time.monotonic() - self._alive_s >= limit_s)
        if self.is_live:
            self._changes.lost(reason, self._count)
        self.problem = reason if is_given_up else ""
        return is_given_up

    def _tell_lost(self, reason: str) -> None:
        if reason == self._told:
            return
        self._told = reason
        what = "is lost" if self._count else "cannot be opened yet"
        self._on_status(f"{self.name} {what}, and is tried again: {reason}")
        self.is_lost = self._count > 0

    def _read_once(self, reader: int) -> _Lost | None:
        """Read until the source ends; return why, or None when that was its end."""
        try:
            if holds_images(self._source):
                broken: list[str] = []
                for frame, info in timed_images(self._source, broken.append):
                    if not self._offer_recorded(reader, frame, info):
                        break
                several = (
                    "1 image cannot be read" if len(broken) == 1 else f"{len(broken)} images cannot be read, the first"
                )
                self.problem = f"{several}: {broken[0]}" if broken else ""
                return None
            if not self.is_live:
                with open_video(self._source) as video:
                    for frame in video:
                        if not self._offer_recorded(reader, frame, video.info):
                            break
                return None
            with open_live(self._source) as live:
                for picture in live.frames:
                    if not self._offer_live(reader, live, picture):
                        return None
                return None if live.has_end else _Lost("it gives no more frames")
        except SourceDeniedError as error:
            return _Lost(str(error), denied=True)
        except SourceError as error:
            return _Lost(str(error), missing=isinstance(error, SourceNotFoundError))
        except Exception as error:  # whatever a driver or a decoder raises ends this source, not the others
            return _Lost(f"{self.name} cannot be read: {' '.join(f'{type(error).__name__}: {error}'.split())}")

    def _offer_recorded(self, reader: int, frame: Frame, info: VideoInfo) -> bool:
        now_s = time.monotonic()
        self._started_s = now_s if self._started_s is None else self._started_s
        if self._options.paced:
            self._wait(self._started_s + frame.time_s - now_s, reader)
        return self._offer(reader, frame, info)

    def _offer_live(self, reader: int, live: Live, picture: Picture) -> bool:
        now_s = time.monotonic()
        self._started_s = now_s if self._started_s is None else self._started_s
        self._pts = max(self._pts + 1, round((now_s - self._started_s) / TIME_BASE))
        frame = Frame(live.name, self._count, float(self._pts * TIME_BASE), picture, self._pts, TIME_BASE)
        return self._offer(reader, frame, live.info(picture))

    def _offer(self, reader: int, frame: Frame, info: VideoInfo) -> bool:
        if self.is_lost:
            self.is_lost = False
            self.returns += 1
            self._on_status(f"{self.name} is back")
        elif self.is_live and not self._count:
            rate = f", {float(info.frame_rate):.3g} frames/s" if info.frame_rate else ""
            self._on_status(f"{self.name} is connected: {info.size_wh[0]}x{info.size_wh[1]}{rate}")
        self._told = ""
        self._changes.back(self._count)
        if self._is_renamed:
            frame, info = replace(frame, source=self.name), replace(info, source=self.name)
        is_due = self._is_due(frame.time_s)
        with self._news:
            while self._waiting.maxlen is None and len(self._waiting) >= _QUEUE_FRAMES and not self._ended:
                self._news.wait(POLL_S)
                self._heard_s = time.monotonic()  # whoever waits for room does not hang
            if self._ended or reader != self._reader:
                return False
            if is_due:
                self.dropped += len(self._waiting) if self._waiting.maxlen else 0
                self._waiting.append(FeedFrame(self, frame, info, time.monotonic()))
            self._heard_s = self._alive_s = time.monotonic()
            self._count += 1
            self.first_problem = ""
            self._news.notify_all()
            return True

    def _is_due(self, time_s: float) -> bool:
        """Tell whether a frame is to be given, by the most frames a second."""
        if self._options.max_fps is None:
            return True
        if time_s < self._due_s - _TOLERANCE_S:
            return False
        # One that came late makes the next one no later, or 25 frames a second would be thinned to 8 instead of 10.
        step_s = 1 / self._options.max_fps
        self._due_s = time_s + step_s if time_s >= self._due_s + step_s else self._due_s + step_s
        return True

    def _is_stopped(self, reader: int) -> bool:
        return self._ended or reader != self._reader

    def _wait(self, seconds: float, reader: int) -> None:
        ends_s = time.monotonic() + seconds
        with self._news:
            while time.monotonic() < ends_s and not self._is_stopped(reader):
                self._heard_s = time.monotonic()
                self._news.wait(min(POLL_S, max(0.0, ends_s - time.monotonic())))

"""Several sources at once, each read by a thread of its own that brings it back when it is lost."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from maskinfer.engine.errors import RequestError, SourceError
from maskinfer.engine.files.urls import public_name, public_names
from maskinfer.engine.frames.frame import Frame, VideoInfo
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.sources.camera import TIME_BASE, Live, is_live, open_live
from maskinfer.engine.sources.pictures import holds_images, timed_images
from maskinfer.engine.sources.video import open_video

Policy = Literal["auto", "latest", "all"]
_QUEUE_FRAMES = 4
_STOP_WAIT_S = 2.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How sources are read.

    Attributes:
        policy: ``latest`` keeps only the newest frame, ``all`` every one; ``auto`` is latest for what is live.
        give_up_after_s: a live source that is lost for longer has ended; None never gives up.
        stalled_after_s: a live source without a frame for longer is taken for lost, even if its driver hangs.
    """

    policy: Policy = "auto"
    give_up_after_s: float | None = None
    stalled_after_s: float = 20.0


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
        name: without passwords.
        dropped: frames that were replaced by newer ones before they were asked for.
        returns: how often it came back after it was lost.
        problem: why it ended early; empty if it did not.
        first_problem: why it did not open when it was tried first; empty if it did, or was not tried yet.
    """

    def __init__(
        self, source: str, name: str, options: FeedOptions, news: threading.Condition, tell: Callable[[str], None]
    ):
        self.name = name
        self._is_renamed = name != public_name(source)
        self.dropped = self.returns = 0
        self.problem = self.first_problem = ""
        self._source, self._options, self._news, self._tell = source, options, news, tell
        self._is_live = is_live(source)
        latest = options.policy == "latest" or (options.policy == "auto" and self._is_live)
        self._waiting: deque[FeedFrame] = deque(maxlen=1 if latest else None)
        self._reader = 0
        self._ended = self._lost = False
        self._started_s: float | None = None
        self._heard_s = self._alive_s = time.monotonic()
        self._count, self._pts = 0, -1

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
    def is_over(self) -> bool:
        """Whether no frame will come any more."""
        return self._ended and not self._waiting

    def take(self) -> FeedFrame | None:
        """Return the next frame if there is one; holding the condition."""
        if not self._waiting:
            return None
        self._news.notify_all()
        return self._waiting.popleft()

    def revive(self, now_s: float) -> None:
        """Read again in a new thread if the reader hangs; one that waits to try again does not."""
        if not self._is_live or self._ended or now_s - self._heard_s <= self._options.stalled_after_s:
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
            reason = self._read_once(reader)
            if reason is None or self._is_stopped(reader):
                break
            if self._count > count:
                pause_s, count = _FIRST_PAUSE_S, self._count
            elif not count:
                self.first_problem = self.first_problem or reason
            if self._is_given_up(reason):
                break
            self._tell_lost(reason)
            self._wait(pause_s * random.uniform(0.5, 1.0), reader)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        if reader == self._reader:
            self.stop()

    def _is_given_up(self, reason: str) -> bool:
        limit_s = self._options.give_up_after_s
        is_given_up = not self._is_live or (limit_s is not None and time.monotonic() - self._alive_s >= limit_s)
        self.problem = reason if is_given_up else ""
        return is_given_up

    def _tell_lost(self, reason: str) -> None:
        if not self._lost:
            self._lost = True
            self._tell(f"{self.name} is lost, and is tried again: {reason}")

    def _read_once(self, reader: int) -> str | None:
        """Read until the source ends; return why, or None when that was its end."""
        try:
            if holds_images(self._source):
                broken: list[str] = []
                for frame, info in timed_images(self._source, broken.append):
                    if not self._offer(reader, frame, info):
                        break
                self.problem = f"{len(broken)} images cannot be read, the first: {broken[0]}" if broken else ""
                return None
            if not self._is_live:
                with open_video(self._source) as video:
                    for frame in video:
                        if not self._offer(reader, frame, video.info):
                            break
                return None
            with open_live(self._source) as live:
                for picture in live.frames:
                    if not self._offer_live(reader, live, picture):
                        return None
                return None if live.has_end else "it gives no more frames"
        except SourceError as error:
            return str(error)

    def _offer_live(self, reader: int, live: Live, picture: Picture) -> bool:
        now_s = time.monotonic()
        self._started_s = now_s if self._started_s is None else self._started_s
        self._pts = max(self._pts + 1, round((now_s - self._started_s) / TIME_BASE))
        frame = Frame(live.name, self._count, float(self._pts * TIME_BASE), picture, self._pts, TIME_BASE)
        return self._offer(reader, frame, live.info(picture))

    def _offer(self, reader: int, frame: Frame, info: VideoInfo) -> bool:
        if self._lost:
            self._lost = False
            self.returns += 1
            self._tell(f"{self.name} is back")
        if self._is_renamed:
            frame, info = replace(frame, source=self.name), replace(info, source=self.name)
        with self._news:
            while self._waiting.maxlen is None and len(self._waiting) >= _QUEUE_FRAMES and not self._ended:
                self._news.wait(_POLL_S)
                self._heard_s = time.monotonic()  # whoever waits for room does not hang
            if self._ended or reader != self._reader:
                return False
            self.dropped += len(self._waiting) if self._waiting.maxlen else 0
            self._waiting.append(FeedFrame(self, frame, info, time.monotonic()))
            self._heard_s = self._alive_s = time.monotonic()
            self._count += 1
            self.first_problem = ""
            self._news.notify_all()
            return True

    def _is_stopped(self, reader: int) -> bool:
        return self._ended or reader != self._reader

    def _wait(self, seconds: float, reader: int) -> None:
        ends_s = time.monotonic() + seconds
        with self._news:
            while time.monotonic() < ends_s and not self._is_stopped(reader):
                self._heard_s = time.monotonic()
                self._news.wait(min(_POLL_S, max(0.0, ends_s - time.monotonic())))


@dataclass(frozen=True, slots=True)
class Feeds:
    """Open sources; iterate to get what is new of all of them."""

    feeds: tuple[Feed, ...]
    news: threading.Condition

    def batches(self, stopped: Callable[[], int] = lambda: 0) -> Iterator[list[FeedFrame]]:
        """Yield lists of at most one frame of each source, as soon as there is one, until all are over.

        Args:
            stopped: asked between batches; a signal's number ends them, 0 does not.

        Raises:
            SourceError: not one of them opened when it was tried first.
        """
        while not stopped():
            with self.news:
                batch = [fed for feed in self.feeds if (fed := feed.take()) is not None]
                if not batch:
                    if all(feed.first_problem for feed in self.feeds):
                        raise SourceError("; ".join(feed.first_problem for feed in self.feeds))
                    if all(feed.is_over for feed in self.feeds):
                        return
                    self.news.wait(_POLL_S)
            for feed in self.feeds:
                feed.revive(time.monotonic())
            if batch:
                yield batch


@contextmanager
def open_feeds(
    sources: Sequence[str], options: FeedOptions | None = None, tell: Callable[[str], None] = lambda line: None
) -> Iterator[Feeds]:
    """Read several sources; a camera that is down at the start is tried again, and the others are not held up.

    Args:
        sources: indices of cameras, URLs, video files.
        options: how.
        tell: called with a line when a source is lost or is back, from the readers' threads.

    Raises:
        RequestError: there is no source, or one is named twice.
    """
    if not sources or len(set(sources)) < len(sources):
        raise RequestError("expected at least one source, and none of them twice")
    news = threading.Condition()
    # Results of two sources that differ in what is not shown, such as ?channel=1, are not to be taken for one's.
    feeds = tuple(
        Feed(source, name, options or FeedOptions(), news, tell)
        for source, name in zip(sources, public_names(sources), strict=True)
    )
    threads = [feed.start() for feed in feeds]
    try:
        yield Feeds(feeds, news)
    finally:
        for feed in feeds:
            feed.stop()
        ends_s = time.monotonic() + _STOP_WAIT_S
        for thread in threads:
            thread.join(max(0.0, ends_s - time.monotonic()))

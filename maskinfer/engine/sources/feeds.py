"""Several sources at once, each read by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.sources.live import POLL_S, Feed, FeedFrame, FeedOptions
from maskinfer.engine.sources.names import names_of

_STOP_WAIT_S = 2.0


class Feeds:
    """Open sources; iterate over ``batches`` to get what is new of all of them.

    Sources may be added and removed while that goes on, by the thread that does it.

    Args:
        on_status: called with a line when a source is lost or is back, from the readers' threads.

    Attributes:
        feeds: the sources.
        news: is notified when there is something new; whoever wants ``batches`` to look up may notify it too.
    """

    def __init__(self, on_status: Callable[[str], None] = SILENT.say) -> None:
        self.feeds: tuple[Feed, ...] = ()
        self.news = threading.Condition()
        self._on_status = on_status
        self._threads: dict[Feed, threading.Thread] = {}

    def add(self, address: str, name: str, options: FeedOptions | None = None) -> Feed:
        """Begin to read a source in a thread of its own; the others go on."""
        feed = Feed(address, name, options or FeedOptions(), self.news, self._on_status)
        self._threads[feed] = feed.start()
        self.feeds = (*self.feeds, feed)
        return feed

    def remove(self, feed: Feed) -> None:
        """Read a source no more; its reader ends at its next frame, which nobody waits for."""
        feed.stop()
        self.feeds = tuple(other for other in self.feeds if other is not feed)
        self._threads.pop(feed, None)

    def close(self) -> None:
        """Read none of them any more, and wait a little for the readers."""
        for feed in self.feeds:
            feed.stop()
        ends_s = time.monotonic() + _STOP_WAIT_S
        for thread in self._threads.values():
            thread.join(max(0.0, ends_s - time.monotonic()))

    def batches(
        self,
        stopped: Callable[[], int] = lambda: 0,
        *,
        insist: bool = False,
        endless: bool = False,
        wake_s: float | None = None,
    ) -> Iterator[list[FeedFrame]]:
        """Yield lists of at most one frame of each source, as soon as there is one, until all are over.

        Args:
            stopped: asked between batches; a signal's number ends them, 0 does not.
            insist: live sources that cannot be opened at first are tried again, too.
            endless: go on when all are over, or there are none: others may be added.
            wake_s: yield an empty list when there was no frame for so many seconds; None never does.

        Raises:
            SourceError, SourceNotFoundError: not one of them opened when it was tried first.
        """
        woken_s = time.monotonic()
        while not stopped():
            with self.news:
                batch = [fed for feed in self.feeds if (fed := feed.take()) is not None]
                if not batch and not endless:
                    patient = insist and any(feed.is_live for feed in self.feeds)
                    if not patient and all(feed.first_problem for feed in self.feeds):
                        missing = all(feed.is_missing for feed in self.feeds)
                        problems = "; ".join(feed.first_problem for feed in self.feeds)
                        raise (SourceNotFoundError if missing else SourceError)(problems)
                    if all(feed.is_over for feed in self.feeds):
                        return
                if not batch:
                    self.news.wait(POLL_S)
            for feed in self.feeds:
                feed.revive(time.monotonic())
            if batch or (wake_s is not None and time.monotonic() - woken_s >= wake_s):
                woken_s = time.monotonic()
                yield batch


@contextmanager
def open_feeds(
    sources: Sequence[str], options: FeedOptions | None = None, on_status: Callable[[str], None] = SILENT.say
) -> Iterator[Feeds]:
    """Read several sources; a camera that is down at the start is tried again, and the others are not held up.

    Args:
        sources: indices of cameras, URLs, video files; each may have a name, as ``door=0``.
        options: how.
        on_status: called with a line when a source is lost or is back, from the readers' threads.

    Raises:
        RequestError: there is no source, or one is named twice.
    """
    called = names_of(sources)
    feeds = Feeds(on_status)
    try:
        for name, address in called:
            feeds.add(address, name, options)
        yield feeds
    finally:
        feeds.close()

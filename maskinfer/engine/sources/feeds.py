"""Several sources at once, each read by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from maskinfer.engine.errors import SourceError
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.sources.live import POLL_S, Feed, FeedFrame, FeedOptions
from maskinfer.engine.sources.names import names_of

_STOP_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Feeds:
    """Open sources; iterate to get what is new of all of them."""

    feeds: tuple[Feed, ...]
    news: threading.Condition

    def batches(
        self, stopped: Callable[[], int] = lambda: 0, *, insist: bool = False, wake_s: float | None = None
    ) -> Iterator[list[FeedFrame]]:
        """Yield lists of at most one frame of each source, as soon as there is one, until all are over.

        Args:
            stopped: asked between batches; a signal's number ends them, 0 does not.
            insist: live sources that cannot be opened at first are tried again, too.
            wake_s: yield an empty list when there was no frame for so many seconds; None never does.

        Raises:
            SourceError: not one of them opened when it was tried first.
        """
        woken_s = time.monotonic()
        while not stopped():
            with self.news:
                batch = [fed for feed in self.feeds if (fed := feed.take()) is not None]
                if not batch:
                    patient = insist and any(feed.is_live for feed in self.feeds)
                    if not patient and all(feed.first_problem for feed in self.feeds):
                        raise SourceError("; ".join(feed.first_problem for feed in self.feeds))
                    if all(feed.is_over for feed in self.feeds):
                        return
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
    news = threading.Condition()
    feeds = tuple(Feed(address, name, options or FeedOptions(), news, on_status) for name, address in called)
    threads = [feed.start() for feed in feeds]
    try:
        yield Feeds(feeds, news)
    finally:
        for feed in feeds:
            feed.stop()
        ends_s = time.monotonic() + _STOP_WAIT_S
        for thread in threads:
            thread.join(max(0.0, ends_s - time.monotonic()))

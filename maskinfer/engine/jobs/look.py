"""The loop that every watch has: frames that wait at the same time share the runs of the models."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import monotonic

from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sources.feeds import Feeds
from maskinfer.engine.sources.live import Feed, FeedFrame

Seen = list[tuple[FeedFrame, FrameResult]]
"""Frames of different sources, each with its result."""


def look(
    engine: Engine,
    feeds: Feeds,
    tracker_of: Callable[[Feed], Tracker | None],
    stopped: Callable[[], int],
    *,
    endless: bool = False,
    wake_s: float | None = None,
    on_models: Callable[[float], None] = lambda seconds: None,
) -> Iterator[Seen]:
    """Yield what is new of all sources with its results, until all are over or something stops it.

    Of recordings alone, the engine's lanes look at several frames at a time, and results come a frame or two later.
    Live sources that cannot be opened are tried again.

    Args:
        engine: finds and labels.
        feeds: the sources; they may change between two batches.
        tracker_of: gives what follows the faces of a source; None for faces on their own.
        stopped: asked between batches; a signal's number ends them, 0 does not.
        endless: go on when all sources are over, or there are none.
        wake_s: yield an empty list when there was no frame for so many seconds; None never does.
        on_models: called with the seconds that the models took for each batch.

    Raises:
        SourceError: all are recordings, and none of them opened.
    """
    batches = feeds.batches(stopped, insist=True, endless=endless, wake_s=wake_s)
    if not endless and not any(feed.is_live for feed in feeds.feeds):
        yield from _look_ahead(engine, batches, tracker_of)
        return
    for batch in batches:
        if not batch:
            yield []
            continue
        began_s = monotonic()
        results = engine.infer([fed.frame for fed in batch], [tracker_of(fed.feed) for fed in batch])
        on_models(monotonic() - began_s)
        yield list(zip(batch, results, strict=True))


def _look_ahead(
    engine: Engine, batches: Iterable[list[FeedFrame]], tracker_of: Callable[[Feed], Tracker | None]
) -> Iterator[Seen]:
    """Yield the frames of recordings, which nobody waits for one by one, from the engine's lanes."""
    waiting: deque[list[FeedFrame]] = deque()

    def taken() -> Iterator[tuple[list[Frame], list[Tracker | None]]]:
        for batch in batches:
            waiting.append(batch)
            yield [fed.frame for fed in batch], [tracker_of(fed.feed) for fed in batch]

    for _, results in engine.follow_all(taken()):
        yield list(zip(waiting.popleft(), results, strict=True))

"""The loop that every watch has: frames that wait at the same time share the runs of the models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic

from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.tracker import Tracker
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
    for batch in feeds.batches(stopped, insist=True, endless=endless, wake_s=wake_s):
        if not batch:
            yield []
            continue
        began_s = monotonic()
        results = engine.infer([fed.frame for fed in batch], [tracker_of(fed.feed) for fed in batch])
        on_models(monotonic() - began_s)
        yield list(zip(batch, results, strict=True))

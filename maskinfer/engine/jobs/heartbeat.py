"""A line from time to time that tells how each source of a watch does."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from maskinfer.engine.sources.live import Feed


class Heartbeat:
    """Says every so often for each source its state, its frames a second, and its dropped frames since the last time.

    Args:
        feeds: the sources.
        every_s: seconds between two times; None for never.
        say: called with each line.
    """

    def __init__(self, feeds: tuple[Feed, ...], every_s: float | None, say: Callable[[str], None]) -> None:
        self._every_s, self._say = every_s, say
        self._said_s = monotonic()
        self._before = dict.fromkeys(feeds, (0, 0))

    def beat(self, frames: Callable[[Feed], int]) -> None:
        """Say it if it is time; ``frames`` tells how many of a source got a result so far."""
        elapsed_s = monotonic() - self._said_s
        if self._every_s is None or elapsed_s < self._every_s:
            return
        self._said_s += elapsed_s
        for feed, (done, dropped) in self._before.items():
            now = (frames(feed), feed.dropped)
            self._before[feed] = now
            rate = (now[0] - done) / elapsed_s
            self._say(f"{feed.name}: {_state(feed, now[0])}, {rate:.1f} frames/s, {now[1] - dropped} dropped")


def _state(feed: Feed, frames: int) -> str:
    if feed.is_over:
        return "ended"
    if feed.is_lost:
        return "lost"
    return "running" if frames else "no frame yet"

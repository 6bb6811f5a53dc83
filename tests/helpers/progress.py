"""A watcher of a job's progress that notes what it is told, and can end the job."""

from __future__ import annotations

from collections.abc import Callable


class Watcher:
    """Notes stages, totals, counts and lines; ``on_advance`` and ``on_say`` are called after each."""

    def __init__(
        self, *, on_advance: Callable[[], None] | None = None, on_say: Callable[[str], None] | None = None
    ) -> None:
        self.stages: list[str] = []
        self.totals: list[int | None] = []
        self.counts: list[int] = []
        self.lines: list[str] = []
        self._on_advance, self._on_say = on_advance, on_say

    def describe(self, stage: str, /) -> None:
        self.stages.append(stage)

    def set_total(self, total: int | None, /) -> None:
        self.totals.append(total)
        self.counts.append(0)

    def advance(self, count: int = 1, /) -> None:
        if not self.counts:
            self.set_total(None)
        self.counts[-1] += count
        if self._on_advance is not None:
            self._on_advance()

    def say(self, line: str, /) -> None:
        self.lines.append(line)
        if self._on_say is not None:
            self._on_say(line)

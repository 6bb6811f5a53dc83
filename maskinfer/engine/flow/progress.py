"""How far a long job is: told to whoever watches it, or to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """What a job reports to while it runs, possibly from several threads.

    A method that raises ends the job, as Ctrl-C at that point would.
    """

    def describe(self, stage: str, /) -> None:
        """Begin a stage with this name, whose total is not known yet."""

    def set_total(self, total: int | None, /) -> None:
        """Begin to count anew, up to ``total``; None if nobody knows how many there will be."""

    def advance(self, count: int = 1, /) -> None:
        """Count so many more as done."""

    def say(self, line: str, /) -> None:
        """Report something worth a line of its own, such as the figures of an epoch."""


class _Silent:
    """Reports to nobody."""

    def describe(self, stage: str, /) -> None: ...

    def set_total(self, total: int | None, /) -> None: ...

    def advance(self, count: int = 1, /) -> None: ...

    def say(self, line: str, /) -> None: ...


SILENT: Progress = _Silent()


def counted(items: Iterable[T], total: int, progress: Progress) -> Iterator[T]:
    """Yield so many items, counting each as done when the next one is asked for."""
    progress.set_total(total)
    for item in items:
        yield item
        progress.advance()

"""Progress bars on a terminal, drawn by rich."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from maskinfer.engine.errors import printable
from maskinfer.engine.flow.progress import Progress

STDERR = Console(stderr=True, soft_wrap=True, highlight=False)


class _SpeedColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        self._unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else f"-- {self._unit}/s")


class Bar:
    """A bar of rich's that a job reports to; see ``engine.flow.progress.Progress``."""

    def __init__(self, bars: RichProgress, what: str) -> None:
        self._bars, self._stage = bars, what
        self._task = bars.add_task(what, total=None, how="")

    def describe(self, stage: str, /) -> None:
        """Begin a stage: show its name, and count anew."""
        self._stage = stage
        self.set_total(None)

    def set_total(self, total: int | None, /) -> None:
        """Count anew, up to so many."""
        self._bars.remove_task(self._task)  # rich cannot forget a total
        self._task = self._bars.add_task(self._stage, total=total, how="")

    def advance(self, count: int = 1, /) -> None:
        """Count so many more as done."""
        self._bars.advance(self._task, count)

    def show(self, how: str, /) -> None:
        """Show how far the job is, in words beside the bar."""
        self._bars.update(self._task, how=how)

    def say(self, line: str, /) -> None:
        """Print a line above the bar."""
        STDERR.print(printable(line), markup=False)


def columns_of(kind: str, unit: str = "") -> tuple[ProgressColumn, ...]:
    """Return what stands beside a bar: ``steps`` with speed and time left, ``bytes``, or ``words`` of how far it is."""
    start = (TextColumn("{task.description}"), BarColumn())
    if kind == "bytes":
        return *start, DownloadColumn(), TransferSpeedColumn()
    if kind == "words":
        return *start, MofNCompleteColumn(), TextColumn("{task.fields[how]}")
    return *start, MofNCompleteColumn(), _SpeedColumn(unit), TextColumn("left"), TimeRemainingColumn()


@contextmanager
def bar(what: str, columns: tuple[ProgressColumn, ...]) -> Iterator[Progress]:
    """Show a bar until the block ends."""
    with RichProgress(*columns, console=STDERR, disable=not STDERR.is_terminal, transient=True) as bars:
        yield Bar(bars, what)

"""Progress bars on a terminal; nothing in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

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

# Standard output may hold results, so everything else goes to standard error.
TABLE_WIDTH = 120
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
        """Print a line above the bar, in a pipe too."""
        STDERR.print(printable(line), markup=False)


def say(line: str) -> None:
    """Print a line to standard error, also where nobody reads it any more."""
    with suppress(OSError):
        STDERR.print(printable(line), markup=False)


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Progress]:
    """Show a bar with speed and time left on a terminal; in a pipe, only the lines that the job says."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _SpeedColumn(unit),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with _bar(what, *columns) as bar:
        yield bar


@contextmanager
def archive_bar() -> Iterator[Progress]:
    """Show how many videos are done, and how far the job is by hours and faces; in a pipe, only the lines."""
    how = TextColumn("{task.fields[how]}")
    with _bar("videos", TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), how) as bar:
        yield bar


@contextmanager
def byte_bar(what: str) -> Iterator[Progress]:
    """Show how much of a file has been fetched on a terminal; nothing in a pipe."""
    with _bar(what, TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()) as bar:
        yield bar


@contextmanager
def _bar(what: str, *columns: ProgressColumn) -> Iterator[Progress]:
    with RichProgress(*columns, console=STDERR, disable=not STDERR.is_terminal, transient=True) as bars:
        yield Bar(bars, what)


def stdout_console(width: int = TABLE_WIDTH) -> Console:
    """Return what tables are printed to, at least so wide."""
    out = Console(highlight=False)
    # A table cut to 80 columns, as a pipe has them, says nothing.
    out.width = max(out.width, width)
    return out

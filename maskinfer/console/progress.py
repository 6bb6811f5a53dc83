"""Progress bars on a terminal; nothing in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    pass

# Standard output may hold results, so everything else goes to standard error.
TABLE_WIDTH = 120
STDERR = Console(stderr=True, soft_wrap=True, highlight=False)


class _SpeedColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        self._unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else f"-- {self._unit}/s")


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar: set its total once it is known, advance it by one, begin anew, show a step and its place."""

    set_total: Callable[[int | None], None]
    advance: Callable[..., None]
    restart: Callable[[str], None]
    show: Callable[[str, int], None]

    def step(self, total: int) -> None:
        """Advance by one of so many."""
        self.set_total(total)
        self.advance()


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Bar]:
    """Show a bar with speed and time left on a terminal; show nothing in a pipe."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _SpeedColumn(unit),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=STDERR, disable=not STDERR.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield Bar(
            lambda total: progress.update(task, total=total),
            lambda *_: progress.advance(task),
            lambda name: progress.reset(task, total=None, description=name),
            lambda name, done: progress.update(task, description=name, completed=done),
        )


@contextmanager
def byte_bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show how much of a file was fetched on a terminal; show nothing in a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=STDERR, disable=not STDERR.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)


def stdout_console(width: int = TABLE_WIDTH) -> Console:
    """Return what tables are printed to, at least so wide."""
    out = Console(highlight=False)
    # A table cut to 80 columns, as a pipe has them, says nothing.
    out.width = max(out.width, width)
    return out

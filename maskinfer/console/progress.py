"""What a job tells on standard error while it runs: bars on a terminal, lines alone in a pipe.

Standard output may hold results. rich, which takes a seventh of the start of a short job, is loaded for terminals and
tables only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from maskinfer.engine.errors import printable
from maskinfer.engine.flow.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

TABLE_WIDTH = 120
# What makes rich take for a terminal what is none.
_LIKE_A_TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE")


class _Lines:
    """A ``Progress`` without a bar."""

    def describe(self, stage: str, /) -> None:
        """Show nothing."""

    def set_total(self, total: int | None, /) -> None:
        """Show nothing."""

    def advance(self, count: int = 1, /) -> None:
        """Show nothing."""

    def say(self, line: str, /) -> None:
        """Print a line."""
        click.echo(printable(line), err=True)


def say(line: str) -> None:
    """Print a line to standard error, also where nobody reads it any more."""
    with suppress(OSError):
        click.echo(printable(line), err=True)


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Progress]:
    """Show a bar with speed and time left on a terminal; in a pipe, only the lines that the job says."""
    with _bar(what, "steps", unit) as bar:
        yield bar


@contextmanager
def archive_bar() -> Iterator[Progress]:
    """Show how many videos are done, and how far the job is by hours and faces; in a pipe, only the lines."""
    with _bar("videos", "words") as bar:
        yield bar


@contextmanager
def byte_bar(what: str) -> Iterator[Progress]:
    """Show how much of a file has been fetched on a terminal; nothing in a pipe."""
    with _bar(what, "bytes") as bar:
        yield bar


@contextmanager
def _bar(what: str, kind: str, unit: str = "") -> Iterator[Progress]:
    if not is_terminal():
        yield _Lines()
        return
    from maskinfer.console import bars

    with bars.bar(what, bars.columns_of(kind, unit)) as shown:
        yield shown


def is_terminal() -> bool:
    """Tell whether standard error may be a terminal."""
    return sys.stderr.isatty() or any(os.environ.get(name) for name in _LIKE_A_TERMINAL)


def stdout_console(width: int = TABLE_WIDTH) -> Console:
    """Return what tables are printed to, at least so wide."""
    from rich.console import Console

    out = Console(highlight=False)
    # A table cut to 80 columns, as a pipe has them, says nothing.
    out.width = max(out.width, width)
    return out

"""Summary of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from maskinfer.engine.jobs.summary import JobSummary
    from maskinfer.engine.results import FrameResult
from maskinfer.engine.errors import printable

# Of the segments of a watch of weeks, whose names follow one another.
_MOST_SHOWN, _FIRST_SHOWN = 8, 4
_WAS = {True: "was", False: "were"}


def in_order(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return counts by label, the known labels first and in their fixed order."""
    from maskinfer.engine.results import LABELS

    rank = {label: i for i, label in enumerate(LABELS)}
    return sorted(counts.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0]))


def show_image(result: FrameResult) -> None:
    """Print how many faces of an image have each label, on standard output."""
    counts = ", ".join(f"{label} {count}" for label, count in in_order(result.counts())) or "no faces"
    click.echo(printable(f"{result.source}: {counts}"))


def _some(files: list[str]) -> list[str]:
    left_out = len(files) - _MOST_SHOWN
    return files if left_out <= 0 else [*files[:_FIRST_SHOWN], f"{left_out} more", *files[_FIRST_SHOWN - _MOST_SHOWN :]]


def show_summary(summary: JobSummary, unit: str, written: Mapping[str, object]) -> None:
    """Print what a job did and wrote, and each problem on a line of its own."""
    from maskinfer.engine.jobs.summary import number_of

    counts = ", ".join(f"{label} {count}" for label, count in in_order(summary.faces)) or "no faces"
    speed = summary.frames / summary.seconds if summary.seconds else 0.0
    if summary.frames or not summary.skipped:
        done = f"{number_of(summary.frames, unit)} in {summary.seconds:.1f} s ({speed:.1f} {unit}/s)"
        click.echo(f"{done}: {counts}" if summary.frames else done, err=True)
    if summary.skipped:
        click.echo(f"{number_of(summary.skipped, 'videos')} {_WAS[summary.skipped == 1]} done before", err=True)
    for what, paths in written.items():
        for path in _some(paths) if isinstance(paths, list) else [paths]:
            if path not in (None, "-"):
                click.echo(printable(f"{what}: {path}"), err=True)
    for problem in summary.problems:
        click.echo(printable(f"Error: {problem}"), err=True)

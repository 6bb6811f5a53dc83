"""What the commands show: progress on a terminal, summaries, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from maskinfer.engine.results import LABELS

if TYPE_CHECKING:
    from maskinfer.engine.jobs import JobSummary
    from maskinfer.training.loop import Epoch
    from maskinfer.training.scenes import SceneScore

# Standard output may hold results, so everything else goes to standard error.
_stderr = Console(stderr=True, soft_wrap=True, highlight=False)


class _SpeedColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        self._unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else f"-- {self._unit}/s")


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar: set its total when that is known, advance it by one, begin anew under another name."""

    set_total: Callable[[int | None], None]
    advance: Callable[..., None]
    restart: Callable[[str], None]


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
    with Progress(*columns, console=_stderr, disable=not _stderr.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield Bar(
            lambda total: progress.update(task, total=total),
            lambda *_: progress.advance(task),
            lambda name: progress.reset(task, total=None, description=name),
        )


def show_summary(summary: JobSummary, unit: str, written: Mapping[str, object]) -> None:
    """Print what a job did and wrote, and each problem on a line of its own."""
    counts = ", ".join(f"{label} {count}" for label, count in in_order(summary.faces)) or "no faces"
    speed = summary.frames / summary.seconds if summary.seconds else 0.0
    _stderr.print(f"{summary.frames} {unit} in {summary.seconds:.1f} s ({speed:.1f} {unit}/s): {counts}", markup=False)
    for what, path in written.items():
        if path not in (None, "-"):
            _stderr.print(f"{what}: {path}", markup=False)
    for problem in summary.problems:
        _stderr.print(f"Error: {problem}", markup=False)


def show_epoch(epoch: Epoch) -> None:
    """Print the figures of one epoch of training."""
    tested = ""
    if epoch.test_accuracy is not None:
        tested = f", kept out: loss {epoch.test_loss:.4f} accuracy {epoch.test_accuracy:.4f}"
    line = f"epoch {epoch.epoch}: loss {epoch.loss:.4f} accuracy {epoch.accuracy:.4f}{tested} ({epoch.seconds:.0f} s)"
    _stderr.print(line, markup=False)


def in_order(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return counts by label, the known labels first and in their fixed order."""
    rank = {label: i for i, label in enumerate(LABELS)}
    return sorted(counts.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0]))


def show_scores(scores: Mapping[str, SceneScore]) -> None:
    """Print the evaluation of every data set as a table on standard output."""
    table = Table(title="found and labelled right, end to end")
    table.add_column("data")
    table.add_column("class")
    for name in ("faces", "recall", "accuracy", "correct", "false positives/image"):
        table.add_column(name, justify="right")
    for name, score in scores.items():
        for label in LABELS:
            if score.faces.get(label):
                figures = (score.recall(label), score.accuracy(label), score.correct(label))
                table.add_row(name, label, str(score.faces[label]), *(f"{value:.4f}" for value in figures))
        false_positives = f"{score.false_positives / max(1, score.images):.3f}"
        for title, labels in (("correct2", LABELS[:2]), ("correct3", LABELS)):
            table.add_row(name, title, "", "", "", f"{score.mean_correct(labels):.4f}", false_positives)
            false_positives = ""
        table.add_section()
    Console().print(table)

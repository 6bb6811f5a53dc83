"""What the commands show: progress on a terminal, summaries, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markdown import Markdown
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
from rich.table import Table
from rich.text import Text

from maskinfer.engine.results import LABELS

if TYPE_CHECKING:
    from maskinfer.engine.jobs import JobSummary
    from maskinfer.engine.model_store import Entry
    from maskinfer.export.quantize import QuantizeSummary
    from maskinfer.export.verify import Verdict
    from maskinfer.training.detect.progress import Figures as DetectorFigures
    from maskinfer.training.evaluate import Evaluation
    from maskinfer.training.evaluate_confidence import Confidence
    from maskinfer.training.evaluate_figures import Figures
    from maskinfer.training.intervals import Estimate
    from maskinfer.training.loop import Epoch

# Standard output may hold results, so everything else goes to standard error.
_TABLE_WIDTH = 120
_stderr = Console(stderr=True, soft_wrap=True, highlight=False)


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
    with Progress(*columns, console=_stderr, disable=not _stderr.is_terminal, transient=True) as progress:
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
    with Progress(*columns, console=_stderr, disable=not _stderr.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None, visible=False)
        yield lambda done, total: progress.update(task, completed=done, total=total, visible=True)


def stdout_console(width: int = _TABLE_WIDTH) -> Console:
    """Return what tables are printed to, at least so wide."""
    out = Console(highlight=False)
    # A table cut to 80 columns, as a pipe has them, says nothing.
    out.width = max(out.width, width)
    return out


def show_models(entries: Sequence[Entry]) -> None:
    """Print a table of the models that have names."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "task", "on this machine", "what it is"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        here = f"{entry.file.stat().st_size / 1e6:.1f} MB, {entry.origin}" if entry.is_here else "no"
        rights = " (non-commercial research only)" if entry.research_only else ""
        table.add_row(entry.name, entry.task, here, f"{entry.about}{rights}")
    stdout_console().print(table)


def show_markdown(text: str) -> None:
    """Print Markdown, laid out on a terminal and as it is in a pipe."""
    console = stdout_console()
    console.print(Markdown(text)) if console.is_terminal else console.file.write(text)


def show_summary(summary: JobSummary, unit: str, written: Mapping[str, object]) -> None:
    """Print what a job did and wrote, and each problem on a line of its own."""
    counts = ", ".join(f"{label} {count}" for label, count in in_order(summary.faces)) or "no faces"
    speed = summary.frames / summary.seconds if summary.seconds else 0.0
    _stderr.print(f"{summary.frames} {unit} in {summary.seconds:.1f} s ({speed:.1f} {unit}/s): {counts}", markup=False)
    if summary.skipped:
        _stderr.print(f"{summary.skipped} were done before", markup=False)
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


def show_detector_figures(figures: DetectorFigures) -> None:
    """Print a line of figures of a detector's training."""
    parts = f"faces {figures.faces:.4f} boxes {figures.boxes:.4f} landmarks {figures.landmarks:.4f}"
    _stderr.print(f"step {figures.step}: loss {figures.loss:.4f} ({parts}), {figures.seconds:.0f} s", markup=False)


def in_order(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return counts by label, the known labels first and in their fixed order."""
    rank = {label: i for i, label in enumerate(LABELS)}
    return sorted(counts.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0]))


def show_evaluation(evaluation: Evaluation) -> None:
    """Print the figures of an evaluation, with 95 % intervals, on standard output."""
    out = stdout_console()
    groups = {"all": evaluation.all, **(evaluation.sets if len(evaluation.sets) > 1 else {})}
    out.print(_figures_table("found and labelled right, end to end: per cent (95 % interval)", groups))
    if evaluation.slices:
        out.print(_figures_table("slices", evaluation.slices))
    out.print(_figures_table("by shorter side of the face", evaluation.sizes))
    detector = evaluation.detector
    out.print(f"faces found: masked {_percent(detector.masked)}, bare {_percent(detector.bare)}")
    if detector.near_misses:
        out.print(f"missed, though a box beside them overlaps too little to count: {detector.near_misses} faces")
    if evaluation.confidence is not None:
        _show_confidence(evaluation.confidence, out)


def show_quantization(summary: QuantizeSummary) -> None:
    """Print the old and the new model side by side, and whether the new one is kept, on standard output."""
    out = stdout_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "as it is", "new", "gain"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    old, new = (size / 1e6 for size in summary.bytes)
    table.add_row("size", f"{old:.2f} MB", f"{new:.2f} MB", f"{old / new:.2f}x")
    for speed in summary.speeds:
        gain = f"{speed.speedup.value:.2f}x ({speed.speedup.low:.2f}-{speed.speedup.high:.2f})"
        unit = f"ms/{speed.what}"
        table.add_row(f"batch {speed.batch}", f"{speed.old_ms:.3f} {unit}", f"{speed.new_ms:.3f} {unit}", gain)
    found = summary.accuracy
    points = f"{-100 * found.drop.value:+.2f} ({-100 * found.drop.high:+.2f} to {-100 * found.drop.low:+.2f})"
    table.add_row(f"{found.what}, per cent", _percent(found.old), _percent(found.new), points)
    if found.old_false is not None and found.new_false is not None:
        table.add_row("false positives/image", f"{found.old_false:.3f}", f"{found.new_false:.3f}")
    table.add_row("agreement", "", f"{found.agreement:.2%} of {found.new.of} faces")
    out.print(table)
    if summary.in_float:
        out.print(f"left in float: {', '.join(summary.in_float)}", markup=False)
    said = f"wrote {summary.out}" if summary.kept else f"{summary.out} is not written: {'; '.join(summary.reasons)}"
    out.print(said, markup=False, soft_wrap=True)


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print a line for each runtime, on standard output."""
    out = stdout_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("runtime", "largest difference", "same labels or faces", "ms a batch", ""):
        table.add_column(name, justify="left" if name in ("runtime", "") else "right", no_wrap=bool(name))
    for verdict in verdicts:
        if verdict.problem:
            table.add_row(verdict.runtime, "", "", "", Text(f"cannot run it: {verdict.problem}"))
            continue
        said = "agrees" if verdict.agrees else f"disagrees: over {verdict.tolerance:g}"
        figures = (f"{verdict.difference:.1e}", f"{verdict.agreement:.1%}", f"{verdict.latency_ms:.1f}")
        table.add_row(verdict.runtime, *figures, said)
    out.print(table)


def _figures_table(title: str, groups: Mapping[str, Figures]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("data", "class"):
        table.add_column(name, no_wrap=True)
    for name in ("faces", "recall", "accuracy", "correct", "FP/image"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, figures in groups.items():
        for label, found in figures.classes.items():
            shares = (_percent(share) for share in (found.recall, found.accuracy, found.correct))
            table.add_row(Text(name), label, str(figures.score.faces[label]), *shares)
        rate = figures.false_positives
        per_image = "" if rate is None else f"{rate.value:.3f} ({rate.low:.3f}-{rate.high:.3f})"
        table.add_row(Text(name), "correct2", "", "", "", _percent(figures.correct2), per_image)
        table.add_row(Text(name), "correct3", "", "", "", _percent(figures.correct3))
        table.add_section()
    return table


def _percent(share: Estimate) -> str:
    if not share.of:
        return "-"
    return f"{100 * share.value:.1f} ({100 * share.low:.1f}-{100 * share.high:.1f})"


def _show_confidence(found: Confidence, out: Console) -> None:
    out.print(
        f"calibration error {found.calibration_error:.4f} (by chance {found.calibration_error_by_chance:.4f}), "
        f"{found.calibration_error_scaled:.4f} at a temperature fitted on other images; on all: {found.temperature:.3f}"
    )
    chosen = found.threshold
    if chosen is None:
        out.print(f"no threshold can be vouched for that keeps {found.max_error:.1%} wrong labels")
        return
    out.print(
        f"for at most {found.max_error:.1%} wrong labels: uncertain below {chosen.value:.4f}; "
        f"{chosen.coverage:.1%} of the faces then get a label, {chosen.error:.2%} of these wrong here, "
        f"at most {chosen.error_bound:.2%} with 95 % confidence"
    )

"""What the commands show: progress on a terminal, summaries, tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from maskinfer.engine.results import LABELS

if TYPE_CHECKING:
    from maskinfer.training.evaluation.confidence import Confidence
    from maskinfer.training.evaluation.intervals import Estimate
    from maskinfer.training.evaluation.metrics import Figures
    from maskinfer.training.evaluation.run import Evaluation
from maskinfer.console.progress import stdout_console


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
    out.print(f"faces found: masked {percent(detector.masked)}, bare {percent(detector.bare)}")
    if detector.near_misses:
        out.print(f"missed, though a box beside them overlaps too little to count: {detector.near_misses} faces")
    if evaluation.confidence is not None:
        _show_confidence(evaluation.confidence, out)


def _figures_table(title: str, groups: Mapping[str, Figures]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("data", "class"):
        table.add_column(name, no_wrap=True)
    for name in ("faces", "recall", "accuracy", "correct", "FP/image"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, figures in groups.items():
        for label, found in figures.classes.items():
            shares = (percent(share) for share in (found.recall, found.accuracy, found.correct))
            table.add_row(Text(name), label, str(figures.score.faces[label]), *shares)
        rate = figures.false_positives
        per_image = "" if rate is None else f"{rate.value:.3f} ({rate.low:.3f}-{rate.high:.3f})"
        table.add_row(Text(name), "correct2", "", "", "", percent(figures.correct2), per_image)
        table.add_row(Text(name), "correct3", "", "", "", percent(figures.correct3))
        table.add_section()
    return table


def percent(share: Estimate) -> str:
    """Return a share with its 95 % interval, in percent; a dash where nothing was counted."""
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

"""Tables of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from maskinfer.training.evaluation.confidence import Confidence
    from maskinfer.training.evaluation.intervals import Estimate
    from maskinfer.training.evaluation.metrics import GroupMetrics, OverSets
    from maskinfer.training.evaluation.run import Evaluation
from maskinfer.console.progress import stdout_console


def show_evaluation(evaluation: Evaluation) -> None:
    """Print the figures of an evaluation, with 95 % intervals, on standard output."""
    out = stdout_console()
    if evaluation.over_sets is not None:
        out.print(_sets_table(evaluation, evaluation.over_sets))
    groups = {**(evaluation.sets if len(evaluation.sets) > 1 else {}), "all": evaluation.all}
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


def _sets_table(evaluation: Evaluation, found: OverSets) -> Table:
    """Return what choices are made by: the mean over the data sets, each with the same weight, and the worst."""
    title = "over the data sets, each with the same weight: per cent (95 % interval)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("data", no_wrap=True)
    for name in ("correct2", "correct3", "FP/image", "boxes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("mean", percent(found.correct2), percent(found.correct3), per_image(found.false_positives))
    table.add_row("worst", percent(found.worst_correct2), percent(found.worst_correct3))
    table.add_section()
    for name, figures in evaluation.sets.items():
        factor = evaluation.box_factors.get(name)
        cells = (percent(figures.correct2), percent(figures.correct3), per_image(figures.false_positives))
        table.add_row(Text(name), *cells, "" if factor is None else f"x{factor:.2f}")
    return table


def per_image(rate: Estimate | None) -> str:
    """Return a count per image with its 95 % interval; nothing where it cannot be told."""
    return "" if rate is None else f"{rate.value:.3f} ({rate.low:.3f}-{rate.high:.3f})"


def _figures_table(title: str, groups: Mapping[str, GroupMetrics]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("data", "class"):
        table.add_column(name, no_wrap=True)
    for name in ("faces", "recall", "accuracy", "correct", "FP/image"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, figures in groups.items():
        for label, found in figures.classes.items():
            shares = (percent(share) for share in (found.recall, found.label_recall, found.correct))
            table.add_row(Text(name), label, str(figures.score.faces[label]), *shares)
        false_positives = per_image(figures.false_positives)
        table.add_row(Text(name), "correct2", "", "", "", percent(figures.correct2), false_positives)
        table.add_row(Text(name), "correct3", "", "", "", percent(figures.correct3))
        table.add_section()
    return table


def percent(share: Estimate) -> str:
    """Return a share with its 95 % interval, in percent; a dash where nothing was counted."""
    if not share.n:
        return "-"
    return f"{100 * share.value:.1f} ({100 * share.low:.1f}-{100 * share.high:.1f})"


def _show_confidence(found: Confidence, out: Console) -> None:
    out.print(
        f"calibration error {found.calibration_error:.4f} (by chance {found.calibration_error_by_chance:.4f}), "
        f"{found.calibration_error_scaled:.4f} at a temperature fitted on other images; on all: {found.temperature:.3f}"
    )
    for name, of_set in found.by_set.items() if len(found.by_set) > 1 else ():
        out.print(
            f"  {name}: calibration error {of_set.calibration_error:.4f} (by chance "
            f"{of_set.calibration_error_by_chance:.4f})"
            + ("" if found.threshold is None else f"; labels given {percent(of_set.coverage)} %")
            + ("" if found.threshold is None else f", of these wrong {percent(of_set.error)} %"),
            markup=False,
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

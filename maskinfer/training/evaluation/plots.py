"""An evaluation drawn: needs matplotlib."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.results import INCORRECT_MASK, LABELS, WITH_MASK, WITHOUT_MASK, label_order
from maskinfer.training.evaluation.calibration import Bin
from maskinfer.training.evaluation.confidence import Confidence
from maskinfer.training.evaluation.detector import DetectorCurve
from maskinfer.training.evaluation.intervals import Estimate, share
from maskinfer.training.evaluation.metrics import GroupMetrics
from maskinfer.training.evaluation.report.mistake_sheet import draw_mistakes
from maskinfer.training.evaluation.run import Evaluation

# Those of the annotated pictures, the yellow darkened to be seen on white too.
COLOURS = {WITH_MASK: "#009E73", WITHOUT_MASK: "#D55E00", INCORRECT_MASK: "#BF9B00"}
_OTHER = "#5A6FC0"
_PLAIN, _SCALED, _MARK = "#D55E00", "#2E8BC9", "#CC79A7"
_INK = "#1a1a1a"
# A colour that no plot uses otherwise; it becomes the page's own text colour.
_PAGE_INK = "#010203"
_DPI = 130
Draw = Callable[[Figure, Evaluation], None]


def write_plots(evaluation: Evaluation, folder: Path) -> None:
    """Write a PNG of every plot, and of the worst mistakes, into a folder, which is made if it is not there.

    Raises:
        OutputError: it cannot be written to.
        SourceNotFoundError, SourceError: a picture cannot be read any more.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    figures = _draw_all(evaluation, _INK) | {"mistakes": draw_mistakes(evaluation)}
    for name, figure in figures.items():
        with atomic_write(folder / f"{name}.png", shows_people=name == "mistakes") as partial:
            figure.savefig(partial, dpi=_DPI, format="png", facecolor="white")


def to_svgs(evaluation: Evaluation) -> dict[str, str]:
    """Return every plot by name as SVG to put into a page; text and axes take the colour of the page's text."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "maskinfer"}):
        return {name: _svg(figure) for name, figure in _draw_all(evaluation, _PAGE_INK).items()}


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    return text[text.index("<svg") :].replace(_PAGE_INK, "currentColor")


def _draw_all(evaluation: Evaluation, ink: str) -> dict[str, Figure]:
    coloured = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    style: Any = dict.fromkeys(coloured, ink)
    style |= {"axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "font.size": 9}
    style |= {"axes.titlelocation": "left", "grid.color": ink, "grid.alpha": 0.15}
    with mpl.rc_context(style):
        plots: dict[str, tuple[Draw, float, float]] = {}
        if evaluation.sizes:
            plots |= {"confusion": (_draw_confusion, 5.4, 3.6), "sizes": (_draw_sizes, 9, 3.5)}
        if evaluation.detector.curve is not None:
            plots["detector"] = (_draw_curve, 6.4, 4)
        if evaluation.confidence is not None:
            plots["reliability"] = (_draw_reliability, 4.6, 4.2)
            plots["risk_coverage"] = (_draw_risk, 4.6, 4.2)
        return {name: _drawn(draw, (width, height), evaluation) for name, (draw, width, height) in plots.items()}


def _drawn(draw: Draw, size: tuple[float, float], evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=size, layout="constrained")
    draw(figure, evaluation)
    return figure


def _draw_confusion(figure: Figure, evaluation: Evaluation) -> None:
    axes = figure.subplots()
    confusion = evaluation.all.score.confusion
    rows = label_order(evaluation.all.classes)
    columns = label_order({*LABELS, *(name for row in confusion.values() for name in row)})
    counts = np.array([[confusion.get(row, {}).get(name, 0) for name in columns] for row in rows])
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), number in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{number}\n{shares[row, column]:.1%}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="label given", ylabel="true label", title="Labels of the faces that were found")


def _draw_sizes(figure: Figure, evaluation: Evaluation) -> None:
    found, labelled = figure.subplots(1, 2, sharey=True)
    sizes = evaluation.detector.by_size
    kinds = (("masked", WITH_MASK, 0), ("bare", WITHOUT_MASK, 1))
    for name, label, which in kinds:
        _error_bars(found, list(sizes), [both[which] for both in sizes.values()], COLOURS[label], name, which - 0.5)
    for i, label in enumerate(label_order({*LABELS, *evaluation.all.classes})):
        estimates = [_accuracy(figures, label) for figures in evaluation.sizes.values()]
        colour, words = COLOURS.get(label, _OTHER), label.replace("_", " ")
        _error_bars(labelled, list(evaluation.sizes), estimates, colour, words, i - 1)
    size_of = "face" if evaluation.setup.kind == "scenes" else "picture"
    for axes, title in ((found, "Found by the detector"), (labelled, "Labelled right, of those found")):
        axes.set(title=title, xlabel=f"shorter side of the {size_of}")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.grid(axis="y")
        axes.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))


def _accuracy(figures: GroupMetrics, label: str) -> Estimate:
    return figures.classes[label].label_recall if label in figures.classes else share(0, 0)


def _error_bars(axes: Axes, names: list[str], estimates: list[Estimate], colour: str, label: str, shift: float) -> None:
    """Draw what was measured, side by side with others by so many steps; what was not leaves a gap."""
    at = [i for i, estimate in enumerate(estimates) if estimate.n]
    shown = [estimates[i] for i in at]
    ends = [[e.value - e.low for e in shown], [e.high - e.value for e in shown]]
    places = [i + shift * 0.14 for i in at]
    axes.errorbar(places, [e.value for e in shown], ends, fmt="o", ms=5, lw=1.6, capsize=3, color=colour, label=label)
    axes.set_xticks(range(len(names)), names)


def _draw_curve(figure: Figure, evaluation: Evaluation) -> None:
    axes = figure.subplots()
    curve = evaluation.detector.curve
    if curve is None:
        return
    seen = curve.false_positives > 0
    lines = (("masked faces", curve.masked, COLOURS[WITH_MASK]), ("bare faces", curve.bare, COLOURS[WITHOUT_MASK]))
    for name, recall, colour in lines:
        x = curve.false_positives[seen]
        y = [e for e, s in zip(recall, seen, strict=True) if s]
        if y and y[0].n:
            axes.plot(x, [e.value for e in y], color=colour, lw=2, label=name)
            axes.fill_between(x, [e.low for e in y], [e.high for e in y], color=colour, alpha=0.18, lw=0)
    ink = mpl.rcParams["text.color"]
    axes.plot(
        curve.false_positives[seen], [e.value for e, s in zip(curve.recall, seen, strict=True) if s], lw=1, color=ink
    )
    _mark_thresholds(axes, curve, evaluation.setup.det_threshold)
    if seen.any():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlabel="false positives per image", ylabel="faces found", title="What a lower threshold finds and costs")
    axes.grid()
    axes.legend(frameon=False, loc="lower right")


def _mark_thresholds(axes: Axes, curve: DetectorCurve, own: float | None) -> None:
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.9):
        i = int(np.abs(curve.thresholds - threshold).argmin())
        place = curve.false_positives[i], curve.recall[i].value
        if place[0] > 0 and (own is None or abs(own - threshold) > 0.05):
            axes.plot(*place, "o", ms=4, color=mpl.rcParams["text.color"])
            axes.annotate(
                f"{threshold:g}", place, (0, 6), textcoords="offset points", ha="center", fontsize=8, alpha=0.8
            )
    if own is not None:
        i = int(np.abs(curve.thresholds - own).argmin())
        place = curve.false_positives[i], curve.recall[i].value
        if place[0] > 0:
            axes.plot(*place, "D", ms=7, color=_MARK, label=f"all faces, at the threshold used ({own:g})")
    axes.plot([], [], "o-", lw=1, ms=4, color=mpl.rcParams["text.color"], label="all faces, at other thresholds")


def _draw_reliability(figure: Figure, evaluation: Evaluation) -> None:
    axes = figure.subplots()
    found = evaluation.confidence
    if found is None:
        return
    low = min(b.confidence for b in (*found.bins, *found.bins_scaled))
    axes.plot([0, 1], [0, 1], ls=":", color=mpl.rcParams["text.color"], label="says what is true")
    _bins(axes, found.bins, _PLAIN, "o", "as it is")
    _bins(axes, found.bins_scaled, _SCALED, "s", f"at temperature {found.temperature:.2f}")
    axes.set(xlim=(max(0, low - 0.06), 1.01), ylim=(max(0, low - 0.2), 1.02))
    axes.set(xlabel="probability the classifier gives its label", ylabel="label is right", title="Does 90 % mean 90 %?")
    _percent(axes)


def _bins(axes: Axes, bins: Iterable[Bin], colour: str, marker: str, label: str) -> None:
    bins = list(bins)
    ends = [[b.right.value - b.right.low for b in bins], [b.right.high - b.right.value for b in bins]]
    x, y = [b.confidence for b in bins], [b.right.value for b in bins]
    style: Mapping[str, Any] = {"ms": 4, "lw": 1, "elinewidth": 0.8, "color": colour, "label": label, "alpha": 0.85}
    axes.errorbar(x, y, ends, fmt=f"{marker}-", **style)


def _draw_risk(figure: Figure, evaluation: Evaluation) -> None:
    axes = figure.subplots()
    found = evaluation.confidence
    if found is None:
        return
    curve = found.curve
    step = max(1, len(curve.thresholds) // 400)
    counts = list(zip(curve.errors.tolist(), curve.labelled.tolist(), strict=True))[::-step][::-1]
    # Of a handful of faces a share says nothing.
    counts = [(errors, labelled) for errors, labelled in counts if labelled >= min(50, curve.total)]
    shown = [share(errors, labelled) for errors, labelled in counts]
    x = [labelled / curve.total for _, labelled in counts]
    axes.plot(x, [e.value for e in shown], color=_SCALED, lw=2, label="all faces")
    axes.fill_between(x, [e.low for e in shown], [e.high for e in shown], color=_SCALED, alpha=0.18, lw=0)
    for name, of_set in found.by_set.items() if len(found.by_set) > 1 else ():
        kept = of_set.curve.labelled >= 50
        axes.plot(of_set.curve.coverage[kept], of_set.curve.risk[kept], lw=1, label=name)
    _mark_risk(axes, found)
    highest = max([curve.risk[-1], *(of_set.curve.risk[-1] for of_set in found.by_set.values())])
    top = max(2 * found.max_error, 1.3 * float(highest))
    axes.set(xlim=(0, 1.01), ylim=(0, min(1, top)))
    axes.set(xlabel="faces that get a label", ylabel="wrong labels among these", title="Saying nothing when unsure")
    _percent(axes, decimals=1)


def _mark_risk(axes: Axes, found: Confidence) -> None:
    axes.axhline(found.max_error, ls=":", color=mpl.rcParams["text.color"], label=f"asked for: {found.max_error:.1%}")
    if found.threshold is not None:
        place = found.threshold.coverage, found.threshold.error
        axes.plot(*place, "D", ms=7, color=_MARK, label=f"threshold {found.threshold.value:.3f}")


def _percent(axes: Axes, decimals: int = 0) -> None:
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=decimals))
    axes.grid()
    axes.legend(frameon=False, loc="best")

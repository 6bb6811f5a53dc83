"""A benchmark drawn: latency against batch, throughput against threads, speed against accuracy. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from maskinfer.benchmark.report import Report, Row
from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.atomic import atomic_write, check_writable

# A colour is a model, a line and a marker are a provider.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8a6d00", "#56B4E9", "#555555", "#E69F00")
_LINES = ("-", "--", ":", "-.")
_MARKERS = "osD^vPX*"
_DPI = 130
_WHAT = {"classifier": "faces", "detector": "frames"}
# Less than that looks like much when it fills the axis.
_LEAST_SPAN = 6.0
# Series beside each other instead of one on the other.
_ASIDE = 1.03


@dataclass(frozen=True, slots=True)
class _Series:
    """The rows of one model on one provider, and how they are drawn."""

    rows: Sequence[Row]
    style: dict[str, Any]
    place: float


Draw = Callable[[Axes, _Series], None]


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write the pictures into a folder, which is made if it is not there; returns their files.

    Raises:
        OutputError: it cannot be written to.
    """
    make_folder(folder)
    drawn = {"latency.png": _latency(report), "threads.png": _threads(report), "accuracy.png": _accuracy(report)}
    written = []
    for name, figure in drawn.items():
        if figure is not None:
            with atomic_write(folder / name) as partial:
                figure.savefig(partial, dpi=_DPI, format="png", facecolor="white")
            written.append(folder / name)
    return written


def make_folder(folder: Path) -> None:
    """Make a folder for pictures, if it is not there, and find out whether it can be written to.

    Raises:
        OutputError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    check_writable(folder / "latency.png")


def _latency(report: Report) -> Figure | None:
    """Median time of one face or frame against the batch, with all threads; bars from there to the 90th percentile."""
    most = max((row.threads for row in report.rows), default=0)
    rows = [row for row in report.rows if row.threads == most]

    def draw(axes: Axes, series: _Series) -> None:
        x = [row.batch * _ASIDE**series.place for row in series.rows]
        y = [row.timing.p50_ms / row.batch for row in series.rows]
        above = [max(0.0, row.timing.p90_ms - row.timing.p50_ms) / row.batch for row in series.rows]
        axes.errorbar(x, y, yerr=np.array([[0.0] * len(x), above]), capsize=2, elinewidth=0.8, **series.style)

    title = f"Median time against batch, {most} threads (bars to the 90th percentile)"
    return _by_task(rows, draw, title, "batch", lambda what: f"ms a {what[:-1]}")


def _threads(report: Report) -> Figure | None:
    """Throughput against threads, at the batch that is best for each."""
    if len({row.threads for row in report.rows}) < 2:
        return None

    def draw(axes: Axes, series: _Series) -> None:
        best: dict[int, float] = {}
        for row in series.rows:
            best[row.threads] = max(best.get(row.threads, 0.0), row.per_second)
        x = sorted(best)
        axes.plot(x, [best[threads] for threads in x], **series.style)

    title = "Throughput against threads, best batch"
    return _by_task(report.rows, draw, title, "threads", lambda what: f"{what} a second")


def _accuracy(report: Report) -> Figure | None:
    """Accuracy against throughput, the best row of each model on each provider."""
    rows = [row for row in report.rows if row.accuracy is not None]

    def draw(axes: Axes, series: _Series) -> None:
        best = max(series.rows, key=lambda row: row.per_second)
        axes.plot([best.per_second], [100 * (best.accuracy or 0.0)], **{**series.style, "linestyle": "none"})

    says = {"faces": "labelled right, %", "frames": "faces found, %"}
    title = "Accuracy against throughput, best batch and threads"
    figure = _by_task(rows, draw, title, "{what} a second", says.__getitem__)
    for axes in figure.axes if figure is not None else ():
        axes.set_xlim(left=0)
        low, high = axes.get_ylim()
        wider = max(0.0, _LEAST_SPAN - (high - low)) / 2
        axes.set_ylim(low - wider, min(100.0, high + wider))
    return figure


def _by_task(rows: Sequence[Row], draw: Draw, title: str, x_label: str, y_label: Callable[[str], str]) -> Figure | None:
    """Draw a plot for each task, side by side, with a series for each model on each provider."""
    tasks = [task for task in _WHAT if any(row.task == task for row in rows)]
    if not tasks:
        return None
    figure = Figure(figsize=(max(6.4, 5.6 * len(tasks)), 5.2), layout="constrained")
    figure.suptitle(title)
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        axes.margins(x=0.08, y=0.1)
        for series in _series([row for row in rows if row.task == task]):
            draw(axes, series)
        axes.set_xlabel(x_label.format(what=_WHAT[task]))
        axes.set_ylabel(y_label(_WHAT[task]))
        axes.set_title(f"{task}s", fontsize=11)
        if x_label in ("batch", "threads"):
            _only_ticks(axes, sorted({getattr(row, x_label) for row in rows if row.task == task}))
            axes.set_ylim(0, axes.get_ylim()[1])
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
    return figure


def _series(rows: Sequence[Row]) -> list[_Series]:
    models = list(dict.fromkeys(row.model for row in rows))
    providers = list(dict.fromkeys(row.provider for row in rows))
    names = list(dict.fromkeys((row.model, row.provider) for row in rows))
    return [
        _Series(
            [row for row in rows if (row.model, row.provider) == (model, provider)],
            {
                "color": _COLOURS[models.index(model) % len(_COLOURS)],
                "linestyle": _LINES[providers.index(provider) % len(_LINES)],
                "marker": _MARKERS[providers.index(provider) % len(_MARKERS)],
                "markersize": 7,
                "label": f"{Path(model).name} on {provider}",
            },
            i - (len(names) - 1) / 2,
        )
        for i, (model, provider) in enumerate(names)
    ]


def _only_ticks(axes: Axes, values: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(values)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())

"""A benchmark drawn: latency against batch, throughput against threads, speed against accuracy. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from maskinfer.benchmark.rows import Report, Row
from maskinfer.engine.atomic import whole_file
from maskinfer.engine.errors import OutputError

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8a6d00", "#56B4E9", "#555555", "#E69F00")
_MARKERS = "osD^vPX*"
_DPI = 130
_WHAT = {"classifier": "faces", "detector": "frames"}


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write the pictures into a folder, which is made if it is not there; returns their files.

    Raises:
        OutputError: it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    drawn = {"latency.png": _latency(report), "threads.png": _threads(report), "accuracy.png": _accuracy(report)}
    written = []
    for name, figure in drawn.items():
        if figure is not None:
            with whole_file(folder / name) as partial:
                figure.savefig(partial, dpi=_DPI, format="png", facecolor="white")
            written.append(folder / name)
    return written


def _latency(report: Report) -> Figure | None:
    """Median time of one face or frame against the batch, with all threads; bars from there to the 90th percentile."""
    most = max((row.threads for row in report.rows), default=0)
    rows = [row for row in report.rows if row.threads == most]

    def draw(axes: Axes, chosen: Sequence[Row], colour: str, marker: str) -> None:
        x = [row.batch for row in chosen]
        y = [row.timing.p50_ms / row.batch for row in chosen]
        above = [(row.timing.p90_ms - row.timing.p50_ms) / row.batch for row in chosen]
        axes.errorbar(
            x, y, yerr=np.array([[0.0] * len(x), above]), color=colour, marker=marker, capsize=3, label=_name(chosen[0])
        )

    title = f"Median time against batch, {most} threads (bars to the 90th percentile)"
    return _by_task(rows, draw, title, "batch", lambda what: f"ms a {what[:-1]}")


def _threads(report: Report) -> Figure | None:
    """Throughput against threads, at the batch that is best for each."""
    if len({row.threads for row in report.rows}) < 2:
        return None

    def draw(axes: Axes, chosen: Sequence[Row], colour: str, marker: str) -> None:
        best: dict[int, float] = {}
        for row in chosen:
            best[row.threads] = max(best.get(row.threads, 0.0), row.per_second)
        x = sorted(best)
        axes.plot(x, [best[threads] for threads in x], color=colour, marker=marker, label=_name(chosen[0]))

    return _by_task(
        report.rows, draw, "Throughput against threads, best batch", "threads", lambda what: f"{what} a second"
    )


def _accuracy(report: Report) -> Figure | None:
    """Accuracy against throughput, the best row of each model on each provider."""
    rows = [row for row in report.rows if row.accuracy is not None]

    def draw(axes: Axes, chosen: Sequence[Row], colour: str, marker: str) -> None:
        best = max(chosen, key=lambda row: row.per_second)
        axes.plot(
            [best.per_second], [100 * (best.accuracy or 0.0)], linestyle="none", markersize=9, color=colour,
            marker=marker, label=_name(best),
        )  # fmt: skip

    says = {"faces": "labelled right, %", "frames": "faces found, %"}
    return _by_task(
        rows, draw, "Accuracy against throughput, best batch and threads", "{what} a second", says.__getitem__
    )


def _by_task(
    rows: Sequence[Row],
    draw: Callable[[Axes, Sequence[Row], str, str], None],
    title: str,
    x_label: str,
    y_label: Callable[[str], str],
) -> Figure | None:
    """Draw a plot for each task, side by side, with a series for each model on each provider."""
    tasks = [task for task in _WHAT if any(row.task == task for row in rows)]
    if not tasks:
        return None
    figure = Figure(figsize=(5.6 * len(tasks), 4.4), layout="constrained")
    figure.suptitle(title)
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        names = dict.fromkeys(_name(row) for row in rows if row.task == task)
        for i, name in enumerate(names):
            chosen = [row for row in rows if row.task == task and _name(row) == name]
            draw(axes, chosen, _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)])
        axes.set_xlabel(x_label.format(what=_WHAT[task]))
        axes.set_ylabel(y_label(_WHAT[task]))
        axes.set_title(task)
        if x_label in ("batch", "threads"):
            _only_ticks(axes, sorted({getattr(row, x_label) for row in rows if row.task == task}))
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    return figure


def _only_ticks(axes: Axes, values: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(values)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name(row: Row) -> str:
    return f"{Path(row.model).name} on {row.provider}"

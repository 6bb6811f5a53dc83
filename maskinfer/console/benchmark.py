"""What ``maskinfer benchmark`` shows on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from rich import box
from rich.table import Table

from maskinfer.benchmark.capacity import LEAST_SHARE, CameraLoad, Trial, count_cameras
from maskinfer.benchmark.job_times import JobTimes
from maskinfer.benchmark.report import Change, Report, Row, noisy
from maskinfer.console.progress import stdout_console
from maskinfer.engine.runtime.cpu import available_threads

_NOT_BUILT = "not in the installed onnxruntime"
_WIDTH = 150
_UNITS = {"classifier": "faces/s", "detector": "frames/s"}


def show_report(report: Report) -> None:
    """Print a table for each task, and what cannot run here."""
    out = stdout_console(_WIDTH)
    machine = report.machine
    out.print(
        f"{machine['processor']}, {machine['threads']} threads; onnxruntime {machine['onnxruntime']}; "
        f"yardstick {report.yardstick.p50_ms:.2f} ms",
        markup=False,
    )
    for task in ("classifier", "detector"):
        rows = [row for row in report.rows if row.task == task]
        if rows:
            out.print(_table(task, rows))
    if count := noisy(report.rows):
        out.print(
            f"~ {count} of {len(report.rows)} rows are noisy: another run may find a median that is a tenth off",
            soft_wrap=True,
        )
    if not all(row.reference for row in report.rows):
        out.print(
            "* compared with itself on the CPU: no float model of the same weights is at hand; name it with --model",
            soft_wrap=True,
        )
    # What the build lacks is one list; a provider that it has and that fails says why.
    lacking = [provider for provider, reason in report.inactive.items() if _NOT_BUILT in reason]
    if lacking:
        out.print(f"{_NOT_BUILT} {machine['onnxruntime']}: {', '.join(lacking)}", markup=False, soft_wrap=True)
    for provider, reason in report.inactive.items():
        if provider not in lacking:
            out.print(f"left out: {provider}: {reason}", markup=False, soft_wrap=True)


def _table(task: str, rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"{task}s", title_justify="left")
    table.add_column("model", no_wrap=True)
    table.add_column("type")
    table.add_column("provider", no_wrap=True)
    names = ["threads", "batch", "p50 ms", "p90", "p99", "mean", _UNITS[task], "load ms", "MB", "nodes", "agrees"]
    has_accuracy = any(row.accuracy is not None for row in rows)
    for name in [*names, *(["right" if task == "classifier" else "found"] if has_accuracy else [])]:
        table.add_column(name, justify="right")
    for row in rows:
        timing = row.timing
        mark = "~" if timing.is_noisy else ""
        cells = [
            Path(row.model).name, row.precision, row.provider, str(row.threads), str(row.batch),
            f"{mark}{timing.p50_ms:.2f}",
            f"{timing.p90_ms:.2f}", f"{timing.p99_ms:.2f}", f"{timing.mean_ms:.2f}", f"{row.per_second:.0f}",
            f"{row.load_ms:.0f}", f"{row.memory_mb:.0f}", f"{row.on_provider:.0%}",
            f"{'' if row.reference else '*'}{row.agreement:.1%}",
        ]  # fmt: skip
        table.add_row(*cells, *([f"{row.accuracy:.1%}" if row.accuracy is not None else ""] if has_accuracy else []))
    return table


def show_changes(changes: Sequence[Change], machine_slowdown: float) -> None:
    """Print what got slower or faster than it was, beyond the noise of both."""
    out = stdout_console()
    out.print(f"against the baseline the machine's own yardstick takes {machine_slowdown:.2f} times as long")
    for change in changes:
        if change.is_slower or change.is_faster:
            row, word = change.row, "slower" if change.is_slower else "faster"
            out.print(
                f"{word}: {row.model} on {row.provider}, {row.threads} threads, batch {row.batch}: "
                f"{change.before.timing.p50_ms:.2f} -> {row.timing.p50_ms:.2f} ms ({change.ratio:.2f} times, "
                f"noise {change.noise:.0%})",
                markup=False, soft_wrap=True,
            )  # fmt: skip
    same = sum(not change.is_slower and not change.is_faster for change in changes)
    out.print(f"{same} of {len(changes)} rows are as fast as they were, within the noise")
    calm = [change for change in changes if not change.row.timing.is_noisy and not change.before.timing.is_noisy]
    if calm:
        most = max(max(change.ratio, 1 / change.ratio) for change in calm) - 1
        out.print(f"{len(calm)} were noisy in neither run; their medians differ by {most:.1%} at most")


def show_job(job: JobTimes) -> None:
    """Print a table of a job's stages, and what its limit is."""
    out = stdout_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Path(job.clip).name, title_justify="left")
    for name in ("stage", "thread"):
        table.add_column(name)
    for name in ("busy ms a frame", "share"):
        table.add_column(name, justify="right")
    for stage in job.stages:
        thread = stage.thread if stage.threads == 1 else f"{stage.threads} {stage.thread} threads"
        table.add_row(stage.name, thread, f"{stage.busy_ms:.2f}", f"{stage.share:.1%}")
    out.print(table)
    out.print(
        f"{job.frames} frames, {job.faces / max(1, job.frames):.1f} faces in each: {job.per_second:.1f} frames/s, "
        f"{job.cpu_ms:.1f} ms of CPU time a frame; the "
        f"models alone would do {job.models_per_second:.1f} ({job.per_second / job.models_per_second:.0%} reached), "
        f"and are {job.models_share:.0%} of the work",
        soft_wrap=True,
    )
    out.print(f"the limit: {job.limit}", soft_wrap=True)


def show_capacity(max_cameras: int, trials: Sequence[Trial], load: CameraLoad) -> None:
    """Print the answer."""
    width, height = load.size_wh
    such = (
        f"of {width}x{height}, {load.rate} frames/s, {load.faces} faces, 95 % of the results within "
        f"{load.latency_ms:g} ms"
    )
    if max_cameras:
        out = stdout_console()
        out.print(f"this machine holds {count_cameras(max_cameras)} {such}", soft_wrap=True)
        out.print(f"held: each camera gets results for at least {LEAST_SHARE:.0%} of its frames", soft_wrap=True)
        out.print(_to_buy(max_cameras, trials), soft_wrap=True)
        return
    one = trials[0]
    stdout_console().print(
        f"this machine does not hold one camera {such}: {one.share:.0%} of its frames got results, 95 % of these "
        f"within {one.p95_ms:.0f} ms",
        soft_wrap=True,
    )


def _to_buy(max_cameras: int, trials: Sequence[Trial]) -> str:
    """Say how many such cores more cameras need, if cores add up as they do on this machine."""
    cores = available_threads()
    most = next(trial for trial in trials if trial.cameras == max_cameras)
    needs = {count: ceil(count * cores / max_cameras) for count in (2, 4, 8, 16, 32, 64) if count > max_cameras}
    more = ", ".join(f"{count} cameras need about {needed}" for count, needed in needs.items())
    busy = f"{count_cameras(max_cameras)} kept {most.cores:.1f} of {cores} cores busy"
    return f"{busy}; of such cores {more}" if more else busy

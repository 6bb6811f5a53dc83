"""``maskinfer benchmark``, ``benchmark job`` and ``benchmark capacity``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskinfer.commands.groups.data import as_folder
from maskinfer.commands.groups.models import EngineOptions, engine_options
from maskinfer.commands.options import (
    FRAME_SIZES,
    MODEL,
    PATH,
    PATH_OR_URL,
    Command,
    Number,
    Output,
    benchmark_extra,
    check_outputs,
    grouped,
    option,
    read_frame_size,
    read_ms,
    refuse,
    write_options,
)
from maskinfer.engine.errors import printable
from maskinfer.engine.files.atomic import atomic_write

if TYPE_CHECKING:
    from maskinfer.benchmark.predictions import Predict
    from maskinfer.benchmark.report import Report
    from maskinfer.benchmark.sweep import Plan


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What the sweep runs; empty where the default is wanted."""

    providers: tuple[str, ...]
    models: tuple[str, ...]
    precisions: tuple[str, ...]
    batches: tuple[int, ...]
    threads: tuple[int, ...]
    seconds: float

    def read(self) -> Plan:
        """Return the plan."""
        from maskinfer.benchmark.sweep import DEFAULT_BATCHES, DEFAULT_MODELS, PRECISIONS, Plan

        return Plan(
            self.models or DEFAULT_MODELS,
            self.providers,
            self.precisions or PRECISIONS,
            self.batches or DEFAULT_BATCHES,
            self.threads,
            self.seconds,
        )


_sweep_options = grouped(
    "sweep", SweepOptions, "Sweep",
    option("--provider", "providers", multiple=True, metavar="NAME",
           help="Execution provider, as cpu, cuda or openvino; may be repeated. By default all that are active here."),
    option("--model", "models", type=MODEL, multiple=True, metavar="NAME|FILE",
           help="Detector or classifier; may be repeated. By default the default models, in float and in int8."),
    option("--precision", "precisions", multiple=True, type=click.Choice(["float", "fp16", "int8"]),
           help="Time only models of this precision; may be repeated."),
    option("--batch", "batches", multiple=True, type=int, metavar="N",
           help="Faces or frames per run; may be repeated. By default 1, 4 and 16."),
    option("--threads", "threads", multiple=True, type=int, metavar="N",
           help="CPU threads per model; may be repeated. By default 1 and all."),
    option("--seconds", type=Number(0, min_open=True), default=1.5, show_default=True, metavar="SECONDS",
           help="Average time for each row of the table."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Where the sweep's figures go, and what they are compared with."""

    data: Path | None
    json_path: Path | None
    csv_path: Path | None
    plot_dir: Path | None
    baseline: Path | None
    fail_if_slower: bool

    def check(self) -> None:
        """Refuse what cannot be done, before minutes are spent on measuring."""
        if self.baseline is None:
            refuse(("fail_if_slower",), "there is nothing to compare with; add --baseline FILE")


_report_options = grouped(
    "reporting", ReportOptions, "Report",
    option("--data", type=PATH, metavar="FILE|FOLDER",
           help="Annotated scenes on which the models are compared and their accuracy is measured."),
    option("--json", "json_path", type=Output("text"), metavar="FILE", help="Write everything that was measured."),
    option("--csv", "csv_path", type=Output("text"), metavar="FILE", help="Write the rows of the table."),
    option("--plot", "plot_dir", type=Output("folder"), metavar="FOLDER",
           help="Draw plots; needs the [benchmark] extra."),
    option("--baseline", type=PATH, metavar="FILE",
           help="Compare with an earlier --json file of this machine, and list what became slower."),
    option("--fail-if-slower", is_flag=True, help="Exit with 1 if something is slower than the baseline."),
)  # fmt: skip


class _SweepGroup(click.Group):
    """A group whose help lists its own options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the sub-commands; see ``click.Group``."""
        write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group(cls=_SweepGroup, invoke_without_command=True, short_help="Time models and whole jobs on this machine.")
@_sweep_options
@_report_options
@click.pass_context
def benchmark(ctx: click.Context, sweep: SweepOptions, reporting: ReportOptions) -> None:
    """Time models on the execution providers of this machine, with the accuracy next to each speed.

    Every model runs on every provider, taking turns in rounds, so that a noisy machine affects all of them alike.

    \b
    Examples:
      maskinfer benchmark
      maskinfer benchmark --provider cpu --provider openvino --data scenes/ --plot plots/
      maskinfer benchmark --model mine.onnx --batch 1 --batch 8 --threads 4 --json now.json
      maskinfer benchmark --baseline before.json --fail-if-slower
      maskinfer benchmark job entrance.mp4
      maskinfer benchmark capacity --fps 15 --size 1080p --faces 5
    """
    if ctx.invoked_subcommand is None:
        check_outputs(ctx)
        reporting.check()
        _run_sweep(sweep, reporting)
        return
    for kind in (SweepOptions, ReportOptions):
        refuse(kind, f"options of `benchmark {ctx.invoked_subcommand}` follow its name")


def _run_sweep(sweep: SweepOptions, reporting: ReportOptions) -> None:
    from maskinfer.benchmark.predictions import predict_samples
    from maskinfer.benchmark.report import check_machine, read_report
    from maskinfer.benchmark.sweep import run_sweep
    from maskinfer.console.benchmark import show_report
    from maskinfer.console.progress import progress_bar

    # What the user gave is read before anything is timed.
    before = None if reporting.baseline is None else read_report(reporting.baseline)
    if before is not None:
        check_machine(before)
    plan = sweep.read()
    write_plots = None if reporting.plot_dir is None else _plots(reporting.plot_dir)
    predict = predict_samples if reporting.data is None else _predict_scenes(as_folder(reporting.data))
    with progress_bar("benchmark", "steps") as progress:
        report = run_sweep(plan, ask=predict, progress=progress)
    show_report(report)
    _write(report, reporting)
    if write_plots is not None:
        for path in write_plots(report):
            click.echo(f"drawn: {path}", err=True)
    if before is not None:
        _compare(report, before, fail_if_slower=reporting.fail_if_slower)


def _write(report: Report, reporting: ReportOptions) -> None:
    from maskinfer.benchmark.report import write_csv, write_json

    if reporting.json_path is not None:
        write_json(report, reporting.json_path)
    if reporting.csv_path is not None:
        write_csv(report, reporting.csv_path)


def _compare(report: Report, before: Report, *, fail_if_slower: bool) -> None:
    from maskinfer.benchmark.report import compare, slowdown
    from maskinfer.console.benchmark import show_changes

    changes = compare(report, before)
    show_changes(changes, slowdown(report, before))
    if fail_if_slower and any(change.is_slower for change in changes):
        click.get_current_context().exit(1)


_JSON_OPTION = click.option(
    "--json", "json_path", type=Output("text"), metavar="FILE", help="Write everything that was measured."
)


@benchmark.command(cls=Command, short_help="Time whole jobs, stage by stage.")
@click.argument("clips", type=PATH_OR_URL, nargs=-1, required=True, metavar="CLIP...")
@_JSON_OPTION
@engine_options
def job(clips: tuple[str, ...], json_path: Path | None, models: EngineOptions) -> None:
    """Annotate videos as `maskinfer video` does, and show where the time goes.

    \b
    Examples:
      maskinfer benchmark job entrance.mp4
      maskinfer benchmark job crowd.mp4 office.mp4 --threads 4 --json jobs.json
    """
    from maskinfer.benchmark.job_times import time_job
    from maskinfer.console.benchmark import show_job
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.sources.video import open_video

    for clip in clips:
        with open_video(clip):
            pass
    engine, timed = models.open(is_recording=True), []
    try:
        for clip in clips:
            with progress_bar(printable(Path(clip).name), "frames") as progress:
                timed.append(time_job(engine, clip, progress))
            show_job(timed[-1])
    finally:
        _write_records(json_path, jobs=[asdict(one) for one in timed])


@benchmark.command(cls=Command, short_help="Find how many cameras this machine can watch.")
@click.option(
    "--fps",
    default=15,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="Frames per second of each camera.",
)
@click.option(
    "--size", "size_wh", default="1080p", show_default=True, callback=read_frame_size, metavar="SIZE",
    help=f"Frame size of each camera: {FRAME_SIZES}, or WIDTHxHEIGHT.",
)  # fmt: skip
@click.option("--faces", default=5, show_default=True, type=click.IntRange(0), metavar="N", help="Faces in each frame.")
@click.option(
    "--latency-p95", "latency_ms", default="200ms", show_default=True, callback=read_ms, metavar="TIME",
    help="95 % of the results must be there within this time after their frame.",
)  # fmt: skip
@_JSON_OPTION
@engine_options
def capacity(
    fps: int, size_wh: tuple[int, int], faces: int, latency_ms: float, json_path: Path | None, models: EngineOptions
) -> None:
    """Find how many cameras this machine can watch, by watching more and more simulated ones.

    Exit with 1 if it cannot watch even one.

    \b
    Examples:
      maskinfer benchmark capacity
      maskinfer benchmark capacity --fps 15 --size 1080p --faces 5 --latency-p95 200ms
    """
    from maskinfer.benchmark.capacity import CameraLoad, find_capacity
    from maskinfer.console.benchmark import show_capacity
    from maskinfer.console.progress import progress_bar

    load = CameraLoad(fps, size_wh, faces, latency_ms)
    with progress_bar("capacity", "trials") as progress:
        max_cameras, trials = find_capacity(models.open(), load, progress)
    show_capacity(max_cameras, trials, load)
    _write_records(json_path, load=asdict(load), max_cameras=max_cameras, trials=[asdict(trial) for trial in trials])
    if not max_cameras:
        click.get_current_context().exit(1)


def _write_records(file: Path | None, **record: Any) -> None:
    from maskinfer.benchmark.report import this_machine

    if file is not None:
        with atomic_write(file) as partial:
            partial.write_text(json.dumps({"machine": this_machine(), **record}, indent=1) + "\n", encoding="utf-8")


def _plots(folder: Path) -> Callable[[Report], Sequence[Path]]:
    with benchmark_extra():
        from maskinfer.benchmark.plots import make_folder, write_plots
    make_folder(folder)
    return lambda report: write_plots(report, folder)


def _predict_scenes(data: Path) -> Predict:
    with benchmark_extra():
        from maskinfer.benchmark.accuracy import predict_scenes

        return predict_scenes(data)

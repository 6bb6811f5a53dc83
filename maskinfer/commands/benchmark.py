"""``maskinfer benchmark``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from maskinfer.commands.options import PATH, benchmark_extra
from maskinfer.engine.files.atomic import atomic_write, check_writable

if TYPE_CHECKING:
    from maskinfer.benchmark.predictions import Predict
    from maskinfer.benchmark.report import Report
    from maskinfer.engine.engine import Engine

_HEIGHTS = {480: 854, 720: 1280, 1080: 1920, 1440: 2560, 2160: 3840}
_SIZES = ", ".join(f"{height}p" for height in _HEIGHTS)
_OF_MODELS = (
    "precisions", "batches", "seconds", "data", "csv_path", "plot_dir", "baseline", "fail_if_slower",
)  # fmt: skip
_OF_CAMERAS = ("fps", "size_wh", "faces", "latency_ms")


def read_frame_size(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, int]:
    """Read ``1080p`` or ``1920x1080``; both sides are even, as H.264 has them."""
    if (height := re.fullmatch(r"(\d+)p", value)) and int(height[1]) in _HEIGHTS:
        return _HEIGHTS[int(height[1])], int(height[1])
    sides = re.fullmatch(r"(\d+)x(\d+)", value)
    if sides is None or any(int(side) < 64 or int(side) % 2 for side in sides.groups()):
        raise click.BadParameter(f"{value!r} is no size: expected {_SIZES}, or even WIDTHxHEIGHT from 64")
    return int(sides[1]), int(sides[2])


def read_ms(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """Read ``200ms``, ``200`` or ``0.2s`` as milliseconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)?", value)
    if found is None or float(found[1]) <= 0:
        raise click.BadParameter(f"{value!r} is no time: expected as 200ms or 0.2s")
    return float(found[1]) * (1e3 if found[2] == "s" else 1)


@click.command(short_help="Time models and whole jobs on this machine.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="NAME",
    help="cpu, cuda, openvino, ...; may be repeated; by default all that are active here.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE",
    help="Detector or classifier; may be repeated; by default those that are used by default.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["float", "fp16", "int8"]),
    help="Leave out models of others; may be repeated.",
)
@click.option(
    "--batch",
    "batches",
    multiple=True,
    type=int,
    metavar="N",
    help="Faces or frames a run; may be repeated; 1, 4 and 16 by default.",
)
@click.option(
    "--threads",
    "threads",
    multiple=True,
    type=int,
    metavar="N",
    help="CPU threads of a model; may be repeated; 1 and all by default.",
)
@click.option("--seconds", default=1.5, show_default=True, help="Time for each row, in the mean.")
@click.option(
    "--job", "clips", multiple=True, metavar="CLIP", help="Time a whole job instead, stage by stage; may be repeated."
)
@click.option("--capacity", is_flag=True, help="Find how many cameras this machine holds instead, by watching them.")
@click.option("--fps", default=15, show_default=True, type=click.IntRange(1), help="Of each camera.")
@click.option(
    "--size",
    "size_wh",
    default="1080p",
    show_default=True,
    callback=read_frame_size,
    help=f"Of each camera: {_SIZES}, or WIDTHxHEIGHT.",
)
@click.option("--faces", default=5, show_default=True, type=click.IntRange(0), help="In each frame.")
@click.option(
    "--latency-p95",
    "latency_ms",
    default="200ms",
    show_default=True,
    callback=read_ms,
    help="95 % of the results are there so soon after their frame.",
)
@click.option("--data", type=PATH, help="Annotated scenes: models are compared on them, with their accuracy.")
@click.option("--json", "json_path", type=PATH, help="Write all that was measured.")
@click.option("--csv", "csv_path", type=PATH, help="Write a row for each line of the table.")
@click.option("--plot", "plot_dir", type=PATH, metavar="FOLDER", help="Write pictures; needs [benchmark].")
@click.option("--baseline", type=PATH, help="An earlier --json of this machine: say what got slower.")
@click.option("--fail-if-slower", is_flag=True, help="Exit with 1 when something got slower than the baseline.")
def benchmark(**options: Any) -> None:
    """Time models on the execution providers of this machine, with accuracy beside every speed.

    Every model runs on every provider in turn with the others, in rounds, so that the drift of a noisy machine hits all
    alike. With --job a whole job is timed, with --capacity cameras are watched until there are too many; then --model,
    --provider and --threads say with what.

    \b
    Examples:
      maskinfer benchmark
      maskinfer benchmark --provider cpu --provider openvino --data scenes/ --plot plots/
      maskinfer benchmark --model mine.onnx --batch 1 --batch 8 --threads 4 --json now.json
      maskinfer benchmark --baseline before.json --fail-if-slower
      maskinfer benchmark --job entrance.mp4
      maskinfer benchmark --capacity --fps 15 --size 1080p --faces 5 --latency-p95 200ms
    """  # fmt: skip
    if options["capacity"] and options["clips"]:
        raise click.UsageError("--capacity and --job are two benchmarks: ask for one")
    if options["capacity"]:
        _refuse(_OF_MODELS, "--capacity")
    elif options["clips"]:
        _refuse(_OF_MODELS + _OF_CAMERAS, "--job")
    else:
        _refuse(_OF_CAMERAS, "the sweep of models")
    if options["fail_if_slower"] and options["baseline"] is None:
        raise click.UsageError("--fail-if-slower needs --baseline")
    # Nobody waits for minutes to hear that the result cannot be written.
    for path in (options["json_path"], options["csv_path"]):
        if path is not None:
            check_writable(path)
    if options["capacity"]:
        _capacity(options)
    elif options["clips"]:
        _jobs(options)
    else:
        _sweep(options)


def _refuse(names: Sequence[str], benchmark_name: str) -> None:
    """Say of options that were given which have no meaning here."""
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"{parameter.opts[0]} has no meaning for {benchmark_name}: leave it out")


def _sweep(options: dict[str, Any]) -> None:
    from maskinfer.benchmark.report import check_machine, compare, read_report, slowdown, write_csv, write_json
    from maskinfer.benchmark.sweep import Plan, run_sweep
    from maskinfer.console.benchmark import show_changes, show_report
    from maskinfer.console.progress import progress_bar

    # What the user gave is read before anything is timed.
    before = None if options["baseline"] is None else read_report(options["baseline"])
    if before is not None:
        check_machine(before)
    wanted = {name: options[name] for name in ("models", "precisions", "batches") if options[name]}
    plan = Plan(providers=options["providers"], threads=options["threads"], seconds=options["seconds"], **wanted)
    write_plots = None if options["plot_dir"] is None else _plots(options["plot_dir"])
    asked = {} if options["data"] is None else {"ask": _predict_scenes(options["data"])}
    with progress_bar("benchmark", "steps") as progress:
        report = run_sweep(plan, **asked, progress=progress)
    show_report(report)
    if options["json_path"] is not None:
        write_json(report, options["json_path"])
    if options["csv_path"] is not None:
        write_csv(report, options["csv_path"])
    if write_plots is not None:
        for path in write_plots(report):
            click.echo(f"drawn: {path}", err=True)
    if before is not None:
        changes = compare(report, before)
        show_changes(changes, slowdown(report, before))
        if options["fail_if_slower"] and any(change.is_slower for change in changes):
            click.get_current_context().exit(1)


def _jobs(options: dict[str, Any]) -> None:
    from maskinfer.benchmark.job_times import time_job
    from maskinfer.console.benchmark import show_job
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.sources.video import open_video

    for clip in options["clips"]:
        with open_video(clip):
            pass
    engine, timed = _engine(options, lanes=None), []
    try:
        for clip in options["clips"]:
            with progress_bar(Path(clip).name, "frames") as progress:
                timed.append(time_job(engine, clip, progress))
            show_job(timed[-1])
    finally:
        _write_records(options["json_path"], jobs=[asdict(job) for job in timed])


def _capacity(options: dict[str, Any]) -> None:
    from maskinfer.benchmark.capacity import CameraLoad, find_capacity
    from maskinfer.console.benchmark import show_capacity
    from maskinfer.console.progress import progress_bar

    wanted = CameraLoad(options["fps"], options["size_wh"], options["faces"], options["latency_ms"])
    with progress_bar("capacity", "trials") as progress:
        held, trials = find_capacity(_engine(options), wanted, progress)
    show_capacity(held, trials, wanted)
    _write_records(options["json_path"], wanted=asdict(wanted), held=held, trials=[asdict(trial) for trial in trials])
    if not held:
        click.get_current_context().exit(1)


def _write_records(file: Path | None, **record: Any) -> None:
    from maskinfer.benchmark.report import this_machine

    if file is not None:
        with atomic_write(file) as partial:
            partial.write_text(json.dumps({"machine": this_machine(), **record}, indent=1) + "\n", encoding="utf-8")


def _engine(options: dict[str, Any], *, lanes: int | None = 1) -> Engine:
    """Open the models that were named, on the provider that was; the default ones otherwise."""
    from maskinfer.engine.catalog.find import task_of
    from maskinfer.engine.faces.classifier import DEFAULT_CLASSIFIER
    from maskinfer.engine.faces.detector import DEFAULT_DETECTOR
    from maskinfer.engine.load import load, most_lanes

    named: dict[str, str] = {}  # by task
    for model in options["models"]:
        if named.setdefault(task_of(model), model) != model:
            raise click.UsageError(f"a job has one {task_of(model)}: name one --model of that kind")
    for what in ("providers", "threads"):
        if len(options[what]) > 1:
            raise click.UsageError(f"a job runs with one --{what.removesuffix('s') if what == 'providers' else what}")
    provider, threads = (*options["providers"], "auto")[0], (*options["threads"], None)[0]
    detector, classifier = named.get("detector", DEFAULT_DETECTOR), named.get("classifier", DEFAULT_CLASSIFIER)
    lanes = most_lanes(provider, threads) if lanes is None else lanes
    return load(detector, classifier, provider=provider, threads=threads, lanes=lanes)


def _plots(folder: Path) -> Callable[[Report], Sequence[Path]]:
    with benchmark_extra():
        from maskinfer.benchmark.plots import make_folder, write_plots
    make_folder(folder)
    return lambda report: write_plots(report, folder)


def _predict_scenes(data: Path) -> Predict:
    with benchmark_extra():
        from maskinfer.benchmark.accuracy import predict_scenes

        return predict_scenes(data)

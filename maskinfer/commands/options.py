"""Options that several commands share, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from maskinfer.commands.event_options import read_events
from maskinfer.engine.errors import MissingExtraError

if TYPE_CHECKING:
    from maskinfer.engine.engine import Engine
    from maskinfer.engine.faces.tracker import TrackOptions
    from maskinfer.engine.jobs.summary import JobSummary
    from maskinfer.engine.sinks.outputs import Outputs

_F = TypeVar("_F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
_TRAIN_PACKAGES = {"torch", "torchvision", "onnx", "onnxscript", "sklearn", "matplotlib", "yaml"}


def read_size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read ``640`` or ``640x384``."""
    if value is None:
        return None
    try:
        sides = [int(side) for side in value.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise click.BadParameter(f"{value!r} is not a size: expected 640 or 640x384 (width x height)")
    return sides[0], sides[-1]


_SECONDS = {"s": 1, "m": 60, "h": 3600}


def read_duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Read ``90``, ``90s``, ``10m`` or ``1h`` as seconds."""
    if value is None:
        return None
    try:
        seconds = float(value.rstrip("smh")) * _SECONDS.get(value[-1:], 1)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"{value!r} is no time: expected seconds, or as 90s, 10m, 1h")
    return seconds


_ENGINE_OPTIONS = (
    click.option("--provider", default="auto", show_default=True, metavar="NAME",
                 help="auto, cpu, cuda, openvino, openvino-bf16, ... A provider that is named is used, or it fails."),
    click.option("--detector", default="auto", show_default=True, metavar="NAME|FILE",
                 help="auto (retinaface-mask, in int8 on a CPU with VNNI), a name of `models list`, insightface:PACK "
                      "(non-commercial research only), or an ONNX file."),
    click.option("--detector-kind", type=click.Choice(["retinaface", "scrfd"]),
                 help="What a detector file without a contract is; insightface's own are scrfd."),
    click.option("--classifier", default="auto", show_default=True, metavar="NAME|FILE",
                 help="auto (mobilenetv2-128, in int8 on a CPU with VNNI), a name of `models list`, or an ONNX file."),
    click.option("--det-threshold", type=click.FloatRange(0, 1, min_open=True, max_open=True),
                 help="Least score of a face; by default the detector's own."),
    click.option("--det-size", callback=read_size, metavar="PIXELS",
                 help="Frames are scaled to fit into this, as 640 or 640x384; by default the detector's own."),
    click.option("--uncertain-below", type=click.FloatRange(0, 1, max_open=True), metavar="SCORE",
                 help="Faces whose label scores less get the label uncertain; by default the classifier's own."),
    click.option("--min-face-px", type=click.FloatRange(0), default=0.0, metavar="PIXELS",
                 help="So do faces whose shorter side is less; off by default."),
    click.option("--min-sharpness", type=click.FloatRange(0), default=0.0, metavar="NUMBER",
                 help="So do faces that are more blurred: 9 keeps out blots, clear ones have 13; off by default."),
    click.option("--threads", type=click.IntRange(1), help="CPU threads of the models; by default all there are."),
)  # fmt: skip


def engine_options(command: _F) -> _F:
    """Give a command the options that mean the same everywhere."""
    for option in reversed(_ENGINE_OPTIONS):
        command = option(command)
    return command


_TRACK_OPTIONS = (
    click.option("--track/--no-track", default=True, show_default=True,
                 help="Follow faces from frame to frame: a face keeps its id and its label does not flicker."),
    click.option("--classify-every", type=click.IntRange(1), default=3, show_default=True, metavar="N",
                 help="A face that is followed and certain is classified in every Nth frame."),
    click.option("--detect-every", type=click.IntRange(1), default=1, show_default=True, metavar="N",
                 help="The detector runs on every Nth frame; between them faces go on as they went."),
)  # fmt: skip


def track_options(command: _F) -> _F:
    """Give a command the options of how faces are followed."""
    for option in reversed(_TRACK_OPTIONS):
        command = option(command)
    return command


def read_track(options: dict[str, Any]) -> TrackOptions | None:
    """Return what the options of ``track_options`` ask for; None for faces on their own."""
    from maskinfer.engine.faces.tracker import TrackOptions

    if options["track"]:
        return TrackOptions(classify_every=options["classify_every"], detect_every=options["detect_every"])
    source = click.get_current_context().get_parameter_source
    for name in ("classify_every", "detect_every"):
        if source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name.replace('_', '-')} needs faces that are followed: leave out --no-track")
    return None


_OUTPUT_OPTIONS = (
    click.option("--jsonl", metavar="FILE|-",
                 help="Write a JSON object for each frame or image; - is standard output."),
    click.option("--csv", metavar="FILE|-", help="Write a row for each face."),
    click.option("--crops", type=PATH, metavar="FOLDER",
                 help="Write a picture of each face; of one that is followed the best for each label."),
    click.option("--crop-label", "crop_labels", multiple=True, metavar="LABEL",
                 help="Of faces with this label only; may be repeated."),
)  # fmt: skip


def output_options(command: _F) -> _F:
    """Give a command the options of where results go."""
    for option in reversed(_OUTPUT_OPTIONS):
        command = option(command)
    return command


def read_outputs(options: dict[str, Any]) -> Outputs:
    """Return what the options of ``output_options``, and those of ``event_options`` if there are any, ask for."""
    from maskinfer.engine.sinks.outputs import Outputs

    if options["crop_labels"] and options["crops"] is None:
        raise click.UsageError("--crop-label needs --crops")
    events = read_events(options) if "events" in options else None
    return Outputs(options["jsonl"], options["csv"], events, options["crops"], options["crop_labels"])


def show_written(options: dict[str, Any]) -> dict[str, object]:
    """Return what the options of ``output_options`` and ``event_options`` made, for the summary."""
    names = {"results": "jsonl", "table": "csv", "events": "events", "crops": "crops"}
    return {what: options.get(name) for what, name in names.items()}


MAX_ERROR_OPTION = click.option(
    "--max-error", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
    help="Faces get the label uncertain as far as it takes for at most this share of the labels given to be wrong, by "
         "what the classifier's file says of it; instead of --uncertain-below. Off by default.",
)  # fmt: skip
BLUR_OPTION = click.option(
    "--blur-faces", is_flag=True, help="Make every face that was found unknowable in what is drawn."
)


def open_engine(options: dict[str, Any], *, lanes: int | None = 1) -> Engine:
    """Open the engine that the options of ``engine_options`` ask for; ``lanes`` as for ``engine.load``."""
    from maskinfer.engine.faces.quality import Gate
    from maskinfer.engine.load import load, most_lanes

    return load(
        options["detector"],
        options["classifier"],
        provider=options["provider"],
        threads=options["threads"],
        lanes=most_lanes(options["provider"], options["threads"]) if lanes is None else lanes,
        detector_kind=options["detector_kind"],
        det_threshold=options["det_threshold"],
        det_size_wh=options["det_size"],
        uncertain_below=options["uncertain_below"],
        max_error=options.get("max_error"),
        gate=Gate(options["min_face_px"], options["min_sharpness"]),
    )


def open_job(options: dict[str, Any], *, lanes: int | None = 1) -> tuple[Engine, Outputs]:
    """Open the engine, and say where results go.

    Args:
        options: the command's.
        lanes: as for ``load``.
    """
    outputs = read_outputs(options)
    return open_engine(options, lanes=lanes), outputs


def use_model(model: str, options: dict[str, Any]) -> None:
    """Use a model as the detector or the classifier that it is, by its own word."""
    from maskinfer.engine.catalog.find import task_of

    task = task_of(model)
    source = click.get_current_context().get_parameter_source(task)
    if source is not ParameterSource.DEFAULT:
        raise click.UsageError(f"{model} is a {task}: leave out --{task}, or MODEL")
    options[task] = model


def read_shares(texts: Sequence[str]) -> dict[str, float] | None:
    """Read ``NAME=SHARE`` options; None when there are none."""
    shares: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            raise click.BadParameter(f"{text!r}: expected NAME=SHARE, as correct=0.3") from None
    return shares or None


@contextmanager
def benchmark_extra() -> Iterator[None]:
    """Turn a missing package into the error that names the extra which has it."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "").split(".")[0]
        if package == "matplotlib":
            raise MissingExtraError(package, "benchmark") from error
        if package in _TRAIN_PACKAGES:
            raise MissingExtraError(package, "train") from error
        raise


@contextmanager
def train_extra() -> Iterator[None]:
    """Turn a missing package of the ``[train]`` extra into the error that names the extra."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").split(".")[0] in _TRAIN_PACKAGES:
            raise MissingExtraError(str(error.name), "train") from error
        raise


def exit_with(summary: JobSummary) -> NoReturn:
    """Leave the command with the exit code of what the job did."""
    code = 128 + summary.signal if summary.signal else 1 if summary.problems else 0
    click.get_current_context().exit(code)

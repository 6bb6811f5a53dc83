"""Commands that run the models over images, videos and cameras.

Each parses, calls one library function, and shows what came back. Imports of anything heavy lie inside the commands,
so that ``--help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from maskinfer.commands.addresses import read_secret_addresses
from maskinfer.commands.engine_options import (
    MAX_ERROR_OPTION,
    EngineOptions,
    TrackingOptions,
    engine_options,
    tracking_options,
)
from maskinfer.commands.groups.cluster import ClusterOptions, cluster_options, public_place
from maskinfer.commands.groups.drawing import (
    BlurOptions,
    EncodingOptions,
    LookOptions,
    StillBlurOptions,
    blur_options,
    encoding_options,
    look_options,
    still_blur_options,
)
from maskinfer.commands.options import Command, Output, exit_with, read_duration, refuse
from maskinfer.commands.output_options import (
    EventOutputs,
    EventRules,
    OutputOptions,
    TableOptions,
    event_options,
    output_options,
    table_options,
)
from maskinfer.engine.errors import printable
from maskinfer.engine.files.urls import is_url, public_name

if TYPE_CHECKING:
    from maskinfer.engine.jobs.watch import SourceReport


@click.command(cls=Command, short_help="Label the faces in images.")
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option(
    "-o", "--out", type=Output("job"), metavar="FILE|FOLDER",
    help="Save annotated copies in this folder, or the copy of a single image under this name.",
)  # fmt: skip
@still_blur_options
@MAX_ERROR_OPTION
@output_options
@engine_options
def image(
    sources: tuple[str, ...],
    out: Path | None,
    blur: StillBlurOptions,
    max_error: float | None,
    results: OutputOptions,
    models: EngineOptions,
) -> None:
    """Label the faces in images: files, folders (with subfolders) and glob patterns.

    Without -o or an option that writes results, the labels are printed.

    \b
    Examples:
      maskinfer image team.jpg
      maskinfer image photos/ -o annotated/
      maskinfer image 'archive/**/*.png' --jsonl - | jq .faces
    """
    from maskinfer.console.job import show_image, show_summary
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.jobs.images import run_images
    from maskinfer.engine.sinks.outputs import Outputs

    if out is None:
        refuse(StillBlurOptions, "it is for annotated copies, which are written only with -o")
    outputs = results.read()
    is_silent = out is not None or outputs != Outputs()
    engine = models.open(max_error=max_error)
    with progress_bar("images", "images") as progress:
        summary = run_images(
            engine,
            sources,
            out=out,
            style=blur.read(Style()),
            outputs=outputs,
            on_result=None if is_silent else show_image,
            progress=progress,
        )
    show_summary(summary, "images", {"annotated": out, **results.written()})
    exit_with(summary)


def _recorded(reports: Sequence[SourceReport]) -> dict[str, object]:
    """Return what the recordings are called, which is not always as was asked."""
    files = [str(file) for report in reports for file in report.recorded]
    return {"recorded": files} if files else {}


@click.command(cls=Command, short_help="Annotate recorded videos.")
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option(
    "-o", "--out", type=Output("job", takes_urls=True), metavar="FILE|FOLDER",
    help="Annotated video (.mp4, .mov or .mkv); with --overlay .mkv, .ass or .vtt; a folder for several videos. Of one "
         "video it may be left out: then only results are written, which takes less time.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, metavar="N",
    help="Process this many of several videos at a time.",
)  # fmt: skip
@encoding_options
@click.option(
    "--overwrite", is_flag=True,
    help="In a folder, replace files that were made with other settings, or that no job made.",
)  # fmt: skip
@look_options
@blur_options
@MAX_ERROR_OPTION
@output_options
@table_options
@event_options
@tracking_options
@cluster_options
@engine_options
def video(
    sources: tuple[str, ...],
    out: Path | str | None,
    jobs: int,
    encoded: EncodingOptions,
    overwrite: bool,
    look: LookOptions,
    blur: BlurOptions,
    max_error: float | None,
    results: OutputOptions,
    tables: TableOptions,
    event_outputs: EventOutputs,
    rules: EventRules,
    tracking: TrackingOptions,
    spread: ClusterOptions,
    models: EngineOptions,
) -> None:
    """Annotate recorded videos; frames, times, size and sound stay the same.

    SRC can be files, folders and glob patterns. If there are several videos, those whose annotated copies are already
    in the output folder, made from the same content with the same settings, are skipped, and files of other settings
    are replaced only with --overwrite; --jsonl, --csv and --events then name folders.

    \b
    Examples:
      maskinfer video entrance.mp4 -o annotated.mp4
      maskinfer video entrance.mp4 -o annotated.mp4 --jsonl results.jsonl --events events.jsonl
      maskinfer video entrance.mp4 -o blurred.mp4 --blur-faces
      maskinfer video entrance.mp4 --jsonl results.jsonl
      maskinfer video entrance.mp4 -o with-boxes.mkv --overlay
      maskinfer video archive/ -o annotated/ --jsonl results/ --parquet tables/ --jobs 2
      maskinfer video s3://cameras/2026 -o s3://annotated/2026 --cluster head.local:6379
    """
    from maskinfer.console.job import show_summary
    from maskinfer.console.progress import archive_bar, progress_bar
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.jobs.archive import run_videos
    from maskinfer.engine.jobs.video import run_video
    from maskinfer.engine.sinks.outputs import Outputs

    is_one = _is_one(sources, out)
    if out is None:
        _check_without_video(is_one)
    place = "" if out is None else out
    spread.check(sources, place, is_one)
    if is_one:
        refuse(("jobs",), "there is one video; for several, name a folder for -o")
        refuse(("overwrite",), "the one video that -o names is replaced in any case")
    track, style, encoding = tracking.read(), look.read(blur.read(Style())), encoded.read()
    name = printable(Path(public_name(sources[0])).name)
    outputs = tables.read(results.read(event_outputs.read(rules, tracking)), name if is_one else None)
    if out is None and outputs == Outputs():
        raise click.UsageError(
            "nothing would be written: give -o FILE, or results by --jsonl, --csv, --parquet, --crops or --events"
        )
    settings = {"track": track, "style": style, "encoding": encoding, "outputs": outputs}
    if spread.cluster is not None:
        summary = spread.run(models, max_error, sources, place, jobs, overwrite=overwrite, **settings)
    elif is_one:
        engine = models.open(is_recording=True, max_error=max_error)
        with progress_bar(name, "frames") as progress:
            summary = run_video(
                engine, sources[0], out, track=track, style=style, encoding=encoding, outputs=outputs, progress=progress
            )
    else:
        engine = models.open(is_recording=True, max_error=max_error)
        with archive_bar() as progress:
            summary = run_videos(
                engine, sources, Path(place), jobs=jobs, track=track, style=style, encoding=encoding, outputs=outputs,
                overwrite=overwrite, progress=progress,
            )  # fmt: skip
    # After a signal the files have other names, which the problem says.
    written = {
        "annotated": None if out is None else public_place(out),
        **results.written(),
        "events": event_outputs.events,
        "tables": tables.parquet,
    }
    show_summary(summary, "frames", {} if is_one and summary.signal else written)
    exit_with(summary)


def _is_one(sources: Sequence[str], out: Path | str | None) -> bool:
    if len(sources) != 1 or isinstance(out, str) or _may_be_several(sources[0]):
        return False
    return out is None or (bool(out.suffix) and not out.is_dir())


def _check_without_video(is_one: bool) -> None:
    if not is_one:
        raise click.UsageError("of several videos -o has to name a folder; only of one it may be left out")
    for group in (BlurOptions, LookOptions, EncodingOptions):
        refuse(group, "nothing is drawn without -o FILE")


def _may_be_several(source: str) -> bool:
    path = Path(source)
    is_pattern = any(c in source for c in "*?[") and not is_url(source) and not path.exists()
    return path.is_dir() or is_pattern


@click.command(cls=Command, short_help="Watch cameras, streams or files.")
@click.option(
    "--source", "sources", required=True, multiple=True, callback=read_secret_addresses,
    metavar="[NAME=]SOURCE",
    help="Camera index, video file, URL, folder of images, or - for a video on standard input; may be repeated. "
         "door=0 calls the source door in results, events and messages. To keep a URL with a password out of the list "
         "of processes, name an environment variable or a file that holds it: env:VARIABLE or @FILE.",
)  # fmt: skip
@click.option(
    "--show/--no-show", default=True, show_default=True, help="Show each source in a window; press q to quit."
)
@click.option(
    "--record", type=Output("job"), metavar="FILE",
    help="Record an annotated video (.mp4, .mov or .mkv); several sources are recorded as NAME-1, NAME-2 ...",
)  # fmt: skip
@click.option(
    "--segment", callback=read_duration, metavar="TIME", help="Start a new recording after this time, as 90s, 10m, 1h."
)
@click.option(
    "--policy", type=click.Choice(["auto", "latest", "all"]), default="auto", show_default=True,
    help="Look at the latest frame only, or at all frames; auto is latest for live sources and all for files.",
)  # fmt: skip
@click.option(
    "--heartbeat", callback=read_duration, metavar="TIME",
    help="Say every so often, as 10m, how each source does: its state, frames per second and dropped frames.",
)  # fmt: skip
@click.option(
    "--give-up-after", callback=read_duration, metavar="TIME",
    help="Drop a live source that has been lost for this long; by default it is retried forever.",
)  # fmt: skip
@click.option(
    "--every-frame", is_flag=True,
    help="Look at every frame of a live source, too: without it, one in which nothing has changed is looked at again "
         "after 1 s only.",
)  # fmt: skip
@blur_options
@MAX_ERROR_OPTION
@output_options
@event_options
@tracking_options
@engine_options
def stream(
    sources: tuple[str, ...],
    show: bool,
    record: Path | None,
    segment: float | None,
    policy: Literal["auto", "latest", "all"],
    give_up_after: float | None,
    every_frame: bool,
    blur: BlurOptions,
    heartbeat: float | None,
    max_error: float | None,
    results: OutputOptions,
    event_outputs: EventOutputs,
    rules: EventRules,
    tracking: TrackingOptions,
    models: EngineOptions,
) -> None:
    """Watch cameras, streams or files until they end, you press q in a window, or you press Ctrl-C.

    A live source that is lost is retried, and the other sources go on.

    \b
    Examples:
      maskinfer stream --source 0
      CAMERA=rtsp://guard:... maskinfer stream --source env:CAMERA --no-show
      maskinfer stream --source rtsp://camera.local/door --no-show --events door.jsonl --webhook http://desk.local/masks
      maskinfer stream --source rtsp://a/1 --source rtsp://b/1 --no-show --record watch.mp4 --segment 10m
    """
    from maskinfer.console.job import show_summary
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.frames.stillness import LOOK_AFTER_S
    from maskinfer.engine.jobs.watch import Sinks, run_watch
    from maskinfer.engine.sources.camera import is_live
    from maskinfer.engine.sources.live import FeedOptions
    from maskinfer.engine.sources.names import names_of

    if record is None:
        refuse(("segment",), "nothing is recorded without --record FILE")
    if record is None and not show:
        refuse(BlurOptions, "nothing is drawn with --no-show and without --record FILE")
    is_recording = not any(is_live(address) for _, address in names_of(sources))
    if is_recording:
        refuse(("give_up_after", "every_frame"), "none of the sources is live")
    if not tracking.track:
        refuse(("every_frame",), "with --no-track every frame is looked at")
    track = tracking.read()
    outputs = results.read(event_outputs.read(rules, tracking))
    engine = models.open(is_recording=is_recording, max_error=max_error)
    with progress_bar("stream", "frames") as progress:
        summary, reports = run_watch(
            engine,
            sources,
            reading=FeedOptions(policy, give_up_after),
            heartbeat_s=heartbeat,
            track=track if track is None or every_frame else replace(track, still_s=LOOK_AFTER_S),
            style=blur.read(Style()),
            sinks=Sinks(show, record, segment, outputs),
            progress=progress,
        )
    for report in reports:
        click.echo(printable(str(report)), err=True)
    show_summary(summary, "frames", {**_recorded(reports), **results.written(), "events": event_outputs.events})
    exit_with(summary)

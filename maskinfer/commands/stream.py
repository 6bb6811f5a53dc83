"""The command that watches cameras. It parses, calls one library function, and shows what came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from maskinfer.commands.addresses import read_secret_addresses
from maskinfer.commands.groups.drawing import BlurOptions, blur_options
from maskinfer.commands.groups.models import (
    MAX_ERROR_OPTION,
    EngineOptions,
    TrackingOptions,
    engine_options,
    tracking_options,
)
from maskinfer.commands.groups.outputs import EventOutputs, EventRules, OutputOptions, event_options, output_options
from maskinfer.commands.options import Command, Output, exit_with, read_duration, refuse
from maskinfer.engine.errors import printable

if TYPE_CHECKING:
    from maskinfer.engine.jobs.watch import SourceReport


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
    style = blur.read(Style())
    track = tracking.read(every_frame=style.blur_faces)
    outputs = results.read(event_outputs.read(rules, tracking))
    engine = models.open(is_recording=is_recording, max_error=max_error)
    with progress_bar("stream", "frames") as progress:
        summary, reports = run_watch(
            engine,
            sources,
            reading=FeedOptions(policy, give_up_after),
            heartbeat_s=heartbeat,
            track=track if track is None or every_frame else replace(track, still_s=LOOK_AFTER_S),
            style=style,
            sinks=Sinks(show, record, segment, outputs),
            progress=progress,
        )
    for report in reports:
        click.echo(printable(str(report)), err=True)
    show_summary(summary, "frames", {**_recorded(reports), **results.written(), "events": event_outputs.events})
    exit_with(summary)


def _recorded(reports: Sequence[SourceReport]) -> dict[str, object]:
    """Return what the recordings are called, which is not always as was asked."""
    files = [str(file) for report in reports for file in report.recorded]
    return {"recorded": files} if files else {}

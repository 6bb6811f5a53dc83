"""Commands that run the models over images, videos and cameras, and the one that checks the machine.

Each parses, calls one library function, and shows what came back. Imports of anything heavy lie inside the commands,
so that ``--help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskinfer.commands.addresses import read_secret_addresses
from maskinfer.commands.event_options import event_options, event_rules, read_event_rules
from maskinfer.commands.options import (
    BLUR_OPTION,
    MAX_ERROR_OPTION,
    PATH,
    engine_options,
    exit_with,
    open_job,
    output_options,
    read_duration,
    read_track,
    show_written,
    track_options,
)
from maskinfer.engine.errors import printable
from maskinfer.engine.files.urls import public_name


@click.command(short_help="Label the faces of images.")
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option("-o", "--out-dir", type=PATH, help="Folder for annotated copies.")
@output_options
@BLUR_OPTION
@MAX_ERROR_OPTION
@engine_options
def image(sources: tuple[str, ...], out_dir: Path | None, blur_faces: bool, **options: Any) -> None:
    """Label the faces of images: files, folders (with sub-folders) and glob patterns.

    \b
    Examples:
      maskinfer image team.jpg
      maskinfer image photos/ -o annotated/
      maskinfer image 'archive/**/*.png' --jsonl - | jq .faces
    """
    from maskinfer.console.evaluation import in_order
    from maskinfer.console.job import show_summary
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.jobs.images import run_images
    from maskinfer.engine.results import FrameResult
    from maskinfer.engine.sinks.outputs import Outputs

    engine, outputs = open_job(options)
    is_silent = out_dir is not None or outputs != Outputs()

    def show(result: FrameResult) -> None:
        counts = ", ".join(f"{k} {n}" for k, n in in_order(result.counts())) or "no faces"
        click.echo(printable(f"{result.source}: {counts}"))

    with progress_bar("images", "images") as progress:
        summary = run_images(
            engine,
            sources,
            out_dir=out_dir,
            style=Style(blur_faces=blur_faces),
            outputs=outputs,
            on_result=None if is_silent else show,
            progress=progress,
        )
    show_summary(summary, "images", {"annotated": out_dir, **show_written(options)})
    exit_with(summary)


@click.command(short_help="Turn recorded videos into annotated ones.")
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option(
    "-o", "--out", type=PATH, required=True, metavar="FILE|FOLDER",
    help="Annotated video: .mp4, .mov or .mkv; a folder for several.",
)  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="So many of several at a time.")
@output_options
@BLUR_OPTION
@event_options
@track_options
@MAX_ERROR_OPTION
@engine_options
def video(sources: tuple[str, ...], out: Path, jobs: int, blur_faces: bool, **options: Any) -> None:
    """Turn recorded videos into annotated ones: same frames, times, size and sound.

    Of several (files, folders, glob patterns) those that are in the output folder already, from the same content with
    the same settings, are left out; --jsonl, --csv and --events name folders then.

    \b
    Examples:
      maskinfer video entrance.mp4 -o annotated.mp4
      maskinfer video entrance.mp4 -o annotated.mp4 --jsonl results.jsonl --events events.jsonl
      maskinfer video entrance.mp4 -o blurred.mp4 --blur-faces
      maskinfer video archive/ -o annotated/ --jsonl results/ --jobs 2
    """
    from maskinfer.console.job import show_summary
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.jobs.archive import run_videos
    from maskinfer.engine.jobs.video import run_video

    is_one = len(sources) == 1 and bool(out.suffix) and not (Path(sources[0]).is_dir() or out.is_dir())
    if is_one and jobs > 1:
        raise click.UsageError("--jobs is for several videos: name a folder for -o")
    track = read_track(options)
    engine, outputs = open_job(options, lanes=None)
    shared: dict[str, Any] = {"track": track, "style": Style(blur_faces=blur_faces), "outputs": outputs}
    if is_one:
        with progress_bar(printable(Path(public_name(sources[0])).name), "frames") as progress:
            summary = run_video(engine, sources[0], out, progress=progress, **shared)
    else:
        with progress_bar("videos", "videos") as progress:
            summary = run_videos(engine, sources, out, jobs=jobs, progress=progress, **shared)
    show_summary(summary, "frames", {"annotated": out, **show_written(options)})
    exit_with(summary)


@click.command(short_help="Draw a video again from its results.")
@click.argument("source", metavar="SRC")
@click.argument("results", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="Annotated video: .mp4, .mov or .mkv.")
@click.option("--boxes/--no-boxes", default=True, show_default=True, help="Draw boxes, labels and counts.")
@click.option("--captions/--no-captions", default=True, show_default=True, help="Labels with the boxes.")
@click.option("--counts/--no-counts", default=True, show_default=True, help="And how many there are of each.")
@BLUR_OPTION
@click.option(
    "--only-events", callback=read_duration, metavar="TIME",
    help="Keep only what is so near to an event, as 2s, one scene after the other, without sound.",
)  # fmt: skip
@event_rules
def render(source: str, results: Path, out: Path, only_events: float | None, **options: Any) -> None:
    """Draw a video again from the results that `video --jsonl` wrote of it; no model runs.

    \b
    Examples:
      maskinfer render entrance.mp4 results.jsonl -o blurred.mp4 --blur-faces
      maskinfer render entrance.mp4 results.jsonl -o anonymous.mp4 --blur-faces --no-boxes
      maskinfer render entrance.mp4 results.jsonl -o what-happened.mp4 --only-events 2s
    """
    from maskinfer.console.job import show_summary
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.jobs.render import run_render

    with progress_bar(printable(Path(public_name(source)).name), "frames") as progress:
        summary = run_render(
            source,
            results,
            out,
            style=Style(**{name: options[name] for name in ("boxes", "blur_faces", "captions", "counts")}),
            around_events_s=only_events,
            events=read_event_rules(options),
            progress=progress,
        )
    show_summary(summary, "frames", {"annotated": out})
    exit_with(summary)


@click.command(short_help="Watch cameras, URLs or files.")
@click.option(
    "--source", "sources", required=True, multiple=True, callback=read_secret_addresses,
    metavar="INDEX|FILE|URL|FOLDER|-|env:NAME|@FILE",
    help="Camera's index, video file, URL, folder of images, or - for a video on standard input; may be repeated. "
         "env:NAME and @FILE name an environment variable and a file that hold a URL with a password.",
)  # fmt: skip
@click.option("--show/--no-show", default=True, show_default=True, help="In windows; q closes them.")
@click.option("--record", type=PATH, help="Annotated video: .mp4, .mov or .mkv; of several sources NAME-1, NAME-2 ...")
@click.option("--segment", callback=read_duration, metavar="TIME", help="Split recordings, as 90s, 10m, 1h.")
@click.option(
    "--policy", type=click.Choice(["auto", "latest", "all"]), default="auto", show_default=True,
    help="Keep only the newest frame, or all; auto is latest for what is live.",
)  # fmt: skip
@click.option(
    "--give-up-after", callback=read_duration, metavar="TIME", help="End a live source that is lost for longer; never."
)
@output_options
@BLUR_OPTION
@event_options
@track_options
@MAX_ERROR_OPTION
@engine_options
def stream(sources: tuple[str, ...], **options: Any) -> None:
    """Watch cameras, URLs or files until they end, q is pressed in a window, or Ctrl-C.

    A live source that is lost is tried again for ever, the others are not held up.

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
    from maskinfer.engine.jobs.watch import Sinks, run_watch
    from maskinfer.engine.sources.live import FeedOptions

    track = read_track(options)
    engine, outputs = open_job(options)
    sinks = Sinks(options["show"], options["record"], options["segment"], outputs)
    with progress_bar("stream", "frames") as progress:
        summary, reports = run_watch(
            engine,
            sources,
            reading=FeedOptions(options["policy"], options["give_up_after"]),
            track=track,
            style=Style(blur_faces=options["blur_faces"]),
            sinks=sinks,
            progress=progress,
        )
    for report in reports:
        click.echo(printable(str(report)), err=True)
    show_summary(summary, "frames", {"recorded": sinks.record, **show_written(options)})
    exit_with(summary)


@click.command(short_help="Check this machine and this installation.")
def doctor() -> None:
    """Check this machine and this installation, a line for each thing; non-zero when the default job would fail."""
    from maskinfer.engine.jobs.doctor import diagnose

    broken = False
    for check in diagnose():
        click.echo(f"{check.status:6s}  {check.name}: {check.detail}")
        broken = broken or check.status == "broken"
    click.get_current_context().exit(1 if broken else 0)

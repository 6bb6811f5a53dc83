"""The command line: each command parses, calls one library function, and shows what came back.

Imports of anything heavy lie inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskinfer import __version__
from maskinfer.cli_export import adopt, card, quantize, verify
from maskinfer.cli_models import models
from maskinfer.cli_options import (
    BLUR_OPTION,
    JSONL_OPTION,
    PATH,
    Commands,
    end,
    engine_options,
    event_options,
    open_engine,
    read_duration,
    read_events,
    read_track,
    track_options,
)
from maskinfer.cli_training import data, evaluate, export, train


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="maskinfer")
def main() -> None:
    """Tell, for every face, whether it wears a mask.

    \b
    Examples:
      maskinfer video entrance.mp4 -o annotated.mp4
      maskinfer image photos/ -o annotated/ --jsonl results.jsonl
      maskinfer stream --source 0
      maskinfer doctor
    """


@main.command(short_help="Label the faces of images.")
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option("-o", "--out-dir", type=PATH, help="Folder for annotated copies.")
@JSONL_OPTION
@BLUR_OPTION
@engine_options
def image(sources: tuple[str, ...], out_dir: Path | None, jsonl: str | None, blur_faces: bool, **options: Any) -> None:
    """Label the faces of images: files, folders (with sub-folders) and glob patterns.

    \b
    Examples:
      maskinfer image team.jpg
      maskinfer image photos/ -o annotated/
      maskinfer image 'archive/**/*.png' --jsonl - | jq .faces
    """
    from maskinfer.console import in_order, progress_bar, show_summary
    from maskinfer.engine.jobs import run_images
    from maskinfer.engine.results import FrameResult
    from maskinfer.engine.style import Style

    def on_result(result: FrameResult) -> None:
        bar.advance()
        if out_dir is None and jsonl is None:
            click.echo(
                f"{result.source}: " + (", ".join(f"{k} {n}" for k, n in in_order(result.counts())) or "no faces")
            )

    with progress_bar("images", "images") as bar:
        summary = run_images(
            open_engine(options),
            sources,
            out_dir=out_dir,
            style=Style(blur_faces=blur_faces),
            jsonl=jsonl,
            on_result=on_result,
            on_total=bar.set_total,
        )
    show_summary(summary, "images", {"annotated": out_dir, "results": jsonl})
    end(summary)


@main.command(short_help="Turn a recorded video into an annotated one.")
@click.argument("source", metavar="SRC")
@click.option("-o", "--out", type=PATH, required=True, help="Annotated video: .mp4, .mov or .mkv.")
@JSONL_OPTION
@BLUR_OPTION
@event_options
@track_options
@engine_options
def video(source: str, out: Path, jsonl: str | None, blur_faces: bool, **options: Any) -> None:
    """Turn a recorded video into an annotated one: same frames, times, size and sound.

    \b
    Examples:
      maskinfer video entrance.mp4 -o annotated.mp4
      maskinfer video entrance.mp4 -o annotated.mp4 --jsonl results.jsonl --events events.jsonl
      maskinfer video entrance.mp4 -o blurred.mp4 --blur-faces
    """
    from maskinfer.console import progress_bar, show_summary
    from maskinfer.engine.jobs import run_video
    from maskinfer.engine.style import Style

    with progress_bar(Path(source).name, "frames") as bar:
        summary = run_video(
            open_engine(options),
            source,
            out,
            track=read_track(options),
            style=Style(blur_faces=blur_faces),
            events=read_events(options),
            jsonl=jsonl,
            on_result=bar.advance,
            on_total=bar.set_total,
        )
    show_summary(summary, "frames", {"annotated": out, "results": jsonl, "events": options["events"]})
    end(summary)


@main.command(short_help="Draw a video again from its results.")
@click.argument("source", metavar="SRC")
@click.argument("results", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="Annotated video: .mp4, .mov or .mkv.")
@click.option("--boxes/--no-boxes", default=True, show_default=True, help="Draw boxes, labels and counts.")
@BLUR_OPTION
def render(source: str, results: Path, out: Path, boxes: bool, blur_faces: bool) -> None:
    """Draw a video again from the results that `video --jsonl` wrote of it; no model runs.

    \b
    Examples:
      maskinfer render entrance.mp4 results.jsonl -o blurred.mp4 --blur-faces
      maskinfer render entrance.mp4 results.jsonl -o anonymous.mp4 --blur-faces --no-boxes
    """
    from maskinfer.console import progress_bar, show_summary
    from maskinfer.engine.render import run_render
    from maskinfer.engine.style import Style

    with progress_bar(Path(source).name, "frames") as bar:
        summary = run_render(
            source, results, out, style=Style(boxes, blur_faces), on_result=bar.advance, on_total=bar.set_total
        )
    show_summary(summary, "frames", {"annotated": out})
    end(summary)


@main.command(short_help="Watch cameras, URLs or files.")
@click.option(
    "--source", "sources", required=True, multiple=True, metavar="INDEX|FILE|URL",
    help="A camera's index, a video file, or a URL; may be repeated.",
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
@JSONL_OPTION
@BLUR_OPTION
@event_options
@track_options
@engine_options
def stream(sources: tuple[str, ...], **options: Any) -> None:
    """Watch cameras, URLs or files until they end, q is pressed in a window, or Ctrl-C.

    A live source that is lost is tried again for ever, the others are not held up.

    \b
    Examples:
      maskinfer stream --source 0
      maskinfer stream --source rtsp://camera.local/door --no-show --events door.jsonl --webhook http://desk.local/masks
      maskinfer stream --source rtsp://a/1 --source rtsp://b/1 --no-show --record watch.mp4 --segment 10m
    """
    from maskinfer.console import progress_bar, show_summary
    from maskinfer.engine.feeds import FeedOptions
    from maskinfer.engine.style import Style
    from maskinfer.engine.watch import Sinks, run_watch

    sinks = Sinks(options["show"], options["record"], options["segment"], options["jsonl"], read_events(options))
    with progress_bar("stream", "frames") as bar:
        summary, reports = run_watch(
            open_engine(options),
            sources,
            reading=FeedOptions(options["policy"], options["give_up_after"]),
            track=read_track(options),
            style=Style(blur_faces=options["blur_faces"]),
            sinks=sinks,
            on_result=bar.advance,
            tell=lambda line: click.echo(line, err=True),
        )
    for report in reports:
        click.echo(report, err=True)
    show_summary(summary, "frames", {"recorded": sinks.record, "results": sinks.jsonl, "events": options["events"]})
    end(summary)


@main.command(short_help="Check this machine and this installation.")
def doctor() -> None:
    """Check this machine and this installation, a line for each thing; non-zero when the default job would fail."""
    from maskinfer.engine.doctor import diagnose

    broken = False
    for check in diagnose():
        click.echo(f"{check.status:6s}  {check.name}: {check.detail}")
        broken = broken or check.status == "broken"
    click.get_current_context().exit(1 if broken else 0)


for _command in (train, export, adopt, quantize, verify, evaluate, card, models, data):
    main.add_command(_command)

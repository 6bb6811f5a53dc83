"""The command that redraws a video."""

from __future__ import annotations

from pathlib import Path

import click

from maskinfer.commands.options import PATH, Command, Output, exit_with, read_duration, refuse
from maskinfer.commands.output_options import BlurOptions, EventRules, blur_options, event_rules
from maskinfer.engine.errors import printable
from maskinfer.engine.files.urls import public_name


@click.command(cls=Command, short_help="Redraw a video from its results.")
@click.argument("source", metavar="SRC")
@click.argument("results", type=PATH)
@click.option(
    "-o", "--out", type=Output("job"), required=True, metavar="FILE", help="Annotated video (.mp4, .mov or .mkv)."
)
@click.option("--boxes/--no-boxes", default=True, show_default=True, help="Draw boxes, with captions and counts.")
@click.option("--captions/--no-captions", default=True, show_default=True, help="Write the label on each box.")
@click.option("--counts/--no-counts", default=True, show_default=True, help="Write how many faces have each label.")
@blur_options
@click.option(
    "--only-events", callback=read_duration, metavar="TIME",
    help="Keep only the scenes within this time of an event, as 2s, one after the other and without sound.",
)  # fmt: skip
@event_rules
def render(
    source: str,
    results: Path,
    out: Path,
    boxes: bool,
    captions: bool,
    counts: bool,
    blur: BlurOptions,
    only_events: float | None,
    rules: EventRules,
) -> None:
    """Redraw a video from the results that `video --jsonl` wrote for it, without running a model.

    \b
    Examples:
      maskinfer render entrance.mp4 results.jsonl -o blurred.mp4 --blur-faces
      maskinfer render entrance.mp4 results.jsonl -o anonymous.mp4 --blur-faces --no-boxes
      maskinfer render entrance.mp4 results.jsonl -o what-happened.mp4 --only-events 2s
    """
    from maskinfer.console.job import show_summary
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.jobs.render import run_render

    if only_events is None:
        refuse(EventRules, "events matter only with --only-events")
    if not boxes:
        refuse(("captions", "counts"), "they are drawn with the boxes, which --no-boxes leaves out")
    with progress_bar(printable(Path(public_name(source)).name), "frames") as progress:
        summary = run_render(
            source,
            results,
            out,
            style=blur.read(boxes=boxes, captions=captions, counts=counts),
            around_events_s=only_events,
            events=rules.read(),
            progress=progress,
        )
    show_summary(summary, "frames", {} if summary.signal else {"annotated": out})
    exit_with(summary)

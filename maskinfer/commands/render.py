"""The command that redraws videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskinfer.commands.groups.drawing import (
    BlurOptions,
    EncodingOptions,
    LookOptions,
    blur_options,
    encoding_options,
    look_options,
)
from maskinfer.commands.groups.models import DECODER_OPTION
from maskinfer.commands.groups.outputs import EventRules, event_rules
from maskinfer.commands.options import PATH, Command, Output, exit_with, is_given, read_duration, refuse
from maskinfer.engine.errors import RequestError, printable
from maskinfer.engine.files.urls import public_name

if TYPE_CHECKING:
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.frames.logo import Logo
    from maskinfer.engine.jobs.scenes import Kept
    from maskinfer.engine.sinks.copies.encoding import Encoding


@click.command(cls=Command, short_help="Redraw videos from their results.")
@click.argument("source", metavar="SRC")
@click.argument("results", type=PATH)
@click.option(
    "-o", "--out", type=Output("job"), required=True, metavar="FILE|FOLDER",
    help="Annotated video (.mp4, .mov or .mkv); with --overlay .mkv, .ass or .vtt; a folder for those of a folder.",
)  # fmt: skip
@click.option("--boxes/--no-boxes", default=True, show_default=True, help="Draw boxes, with captions and counts.")
@click.option("--captions/--no-captions", default=True, show_default=True, help="Write the label on each box.")
@click.option("--counts/--no-counts", default=True, show_default=True, help="Write how many faces have each label.")
@click.option(
    "--like", type=PATH, metavar="FOLDER",
    help="Take the options that are not given here from the job that wrote this folder.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, metavar="N",
    help="Process this many of several videos at a time.",
)  # fmt: skip
@click.option(
    "--overwrite", is_flag=True,
    help="In a folder, replace files that were made with other settings, or that no job made.",
)  # fmt: skip
@encoding_options
@DECODER_OPTION
@look_options
@blur_options
@click.option(
    "--only", multiple=True, metavar="LABEL",
    help="Keep only the time in which somebody has this label, one scene after the other and without sound; may be "
         "repeated. With --only-events, keep only events that tell of it.",
)  # fmt: skip
@click.option(
    "--before", callback=read_duration, default="2s", show_default=True, metavar="TIME",
    help="Begin this long before the time of --only.",
)  # fmt: skip
@click.option(
    "--after", callback=read_duration, default="2s", show_default=True, metavar="TIME",
    help="Go on for this long after the time of --only.",
)  # fmt: skip
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
    like: Path | None,
    jobs: int,
    overwrite: bool,
    encoded: EncodingOptions,
    decoder: str,
    look: LookOptions,
    blur: BlurOptions,
    only: tuple[str, ...],
    before: float,
    after: float,
    only_events: float | None,
    rules: EventRules,
) -> None:
    """Redraw videos from the results that `video --jsonl` wrote for them, without running a model.

    SRC is a video and RESULTS its results; or both are folders, and so is -o. Videos that are done are then skipped,
    as by `video`.

    \b
    Examples:
      maskinfer render entrance.mp4 results.jsonl -o blurred.mp4 --blur-faces
      maskinfer render entrance.mp4 results.jsonl -o anonymous.mp4 --blur-faces --no-boxes
      maskinfer render entrance.mp4 results.jsonl -o cuts.mp4 --only without_mask --before 3s
      maskinfer render entrance.mp4 results.jsonl -o what-happened.mp4 --only-events 2s
      maskinfer render archive/ results/ -o masked-shown/ --like annotated/ --blur-except with_mask
    """
    from maskinfer.console.job import show_summary
    from maskinfer.console.progress import archive_bar, progress_bar
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.jobs.render import run_render, run_renders
    from maskinfer.engine.sinks.copies.encoding import Encoding

    is_many = results.is_dir()
    if not is_many:
        refuse(("jobs", "overwrite"), "there is one video; for several, name folders")
    style, encoding = (Style(), Encoding()) if like is None else _like(like)
    style = replace(
        style,
        boxes=boxes if is_given("boxes") else style.boxes,
        captions=captions if is_given("captions") else style.captions,
        counts=counts if is_given("counts") else style.counts,
    )
    if not style.boxes:
        refuse(("captions", "counts"), "they are drawn with the boxes, which --no-boxes leaves out")
    settings: Mapping[str, Any] = {
        "style": look.read(blur.read(style)),
        "encoding": encoded.read(encoding),
        "kept": _kept(only, before, after, only_events, rules),
        "decoder": decoder,
    }
    if is_many:
        with archive_bar() as progress:
            summary = run_renders([source], results, out, jobs=jobs, overwrite=overwrite, progress=progress, **settings)
    else:
        with progress_bar(printable(Path(public_name(source)).name), "frames") as progress:
            summary = run_render(source, results, out, progress=progress, **settings)
    show_summary(summary, "frames", {} if summary.signal and not is_many else {"annotated": out})
    exit_with(summary)


def _kept(
    only: tuple[str, ...], before: float, after: float, only_events: float | None, rules: EventRules
) -> Kept | None:
    from maskinfer.engine.jobs.scenes import Kept

    if only_events is None and not only:
        refuse(EventRules, "events matter only with --only and --only-events")
        refuse(("before", "after"), "there is no --only")
        return None
    if only_events is not None:
        refuse(("before", "after"), "--only-events has a time of its own")
    return Kept(only_events, only, before, after, rules.read())


def _like(folder: Path) -> tuple[Style, Encoding]:
    """Return the style and the encoding of the job that wrote a folder."""
    from maskinfer.engine.frames.annotate import Style
    from maskinfer.engine.jobs.journal import last_settings
    from maskinfer.engine.schema import from_plain
    from maskinfer.engine.sinks.copies.encoding import Encoding

    values = last_settings(folder)

    def part(name: str) -> dict[str, Any]:
        return {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}

    style = part("style")
    logo = style.pop("logo", None)
    drawn = from_plain(style, Style, closed=False)
    if logo is not None and not is_given("logo"):
        drawn = replace(drawn, logo=_same_logo(logo))
    return drawn, from_plain(part("encoding"), Encoding, closed=False)


def _same_logo(noted: Mapping[str, Any]) -> Logo:
    """Return the logo of an earlier job.

    Raises:
        RequestError: its file is gone, or another one.
    """
    from maskinfer.engine.frames.logo import read_logo

    file = Path(str(noted["file"]))
    logo = read_logo(file, str(noted["corner"]), float(noted["width"])) if file.is_file() else None
    if logo is None or logo.digest != noted["data"]:
        raise RequestError(f"the logo of that job, {file}, is not there as it was: name one with --logo")
    return logo

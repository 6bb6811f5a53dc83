"""Commands that run the models over images and videos.

Each parses, calls one library function, and shows what came back. Imports of anything heavy lie inside the commands,
so that ``--help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

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
from maskinfer.commands.groups.models import (
    DECODER_OPTION,
    MAX_ERROR_OPTION,
    EngineOptions,
    TrackingOptions,
    engine_options,
    tracking_options,
)
from maskinfer.commands.groups.outputs import (
    EventOutputs,
    EventRules,
    OutputOptions,
    TableOptions,
    event_options,
    output_options,
    table_options,
)
from maskinfer.commands.options import Command, Output, exit_with, refuse
from maskinfer.engine.errors import printable
from maskinfer.engine.files.urls import is_url, public_name

if TYPE_CHECKING:
    pass


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
@DECODER_OPTION
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
    decoder: str,
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
    style, encoding = look.read(blur.read(Style())), encoded.read()
    track = tracking.read(every_frame=style.blur_faces)
    name = printable(Path(public_name(sources[0])).name)
    outputs = tables.read(results.read(event_outputs.read(rules, tracking)), name if is_one else None)
    if out is None and outputs == Outputs():
        raise click.UsageError(
            "nothing would be written: give -o FILE, or results by --jsonl, --csv, --parquet, --crops or --events"
        )
    settings = {"track": track, "style": style, "encoding": encoding, "outputs": outputs}
    if spread.cluster is not None:
        summary = spread.run(models, max_error, sources, place, jobs, decoder, overwrite=overwrite, **settings)
    elif is_one:
        engine = models.open(is_recording=True, max_error=max_error, decoder=decoder)
        with progress_bar(name, "frames") as progress:
            summary = run_video(
                engine, sources[0], out, track=track, style=style, encoding=encoding, outputs=outputs, progress=progress
            )
    else:
        engine = models.open(is_recording=True, max_error=max_error, decoder=decoder)
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

"""Whole jobs: images, a video. Each reports what was done, also when it ends early.

Many videos are in ``archive``, cameras in ``watch``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import SourceError, nothing_begun
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.files.atomic import check_writable, partial_name
from maskinfer.engine.files.places import STDOUT
from maskinfer.engine.flow.overlap import prefetch
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.flow.signals import stop_on_signal
from maskinfer.engine.flow.stages import stage, staged
from maskinfer.engine.frames.annotate import PLAIN, Style
from maskinfer.engine.frames.cover import covered
from maskinfer.engine.jobs.recovery import recover_videos
from maskinfer.engine.jobs.summary import JobSummary, OnResult
from maskinfer.engine.sinks.copies.annotated import open_copy
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING, Encoding
from maskinfer.engine.sinks.outputs import Outputs, check_style_labels, open_outputs, refuse_clear_crops
from maskinfer.engine.sources.video import open_video

T = TypeVar("T")
# What waits between two stages: enough to ride out an uneven one; a frame has 3 MB at 1080p.
QUEUE_FRAMES = 4
QUEUE_BATCHES = 6


def run_video(
    engine: Engine,
    source: str | Path,
    out: str | Path | None = None,
    *,
    track: TrackOptions | None = None,
    style: Style = PLAIN,
    encoding: Encoding = PLAIN_ENCODING,
    outputs: Outputs | None = None,
    on_result: OnResult | None = None,
    progress: Progress = SILENT,
    stopped: Callable[[], int] | None = None,
    name: str | None = None,
    or_as_it_is: bool = False,
) -> JobSummary:
    """Label the faces of a recorded video, and write an annotated one; reading, inference and writing overlap.

    Args:
        engine: finds and labels the faces.
        source: the video.
        out: .mp4, .mov or .mkv, or as ``encoding`` says; it appears when it is complete. None for no video.
        track: how to track faces; None to treat each frame on its own.
        style: how to annotate frames.
        encoding: how the annotated video is made.
        outputs: where else to write results.
        on_result: called with the result of each frame.
        progress: receives the number of frames, if the source declares it, and how many are done.
        stopped: called between frames; returns the number of a signal that ends the job, or 0. By default Ctrl-C and
            SIGTERM end it.
        name: what the source is called in results and messages, where ``source`` is a copy of it; None for its own.
        or_as_it_is: an overlay of what no .mkv can hold lies beside the file as it is, under ``out``'s name with the
            source's suffix; otherwise that is an error.

    Returns:
        The summary. If the source ends early or is damaged, that is among its problems, and what could be read is
        written. After a signal, what was written is named ``NAME.partial.mp4`` and so on.

    Raises:
        SourceError: the source cannot be opened.
        RequestError: the output is the input, or has an unknown format.
        OutputError: an output cannot be written.
    """
    outputs = outputs or Outputs()
    refuse_clear_crops(outputs, style)
    check_style_labels(style, engine.classifier.contract.labels)
    check_video_outputs(source, out, outputs, style, encoding)
    summary = JobSummary()
    with ExitStack() as stack:
        if stopped is None:
            stopped = stack.enter_context(stop_on_signal())
        threads = engine.threads_of_codecs()
        opened_video = open_video(str(source), threads=threads, name=name, decoder=engine.decoder)
        video = stack.enter_context(opened_video)

        def is_partial() -> bool:
            return bool(summary.signal)

        copy = None
        with nothing_begun():
            if out is not None:
                recover_videos([Path(out)], progress.say)
                plain = encoding.as_it_is(Path(out), Path(source)) if or_as_it_is else None
                opened_copy = open_copy(
                    Path(out), video.info, str(source), style, encoding,
                    threads=threads, or_as_it_is=plain, is_partial=is_partial,
                )  # fmt: skip
                copy = stack.enter_context(opened_copy)
            opened = open_outputs(
                outputs, summary.problems.append, classifier=engine.classifier, inputs=[source], is_partial=is_partial
            )
            add = stack.enter_context(opened)
        progress.set_total(video.info.frame_count)
        frames = stack.enter_context(prefetch(staged(video, "decode"), QUEUE_FRAMES, "reader"))
        labelled = stack.enter_context(prefetch(engine.follow(frames, track), QUEUE_BATCHES, "engine"))
        try:
            pairs = _until(stopped, labelled, summary)
            hides = style.blur_faces and copy is not None
            shown = (
                covered(pairs, itemgetter(1), style.blur_hold_s, style.hides)
                if hides
                else ((pair, None) for pair in pairs)
            )
            for (frame, result), hidden in shown:
                with stage("results"):
                    add(frame.picture, result)
                if copy is not None:
                    copy.add(frame, result, hidden)
                summary.add(result)
                progress.advance()
                if on_result is not None:
                    on_result(result)
        except SourceError as error:
            if not summary.frames:
                raise
            summary.problems.append(str(error))
    if copy is not None:
        summary.problems += copy.problems
    if summary.signal:
        drawn = [] if out is None else [Path(out), *encoding.sidecars(Path(out))]
        summary.problems.append(partial_line(summary, video.info.frame_count, drawn, outputs))
    return summary


def check_video_outputs(
    source: str | Path,
    out: str | Path | None,
    outputs: Outputs,
    style: Style = PLAIN,
    encoding: Encoding = PLAIN_ENCODING,
) -> None:
    """Check, before anything is begun, that a video can be written, and that nothing is written over what is read.

    Raises:
        RequestError: an output is an input or another output, or the video has an unknown format.
        OutputError: the video cannot be written there.
    """
    drawn = [] if out is None else [Path(out), *encoding.sidecars(Path(out))]
    outputs.check([source], drawn, stoppable=True)
    if out is not None:
        encoding.check(Path(out), style)
    for file in drawn:
        check_writable(file)


def _until(stopped: Callable[[], int], batches: Iterable[Sequence[T]], summary: JobSummary) -> Iterator[T]:
    for batch in batches:
        yield from batch
        if stopped():
            summary.signal = stopped()
            return


def partial_line(summary: JobSummary, total: int | None, drawn: Sequence[Path], outputs: Outputs | None) -> str:
    """Return what is to be said of a job that a signal ended: how far it came, and where that is."""
    files = [*map(str, drawn), *(outputs or Outputs()).files()]
    names = [partial_name(Path(file)) for file in files if file != STDOUT]
    of = f" of {total}" if total else ""
    where = f", which are in {', '.join(str(name) for name in names)}" if names else ""
    return f"stopped after {summary.frames}{of} frames{where}"

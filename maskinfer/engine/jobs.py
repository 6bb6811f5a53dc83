"""Whole jobs: images, a video. Each reports what was done, also when it ends early.

Many videos are in ``archive``, cameras in ``watch``.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import OutputError, RequestError, SourceError
from maskinfer.engine.images import SourceFile, list_images, read_image, write_image
from maskinfer.engine.interrupt import stop_wish
from maskinfer.engine.outputs import Outputs, open_outputs
from maskinfer.engine.picture import Picture
from maskinfer.engine.prefetch import prefetch
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sources import SourceFrame, from_video
from maskinfer.engine.stages import stage, staged
from maskinfer.engine.style import PLAIN, Style, annotate
from maskinfer.engine.tracker import TrackOptions
from maskinfer.engine.video_reader import VideoFrame, open_video
from maskinfer.engine.video_writer import open_writer

# What waits between two stages: enough to ride out an uneven one; a frame has 3 MB at 1080p.
QUEUE_FRAMES = 4
QUEUE_BATCHES = 2

OnResult = Callable[[FrameResult], None]
Labelled = tuple[VideoFrame, FrameResult]


def _ignore(result: FrameResult) -> None:
    """Do nothing with a result."""


@dataclass(slots=True)
class JobSummary:
    """What a job did.

    Attributes:
        frames: frames or images done.
        faces: of each label, over all frames.
        seconds: wall-clock time.
        problems: one line for each thing that could not be done; empty when all went well.
        skipped: videos that were done before.
        signal: number of the signal that ended it, SIGINT or SIGTERM; 0 when none did.
    """

    frames: int = 0
    faces: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    skipped: int = 0
    signal: int = 0
    _started: float = field(default_factory=time.perf_counter)

    def add(self, result: FrameResult) -> None:
        """Count a result."""
        self.frames += 1
        self.faces.update(result.counts())
        self.seconds = time.perf_counter() - self._started

    def merge(self, other: JobSummary) -> None:
        """Count what another job did, which was part of this one."""
        self.frames += other.frames
        self.faces.update(other.faces)
        self.problems += other.problems
        self.skipped += other.skipped
        self.seconds = time.perf_counter() - self._started


def run_images(
    engine: Engine,
    sources: Sequence[str],
    *,
    out_dir: Path | None = None,
    style: Style = PLAIN,
    outputs: Outputs | None = None,
    on_result: OnResult = _ignore,
    on_total: Callable[[int], None] = lambda total: None,
) -> JobSummary:
    """Label the faces of images.

    Args:
        engine: finds and labels.
        sources: files, folders and glob patterns.
        out_dir: where annotated copies go, under their names below the folder that was named.
        style: how they are annotated.
        outputs: where else results go.
        on_result: called after each image.
        on_total: called once, with the number of images.

    Returns:
        The summary; an image that cannot be read is among its problems, and the others are done.

    Raises:
        SourceNotFoundError: nothing matches. RequestError: an output would overwrite an input or another output.
        OutputError: an output cannot be written.
    """
    images = list_images(sources)
    if out_dir is not None:
        _check_outputs(images, out_dir)
    summary = JobSummary()
    on_total(len(images))
    with open_outputs(outputs, summary.problems) as add:
        for image in images:
            try:
                frame = SourceFrame(str(image.path), 0, 0.0, Picture(read_image(image.path)))
            except SourceError as error:
                summary.problems.append(str(error))
                continue
            result = engine.infer([frame])[0]
            add(frame.picture, result)
            if out_dir is not None:
                _write_annotated(out_dir / image.relative, frame, result, style)
            summary.add(result)
            on_result(result)
    return summary


def _check_outputs(images: Sequence[SourceFile], out_dir: Path) -> None:
    inputs = {image.path.resolve() for image in images}
    outputs: dict[Path, Path] = {}
    for image in images:
        target = (out_dir / image.relative).resolve()
        if target in inputs:
            raise RequestError(f"{target} is an input and would be overwritten: choose another folder than {out_dir}")
        if target in outputs:
            raise RequestError(f"{image.path} and {outputs[target]} would both be written to {target}")
        outputs[target] = image.path


def _write_annotated(path: Path, frame: SourceFrame, result: FrameResult, style: Style) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent} cannot be made: {error.strerror}") from error
    annotate(frame.picture, result, style)
    write_image(path, frame.picture.bgr)


def run_video(
    engine: Engine,
    source: str,
    out: Path,
    *,
    track: TrackOptions | None = None,
    style: Style = PLAIN,
    outputs: Outputs | None = None,
    on_result: OnResult = _ignore,
    on_total: Callable[[int | None], None] = lambda total: None,
    stopped: Callable[[], int] | None = None,
) -> JobSummary:
    """Turn a recorded video into an annotated one; reading, inference and writing overlap.

    Args:
        engine: finds and labels.
        source: the video.
        out: .mp4, .mov or .mkv; appears when it is whole.
        track: how faces are followed; None for faces on their own.
        style: how frames are annotated.
        outputs: where results go besides.
        on_result: called after each frame that was written.
        on_total: called once, with the number of frames if the source declares it.
        stopped: asked between frames; gives the number of a signal that is to end the job, or 0. By default Ctrl-C
            and SIGTERM are waited for.

    Returns:
        The summary; if the source ends early or is broken in the middle, that is among its problems, and what
        could be read was written.

    Raises:
        SourceError: the source cannot be opened. RequestError: the output is the input, or has an unknown format.
        OutputError: an output cannot be written.
    """
    summary = JobSummary()
    with ExitStack() as stack:
        if stopped is None:
            stopped = stack.enter_context(stop_wish())
        # The models take most of the time of all stages, so the codecs get half of the threads.
        threads = max(1, engine.threads // 2)
        video = stack.enter_context(open_video(source, threads=threads))
        writer = stack.enter_context(open_writer(out, video.info, audio_from=source, threads=threads))
        add = stack.enter_context(open_outputs(outputs, summary.problems))
        on_total(video.info.frame_count)
        frames = stack.enter_context(prefetch(staged(video, "decode"), QUEUE_FRAMES, "reader"))
        labelled = stack.enter_context(
            prefetch(_labelled(engine, frames, video.info.source, track), QUEUE_BATCHES, "engine")
        )
        try:
            for batch in labelled:
                for frame, result in batch:
                    with stage("results"):
                        add(frame.picture, result)
                    with stage("draw"):
                        annotate(frame.picture, result, style)
                    with stage("encode"):
                        writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
                    summary.add(result)
                    on_result(result)
                if stopped():
                    break
        except SourceError as error:
            if not summary.frames:
                raise
            summary.problems.append(str(error))
        summary.signal = stopped()
    return summary


def _labelled(
    engine: Engine, frames: Iterator[VideoFrame], source: str, track: TrackOptions | None
) -> Iterator[list[Labelled]]:
    taken: deque[VideoFrame] = deque()

    def noted() -> Iterator[SourceFrame]:
        for frame in frames:
            taken.append(frame)
            yield from_video(source, frame)

    for results in engine.follow(noted(), track):
        yield [(taken.popleft(), result) for result in results]

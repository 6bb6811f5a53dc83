"""Annotated videos drawn again from results that are there already: no model runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.interrupt import stop_wish
from maskinfer.engine.jobs import QUEUE_BATCHES, JobSummary
from maskinfer.engine.prefetch import prefetch
from maskinfer.engine.results import Face, FrameResult
from maskinfer.engine.style import Style, annotate
from maskinfer.engine.video_reader import open_video
from maskinfer.engine.video_writer import open_writer


def read_results(file: Path) -> Iterator[FrameResult]:
    """Yield the results that a JSON Lines file holds, in their order.

    Raises:
        SourceNotFoundError: there is no such file. SourceError: a line is no result; the message says which.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield from_record(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise SourceError(f"line {number} of {file} is no result of maskinfer: {error!r}") from error
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"there is no file {file}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is no JSON Lines: {error}") from error


def from_record(record: dict[str, Any]) -> FrameResult:
    """Return the result that ``FrameResult.to_dict`` gave.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return FrameResult(
        str(record["source"]),
        int(record["frame"]),
        float(record["time_s"]),
        (int(record["width"]), int(record["height"])),
        tuple(_face(face) for face in record["faces"]),
    )


def _face(record: dict[str, Any]) -> Face:
    left, top, right, bottom = (float(value) for value in record["bbox"])
    points = record["landmarks"]
    return Face(
        (left, top, right, bottom),
        float(record["det_score"]),
        None if points is None else tuple((float(x), float(y)) for x, y in points),
        str(record["label"]),
        float(record["score"]),
        {str(label): float(value) for label, value in record["scores"].items()},
        record.get("track_id"),
    )


def run_render(
    source: str,
    results: Path,
    out: Path,
    *,
    style: Style,
    on_result: Callable[[FrameResult], None] = lambda result: None,
    on_total: Callable[[int | None], None] = lambda total: None,
) -> JobSummary:
    """Draw a video's results on it.

    Args:
        source: the video.
        results: that ``run_video`` wrote of it, a line a frame.
        out: .mp4, .mov or .mkv; appears when it is whole.
        style: how to draw.
        on_result: called after each frame.
        on_total: called once, with the number of frames if the source declares it.

    Raises:
        SourceError: the source or the results cannot be read, or are not of one another.
        RequestError: the output is the input, or has an unknown format. OutputError: it cannot be written.
    """
    summary = JobSummary()
    with ExitStack() as stack:
        stopped = stack.enter_context(stop_wish())
        video = stack.enter_context(open_video(source))
        lines = read_results(results)
        writer = stack.enter_context(open_writer(out, video.info, audio_from=source))
        on_total(video.info.frame_count)
        for frame in stack.enter_context(prefetch(video, QUEUE_BATCHES)):
            result = next(lines, None)
            if result is None:
                summary.problems.append(f"{results} ends after {summary.frames} frames, before {source} does")
                break
            if result.frame != frame.index or result.size_wh != (frame.bgr.shape[1], frame.bgr.shape[0]):
                raise SourceError(
                    f"{results} is not of {source}: frame {frame.index} of {frame.bgr.shape[1]}x{frame.bgr.shape[0]} "
                    f"meets frame {result.frame} of {result.size_wh[0]}x{result.size_wh[1]}"
                )
            annotate(frame.bgr, result, style)
            writer.write(frame.bgr, frame.pts, frame.time_base, frame.duration)
            summary.add(result)
            on_result(result)
            if stopped():
                break
        summary.signal = stopped()
    return summary

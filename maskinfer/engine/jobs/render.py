"""Annotated videos drawn again from results that are there already: no model runs."""

from __future__ import annotations

from bisect import bisect_left
from contextlib import ExitStack
from pathlib import Path

from maskinfer.engine.errors import RequestError, SourceError
from maskinfer.engine.files.atomic import check_writable
from maskinfer.engine.files.jsonl import read_results
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.engine.flow.overlap import prefetch
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.flow.signals import stop_on_signal
from maskinfer.engine.frames.annotate import Style, annotate
from maskinfer.engine.frames.cover import covered
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.jobs.recovery import recover_videos
from maskinfer.engine.jobs.summary import JobSummary
from maskinfer.engine.jobs.video import QUEUE_FRAMES, partial_line
from maskinfer.engine.sinks.events import EventLog, EventOptions
from maskinfer.engine.sinks.video import check_suffix, open_writer
from maskinfer.engine.sources.video import open_video


def event_times_s(results: Path, options: EventOptions | None = None) -> list[float]:
    """Return when something happened, in seconds, by the results of a video.

    Raises:
        SourceError: as ``read_results``. RequestError: nothing happened, or the faces were not followed.
    """
    log = EventLog(options)
    times_s = [event.time_s for result in read_results(results) for event in log.add(result)]
    times_s += [event.time_s for event in log.finish()]
    if not times_s:
        raise RequestError(f"{results} holds no event: expected faces that are followed; make it without --no-track")
    return times_s


class _Scenes:
    """Which frames are near to an event, and when they are shown if the others are left out."""

    def __init__(self, times_s: list[float], around_s: float) -> None:
        self._times_s, self._around_s = sorted(times_s), around_s
        self._removed = 0
        self._gap_pts: int | None = None

    def pts(self, frame: Frame) -> int | None:
        """Return when a frame is shown, in its ticks; None when it is left out. Predict for each in their order."""
        i = bisect_left(self._times_s, frame.time_s - self._around_s)
        if i == len(self._times_s) or self._times_s[i] > frame.time_s + self._around_s:
            self._gap_pts = frame.pts if self._gap_pts is None else self._gap_pts
            return None
        if self._gap_pts is not None:
            self._removed += frame.pts - self._gap_pts
            self._gap_pts = None
        return frame.pts - self._removed


def run_render(
    source: str,
    results: Path,
    out: Path,
    *,
    style: Style,
    around_events_s: float | None = None,
    events: EventOptions | None = None,
    progress: Progress = SILENT,
) -> JobSummary:
    """Draw a video's results on it.

    Args:
        source: the video.
        results: that ``run_video`` wrote of it, a line a frame.
        out: .mp4, .mov or .mkv; appears when it is whole.
        style: how to draw.
        around_events_s: keep only what is so near to an event, in seconds, one scene after the other and without sound;
            None keeps all.
        events: when something is an event.
        progress: told how many frames the source declares, if it does, and how many have been read.

    Raises:
        SourceError: the source or the results cannot be read, or are not of one another.
        RequestError: the output is an input, or has an unknown format; there is no event. OutputError: it cannot be
        written.
    """
    refuse_overwriting([out], [source, results], stoppable=[out])
    check_suffix(out)
    check_writable(out)
    summary = JobSummary()
    scenes = None if around_events_s is None else _Scenes(event_times_s(results, events), around_events_s)
    with ExitStack() as stack:
        stopped = stack.enter_context(stop_on_signal())
        video = stack.enter_context(open_video(source))
        # Results are read ahead of the frames, so that what is to be hidden is known of both sides of a gap.
        lines = covered(read_results(results), lambda result: result, style.blur_hold_s)
        recover_videos([out], progress.say)
        opened = open_writer(
            out,
            video.info,
            audio_from=source if scenes is None else None,
            is_partial=lambda: bool(summary.signal),
        )
        writer = stack.enter_context(opened)
        progress.set_total(video.info.frame_count)
        for frame in stack.enter_context(prefetch(video, QUEUE_FRAMES)):
            result, hidden = next(lines, (None, None))
            if result is None:
                summary.problems.append(f"{results} ends after {summary.frames} frames, before {source} does")
                break
            width, height = frame.picture.size_wh
            if result.frame != frame.index or result.size_wh != (width, height):
                raise SourceError(
                    f"{results} is not of {source}: frame {frame.index} of {width}x{height} "
                    f"meets frame {result.frame} of {result.size_wh[0]}x{result.size_wh[1]}"
                )
            pts = frame.pts if scenes is None else scenes.pts(frame)
            if pts is not None:
                annotate(frame.picture, result, style, hidden=hidden)
                writer.write(frame.picture, pts, frame.time_base, frame.duration)
                summary.add(result)
            progress.advance()
            if stopped():
                summary.signal = stopped()
                break
    summary.problems += writer.problems
    if summary.signal:
        summary.problems.append(partial_line(summary, video.info.frame_count, [out], None))
    return summary

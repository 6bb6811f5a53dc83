"""Watching: cameras, URLs and files, one or several at once, frame by frame, for as long as they last."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import monotonic

import numpy as np

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import OnError, OutputError, nothing_begun
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.files.atomic import check_writable
from maskinfer.engine.files.follow import GOES_ON, Health
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.flow.signals import outlive_hangup, stop_on_signal
from maskinfer.engine.frames.annotate import PLAIN, Style, annotate
from maskinfer.engine.frames.cover import Cover
from maskinfer.engine.jobs.heartbeat import Heartbeat
from maskinfer.engine.jobs.look import Seen, look
from maskinfer.engine.jobs.recovery import recover_videos
from maskinfer.engine.jobs.summary import JobSummary, OnResult, number_of
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.outputs import OpenOutputs, Outputs, check_style_labels, open_outputs, refuse_clear_crops
from maskinfer.engine.sinks.recording import Recorder
from maskinfer.engine.sinks.run import Run
from maskinfer.engine.sinks.video import check_suffix
from maskinfer.engine.sinks.window import Window, open_window
from maskinfer.engine.sources.feeds import Feeds, open_feeds
from maskinfer.engine.sources.live import POLL_S, Feed, FeedFrame, FeedOptions
from maskinfer.engine.sources.names import names_of
from maskinfer.engine.sources.pictures import holds_images

NewTracker = Callable[[Feed], Tracker | None]
_AGES_KEPT = 100_000
_PROBLEMS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where results go.

    Attributes:
        show: in a window for each source; q or Esc closes it and ends the watch.
        record: annotated video; of several sources ``door.mp4`` becomes ``door-1.mp4``, ``door-2.mp4`` ...
        segment_s: length of a recording's files in seconds; None for one.
        outputs: files, which are appended to.
    """

    show: bool = False
    record: Path | None = None
    segment_s: float | None = None
    outputs: Outputs | None = None


@dataclass(slots=True)
class SourceReport:
    """What became of one source.

    Attributes:
        name: without passwords.
        frames: that got a result.
        dropped: that were replaced by newer ones.
        returns: how often it came back after it was lost.
        unchanged: of those, frames in which nothing had changed, so that no model looked at them.
        ages_ms: from the reading of a frame to its result, of the last ones.
        recorded: the recordings that were written last, 100 at most.
    """

    name: str
    frames: int = 0
    dropped: int = 0
    returns: int = 0
    unchanged: int = 0
    ages_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_AGES_KEPT))
    recorded: list[Path] = field(default_factory=list)

    def add(self, fed: FeedFrame) -> None:
        """Count a frame that got its result now."""
        self.frames += 1
        self.ages_ms.append((monotonic() - fed.arrived_s) * 1e3)

    def __str__(self) -> str:
        """Return it as one line."""
        if not self.ages_ms:
            return f"{self.name}: no frame"
        middle, high = np.percentile(self.ages_ms, [50, 95])
        back = f", came back {number_of(self.returns, 'times')}" if self.returns else ""
        still = f", nothing had changed in {self.unchanged}" if self.unchanged else ""
        return (
            f"{self.name}: {number_of(self.frames, 'frames')}{still}, {self.dropped} dropped{back}; results "
            f"{middle:.0f} ms after the frame (median; 95 % within {high:.0f} ms)"
        )


@dataclass(slots=True)
class _SourceState:
    """All that belongs to one source."""

    feed: Feed
    report: SourceReport
    tracker: Tracker | None
    recorder: Recorder | None
    recording: Health | None
    window: Window | None
    cover: Cover | None = None

    def finished(self) -> SourceReport:
        """Return the report with what the feed knows."""
        self.report.dropped, self.report.returns = self.feed.dropped, self.feed.returns
        self.report.unchanged = 0 if self.tracker is None else self.tracker.unchanged
        if self.recorder is not None:
            self.report.recorded = [file for file in self.recorder.files if file.is_file()]
        return self.report


def run_watch(
    engine: Engine,
    sources: Sequence[str],
    *,
    reading: FeedOptions | None = None,
    track: TrackOptions | None = None,
    style: Style = PLAIN,
    sinks: Sinks | None = None,
    heartbeat_s: float | None = None,
    on_result: OnResult | None = None,
    progress: Progress = SILENT,
    stopped: Callable[[], int] | None = None,
) -> tuple[JobSummary, list[SourceReport]]:
    """Watch sources until all have ended, a window is closed, or a signal.

    The frames that wait at the same time share the runs of the models, whatever source they are from.

    Args:
        engine: finds and labels.
        sources: indices of cameras, URLs, video files, folders of images, ``-`` for a video on standard input.
        reading: how they are read.
        track: how faces are followed; None for faces on their own. Its ``still_s`` counts for live sources only.
        style: how frames are annotated.
        sinks: where results go.
        heartbeat_s: seconds between two lines about each source's state, frame rate and drops; None for no lines.
        on_result: called with the result of each frame.
        progress: told of each frame, and in a line when a source is lost or is back.
        stopped: asked between frames; gives the number of a signal that is to end the watch, or 0. By default Ctrl-C
            and SIGTERM are waited for.

    Returns:
        The summary, among whose problems are sources that ended early, and a report for each source.

    Raises:
        SourceError: not one of the sources can be opened. RequestError: one is named twice.
        DisplayError: no window can be opened. OutputError: an output cannot be opened at the start.
    """
    sinks = sinks or Sinks()
    outputs = sinks.outputs or Outputs()
    refuse_clear_crops(outputs, style)
    check_style_labels(style, engine.classifier.contract.labels)
    inputs = [address for _, address in names_of(sources)]
    _check_outputs(inputs, sinks.record, outputs)
    summary = JobSummary()

    def on_error(line: str) -> None:
        progress.say(line)
        problem = line.removesuffix(GOES_ON)
        if problem not in summary.problems and len(summary.problems) < _PROBLEMS_KEPT:
            summary.problems.append(problem)

    with ExitStack() as stack:
        if stopped is None:
            stopped = stack.enter_context(stop_on_signal())
            stack.enter_context(outlive_hangup())
        if sinks.record is not None:
            recover_videos([sinks.record], progress.say)
        run = Run()
        with nothing_begun():
            opened = open_outputs(
                outputs, on_error, classifier=engine.classifier, run=run, inputs=inputs, on_status=progress.say
            )
            add = stack.enter_context(opened)
            feeds = stack.enter_context(open_feeds(sources, reading, progress.say))
            is_recorded = not any(feed.is_live for feed in feeds.feeds)
            trackers = None if track is None else partial(_new_tracker, engine, track, is_recorded)
            desks = {
                feed: _open_source_state(stack, feed, i, len(sources), sinks, trackers, run, on_error)
                for i, feed in enumerate(feeds.feeds)
            }
        tell_ended = _ended_teller(feeds, progress.say)
        heartbeat = Heartbeat(feeds.feeds, heartbeat_s, progress.say)
        for seen in look(engine, feeds, lambda feed: desks[feed].tracker, stopped, wake_s=POLL_S):
            heartbeat.beat(lambda feed: desks[feed].report.frames)
            _tell_changes(feeds, seen, add)
            tell_ended()
            for fed, result in seen:
                add(fed.frame.picture, result)
                desks[fed.feed].report.add(fed)
                summary.add(result)
                progress.advance()
                if on_result is not None:
                    on_result(result)
            drawn = [_draw(desks[fed.feed], fed, result, style) for fed, result in seen]
            if not all(drawn):
                break
        _tell_changes(feeds, [], add)
        for desk in desks.values():
            _end_recording(desk, on_error)
        summary.signal = stopped()
        summary.problems += [feed.problem for feed in feeds.feeds if feed.problem]
    return summary, [desk.finished() for desk in desks.values()]


def _ended_teller(feeds: Feeds, say: Callable[[str], None]) -> Callable[[], None]:
    """Return what says, once each, which sources ended early while others go on, which may be for weeks."""
    told: set[Feed] = set()

    def tell() -> None:
        for feed in feeds.feeds:
            if feed.problem and feed.is_over and feed not in told and not all(one.is_over for one in feeds.feeds):
                told.add(feed)
                say(f"{feed.problem}; the watch goes on without {feed.name}")

    return tell


def _tell_changes(feeds: Feeds, seen: Seen, outputs: OpenOutputs) -> None:
    """Tell the outputs which cameras were lost, or are back, before the frames that were seen."""
    frames = {fed.feed: fed for fed, _ in seen}
    for feed in feeds.feeds:
        for change in feed.changes(frames.get(feed)):
            outputs.tell(change)


def _check_outputs(inputs: Sequence[str], record: Path | None, outputs: Outputs) -> None:
    """Check, before anything is begun, that what is to be written can be, and that none of it is a source."""
    records = [] if record is None else [_recording(record, i, len(inputs)) for i in range(len(inputs))]
    outputs.check(inputs, records)
    for path in records:
        check_suffix(path)
        check_writable(path)


def _recording(record: Path, index: int, of: int) -> Path:
    return record if of == 1 else record.with_stem(f"{record.stem}-{index + 1}")


def _open_source_state(
    stack: ExitStack,
    feed: Feed,
    index: int,
    of: int,
    sinks: Sinks,
    new_tracker: NewTracker | None,
    run: Run,
    on_error: OnError,
) -> _SourceState:
    recorder = recording = None
    if sinks.record is not None:
        path = _recording(sinks.record, index, of)
        recorder = stack.enter_context(Recorder(path, sinks.segment_s, run))
        recording = Health(str(path), "frame", on_error)
    title = "maskinfer" if of == 1 else f"maskinfer {feed.name}"
    window = stack.enter_context(open_window(title)) if sinks.show else None
    tracker = None if new_tracker is None else new_tracker(feed)
    return _SourceState(feed, SourceReport(feed.name), tracker, recorder, recording, window)


def _new_tracker(engine: Engine, track: TrackOptions, is_recorded: bool, feed: Feed) -> Tracker | None:
    if holds_images(feed.name):  # pictures of a folder do not follow one another
        return None
    return engine.tracker(track if feed.is_live else replace(track, still_s=None), recorded=is_recorded)


def _end_recording(desk: _SourceState, on_error: OnError) -> None:
    """Finish a recording; one that fails, as on a full disk, holds up no other."""
    try:
        if desk.recorder is not None:
            desk.recorder.close()
    except OutputError as error:
        on_error(str(error))
    if desk.recording is not None:
        desk.recording.close()


def _draw(desk: _SourceState, fed: FeedFrame, result: FrameResult, style: Style) -> bool:
    """Record and show a frame; return False when its window was closed. A recording that fails holds nobody up."""
    if desk.recorder is None and desk.window is None:
        return True
    desk.cover = desk.cover or Cover(style.blur_hold_s, style.hides)
    desk.cover.add(result)
    annotate(fed.frame.picture, result, style, hidden=desk.cover.boxes(result))
    desk.cover.forget(result.time_s)
    if desk.recorder is not None and desk.recording is not None:
        write = desk.recorder.write
        desk.recording.attempt(lambda: write(fed.frame, fed.info))
    return desk.window is None or desk.window.show(fed.frame.bgr)

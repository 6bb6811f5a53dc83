"""Which parts of a video are kept when it is drawn again, and when they are shown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.jsonl import read_results
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.sinks.events import EventLog, EventOptions
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import VisitRules

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a video.

    Attributes:
        around_events_s: what is so near to an event, in seconds; None where labels alone decide.
        labels: only events that tell of one of these labels; or, without ``around_events_s``, all time in which
            somebody has one.
        before_s, after_s: so much before and after such time, in seconds.
        events: when something is an event, and when a label counts.
    """

    around_events_s: float | None = None
    labels: tuple[str, ...] = ()
    before_s: float = 2.0
    after_s: float = 2.0
    events: EventOptions | None = None

    def spans(self, results: Path) -> list[Span]:
        """Return what is kept, by the results of a video: from when to when in seconds, in order.

        Raises:
            SourceError: as ``read_results``. RequestError: nothing is, or the faces were not followed.
        """
        found = self._of_labels(results) if self.around_events_s is None else self._of_events(results)
        if not found:
            what = f"nobody with {' or '.join(self.labels)}" if self.labels else "no event"
            raise RequestError(f"{results} holds {what}: expected faces that are followed; make it without --no-track")
        return _joined(found)

    def _of_events(self, results: Path) -> list[Span]:
        log, around_s = EventLog(self.events), self.around_events_s or 0.0
        events = [event for result in read_results(results) for event in log.add(result)]
        events += log.finish()
        wanted = [event for event in events if not self.labels or event.label in self.labels]
        return [(event.time_s - around_s, event.time_s + around_s) for event in wanted]

    def _of_labels(self, results: Path) -> list[Span]:
        book = VisitBook("", VisitRules(events=self.events or EventOptions(), pictures=False), "")
        changes, at = [], _EPOCH
        for result in read_results(results):
            at = _EPOCH + timedelta(seconds=result.time_s)
            changes += book.add(None, result, at)
        visits = [change.visit for change in (*changes, *book.close(at)) if change.kind == "ended"]
        spans = [span for visit in visits for span in visit.spans if span.label in self.labels]
        return [(_second(span.from_at) - self.before_s, _second(span.to_at) + self.after_s) for span in spans]


def _second(at: datetime) -> float:
    return (at - _EPOCH).total_seconds()


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch one another as one."""
    joined: list[Span] = []
    for low_s, high_s in sorted(spans):
        if joined and low_s <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], high_s)
        else:
            joined.append((low_s, high_s))
    return joined


class Scenes:
    """Which frames are kept, and when they are shown if the others are left out."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._starts_s = [low_s for low_s, _ in spans]
        self._removed = 0
        self._gap_pts: int | None = None

    def pts(self, frame: Frame) -> int | None:
        """Return when a frame is shown, in its ticks; None when it is left out. Ask for each in their order."""
        # Times of lines are rounded to a millionth of a second.
        i = bisect_right(self._starts_s, frame.time_s + 1e-6) - 1
        if i < 0 or self._spans[i][1] < frame.time_s - 1e-6:
            self._gap_pts = frame.pts if self._gap_pts is None else self._gap_pts
            return None
        if self._gap_pts is not None:
            self._removed += frame.pts - self._gap_pts
            self._gap_pts = None
        return frame.pts - self._removed

"""The book of visits of one camera."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.results import UNCERTAIN, FrameResult
from maskinfer.engine.sinks.events import Event, EventLog
from maskinfer.engine.visits.rules import VisitRules
from maskinfer.engine.visits.visit import ChangeKind, Ended, LabelSpan, Visit, VisitChange

_KINDS: dict[str, ChangeKind] = {"appeared": "began", "settled": "settled", "changed": "changed", "left": "ended"}


class VisitBook:
    """Turns the results of one camera, frame by frame, into visits.

    Args:
        camera: its name.
        rules: when something counts.
        run: what the ids of the visits begin with; the id of the run.
    """

    def __init__(self, camera: str, rules: VisitRules, run: str) -> None:
        self.camera, self.rules, self._run = camera, rules, run
        self._log = EventLog(rules.events)
        self._visits: dict[int, Visit] = {}
        self._number = 0

    @property
    def present(self) -> list[Visit]:
        """The visits that are not over, as they are now."""
        return list(self._visits.values())

    def add(self, frame: Frame | None, result: FrameResult, at: datetime) -> list[VisitChange]:
        """Return what a frame changes.

        Args:
            frame: as it came: pictures are cut from it, so call this before anything is drawn on it; None for no
                pictures, as where only the results were kept.
            result: of this frame, with tracked faces.
            at: when it was taken, an aware datetime. One that goes back is taken for the last one.
        """
        changes = self._changes(self._log.add(result), at, "left")
        for face in result.faces:
            if visit := self._visits.get(face.track_id or 0):
                span = replace(visit.spans[-1], to_at=at)
                self._visits[face.track_id or 0] = replace(visit, last_at=at, spans=(*visit.spans[:-1], span))
        return changes

    def lost(self, at: datetime) -> list[VisitChange]:
        """End all visits: the camera is lost. Later frames begin new ones."""
        return self._end("camera lost", at)

    def close(self, at: datetime) -> list[VisitChange]:
        """End all visits: the watch stops."""
        return self._end("stopped", at)

    def _end(self, why: Ended, at: datetime) -> list[VisitChange]:
        changes = self._changes(self._log.finish(), at, why)
        self._log = EventLog(self.rules.events)
        return changes

    def _changes(self, events: Iterable[Event], at: datetime, why: Ended) -> list[VisitChange]:
        return [self._change(event, at, why) for event in events]

    def _change(self, event: Event, at: datetime, why: Ended) -> VisitChange:
        kind, track = _KINDS[event.kind], event.track_id
        visit = self._visits.get(track) or self._begin(at)
        if kind == "ended":
            visit = replace(visit, ended=why)
        elif visit.label != event.label:
            span = LabelSpan(event.label, visit.last_at, at, event.score)
            visit = replace(visit, label=event.label, spans=(*visit.spans, span))
        self._visits[track] = visit
        if kind == "ended":
            del self._visits[track]
        return VisitChange(kind, visit, at)

    def _begin(self, at: datetime) -> Visit:
        self._number += 1
        spans = (LabelSpan(UNCERTAIN, at, at, 0.0),)
        name = f"{self._run}-{self.camera}-{self._number}"
        return Visit(name, self.camera, at, at, UNCERTAIN, None, spans, (), (), (), None)

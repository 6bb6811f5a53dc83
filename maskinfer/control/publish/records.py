"""What happens, as records that receivers get: each has an id of its own, the same for every receiver."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from maskinfer.control.report.to_json import visit_dict
from maskinfer.control.room.state import CameraState
from maskinfer.control.store.questions import StoredVisit
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.visits.visit import Passage, Violation, VisitChange

Record = dict[str, Any]


class Newest:
    """Tells which violation or passage of a visit a change is about: one that was not told before."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], int] = {}

    def violation(self, change: VisitChange) -> tuple[int, Violation] | None:
        """Return the number, from 0, and the violation that began with a change; None for other changes.

        Ask once for each change.
        """
        index = self._index(change, "violation", len(change.visit.violations))
        return None if index is None else (index, change.visit.violations[index])

    def passage(self, change: VisitChange) -> Passage | None:
        """Return the passage that a change is about; None for other changes. Ask once for each change."""
        index = self._index(change, "passed", len(change.visit.passages))
        return None if index is None else change.visit.passages[index]

    def _index(self, change: VisitChange, kind: str, count: int) -> int | None:
        key = (change.visit.id, kind)
        if change.kind in ("began", "ended"):
            self._told.pop(key, None)
        if change.kind == "began":
            self._told[key] = 0
        if change.kind != kind or not count:
            return None
        # Of a visit whose begin was not heard, the last one.
        index = min(self._told.get(key, count - 1), count - 1)
        self._told[key] = index + 1
        return index


def visit_record(change: VisitChange, stored: StoredVisit, newest: Newest) -> Record:
    """Return the record of a change of a visit, with the violation or passage that is new."""
    begun, passage = newest.violation(change), newest.passage(change)
    record: Record = {
        "id": change.id,
        "event": change.kind,
        "at": _time(change.at),
        "camera": change.visit.camera,
        "visit": visit_dict(stored),
    }
    if begun is not None:
        number, violation = begun
        record["violation"] = {
            "number": number,
            "zone": violation.zone,
            "label": violation.label,
            "bare": violation.bare,
            "from_at": _time(violation.from_at),
        }
    if passage is not None:
        record["passage"] = {"line": passage.line, "direction": passage.direction, "at": _time(passage.at)}
    return record


class CameraNews:
    """Tells when a camera's state is another one than it was told last."""

    def __init__(self, now: Callable[[], datetime] = local_now) -> None:
        self._told: dict[str, str] = {}
        self._now = now

    def record(self, camera: CameraState) -> Record | None:
        """Return the record of a camera whose state changed; None if it did not."""
        was = self._told.get(camera.name)
        self._told[camera.name] = camera.state
        if was == camera.state:
            return None
        return {
            "id": uuid4().hex,
            "event": "camera",
            "at": _time(self._now()),
            "camera": camera.name,
            "state": camera.state,
            "was": was,
            "reason": camera.reason,
        }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")

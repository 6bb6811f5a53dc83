"""What is queued for a store's writer, and how each is written."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event

from maskinfer.control.drift import tables as drift
from maskinfer.control.store import writing
from maskinfer.control.store.pictures import SavedPicture
from maskinfer.control.store.questions import CameraEventKind
from maskinfer.control.store.schema import to_us
from maskinfer.engine.drift.counts import Counts
from maskinfer.engine.visits.visit import VisitChange


@dataclass(slots=True)
class Change:
    """A change of a visit.

    Attributes:
        change: what happened.
        saved: its picture, once it is saved.
        is_tried: saving the picture was tried.
        is_told: who listens was told.
    """

    change: VisitChange
    saved: SavedPicture | None = None
    is_tried: bool = False
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """What happened to a camera."""

    camera: str
    kind: CameraEventKind
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, by its path within the folder of recordings."""

    id: str
    camera: str
    file: Path
    from_at: datetime
    to_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Looks:
    """How what a camera sees looked since the last of these; None begins its reference anew."""

    camera: str
    models: str
    at: datetime
    counts: Counts | None


@dataclass(slots=True)
class Flush:
    """Somebody waits until what was queued before is committed.

    Attributes:
        is_sweep: and until what is too old or too much is forgotten.
        done: it is, or cannot be.
        error: why it cannot be; empty if it is.
    """

    is_sweep: bool = False
    done: Event = field(default_factory=Event)
    error: str = ""


Operation = Change | CameraEvent | Recording | Looks | Flush


def write(db: sqlite3.Connection, operation: Operation) -> str | None:
    """Write one, inside a transaction of the caller; returns the id of a picture that another one took the place of."""
    match operation:
        case Change(change, saved):
            number = writing.put_visit(db, change.visit)
            return None if saved is None else writing.put_picture(db, number, saved)
        case CameraEvent(camera, kind, at, reason):
            writing.put_camera_event(db, camera, kind, to_us(at), reason)
        case Recording(new_id, camera, file, from_at, to_at, size_bytes):
            writing.put_recording(db, new_id, camera, file, (to_us(from_at), to_us(to_at)), size_bytes)
        case Looks(camera, _, at, None):
            drift.renew(db, camera, at)
        case Looks(camera, models, at, counts) if counts is not None:
            drift.put_looks(db, camera, models, at, counts)
    return None


def compacted(waiting: list[Operation]) -> list[Operation]:
    """Return what waits with the last state of each visit alone."""
    last = {o.change.visit.id: o for o in waiting if isinstance(o, Change)}
    return [o for o in waiting if not isinstance(o, Change) or last[o.change.visit.id] is o]

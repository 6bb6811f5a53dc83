"""What a store forgets, and when: by age and by room, the oldest first, violations last."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass

from maskinfer.control.drift.tables import forget_looks
from maskinfer.control.settings.types import Keep, RetentionSettings
from maskinfer.control.store.questions import StoreUsage
from maskinfer.control.store.schema import from_us
from maskinfer.engine.errors import RequestError

DAY_US = 86_400_000_000
_MOST_ROWS = 500  # in one transaction, so that what is new never waits long
_ENOUGH = 0.95  # of the room that is allowed, so that not every minute finds one picture too many
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """How long one kind of thing is kept, and how much of it.

    Attributes:
        days: what is older goes; None for no limit.
        violation_days: the same for what belongs to a violation.
        max_bytes: when there is more, the oldest goes, what belongs to a violation last; None for no limit.

    Raises:
        RequestError: a number is negative, or violations would go before the rest.
    """

    days: float | None
    violation_days: float | None
    max_bytes: int | None

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in (("days", self.days), ("violation_days", self.violation_days), ("bytes", self.max_bytes)):
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise RequestError(f"what is kept has {value} {name}, expected a number from 0")
        if _days(self.violation_days) < _days(self.days):
            raise RequestError(f"violations are kept for {self.violation_days} days, less than the {self.days} of all")


def _days(days: float | None) -> float:
    return math.inf if days is None else days


@dataclass(frozen=True, slots=True)
class Retention:
    """What a store keeps.

    Attributes:
        events: visits with their spans, passages and violations, and what happened to cameras; bytes are those of the
            database. What goes takes its pictures along.
        pictures: of faces.
        recordings: one belongs to a violation that it shows.
        min_free_bytes: with less left on the disk nothing is recorded any more; pictures are saved until a fifth of it
            is left, and events as long as there is any room.
    """

    events: Kept = Kept(days=400, violation_days=800, max_bytes=2000 * _MB)
    pictures: Kept = Kept(days=30, violation_days=90, max_bytes=5000 * _MB)
    recordings: Kept = Kept(days=7, violation_days=30, max_bytes=20_000 * _MB)
    min_free_bytes: int = 500 * _MB

    @property
    def min_free_for_pictures_bytes(self) -> int:
        """With less left on the disk no pictures are saved."""
        return self.min_free_bytes // 5


def retention_of(settings: RetentionSettings) -> Retention:
    """Return what a settings file asks to keep; violations are kept as long as the rest unless it says otherwise."""
    return Retention(
        events=_kept_of(settings.events), pictures=_kept_of(settings.pictures), recordings=_kept_of(settings.recordings)
    )


def _kept_of(keep: Keep) -> Kept:
    max_bytes = None if keep.max_gb is None else int(keep.max_gb * 1e9)
    return Kept(keep.days, keep.violation_days or keep.days, max_bytes)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep took out of the tables.

    Attributes:
        pictures: ids of those whose files go.
        recordings: files that go, by their path within the folder of recordings.
        visits: how many visits went.
        more: there is more to sweep.
    """

    pictures: list[str]
    recordings: list[str]
    visits: int
    more: bool


def sweep(db: sqlite3.Connection, retention: Retention, now_us: int) -> Swept:
    """Take what is too old, or too much, out of the tables; at most some hundred rows of each kind.

    Runs inside a transaction of its caller, who removes the files after it.
    """
    visits = _old_visits(db, retention.events, now_us)
    pictures = [row[0] for row in _rows_in(db, "SELECT id FROM pictures WHERE visit IN", visits)]
    _rows_in(db, "DELETE FROM visits WHERE number IN", visits)
    aged = _old_pictures(db, retention.pictures, now_us)
    _rows_in(db, "DELETE FROM pictures WHERE id IN", aged)
    recordings = _old_recordings(db, retention.recordings, now_us)
    _rows_in(db, "DELETE FROM recordings WHERE file IN", recordings)
    _forget_cameras(db, retention.events, now_us)
    more = max(len(visits), len(aged), len(recordings)) >= _MOST_ROWS
    return Swept([*pictures, *aged], recordings, len(visits), more)


def _rows_in(db: sqlite3.Connection, statement: str, values: list[str] | list[int]) -> list[tuple[str]]:
    return db.execute(f"{statement} ({', '.join('?' * len(values))})", values).fetchall() if values else []


def _old_visits(db: sqlite3.Connection, kept: Kept, now_us: int) -> list[int]:
    aged = [
        row[0]
        for row in db.execute(
            "SELECT number FROM visits WHERE first_us < ? AND violated = 0 AND ended IS NOT NULL UNION ALL "
            "SELECT number FROM visits WHERE first_us < ? AND violated = 1 AND ended IS NOT NULL LIMIT ?",
            (_before(kept.days, now_us), _before(kept.violation_days, now_us), _MOST_ROWS),
        )
    ]
    if aged or kept.max_bytes is None or database_bytes(db) <= kept.max_bytes:
        return aged
    # Rows of a database have no size of their own: some go, and what is left is measured at the next sweep.
    rows = db.execute(
        "SELECT number FROM visits WHERE ended IS NOT NULL ORDER BY violated, first_us LIMIT ?", (_MOST_ROWS,)
    )
    return [row[0] for row in rows]


def _old_pictures(db: sqlite3.Connection, kept: Kept, now_us: int) -> list[str]:
    aged = db.execute(
        "SELECT p.id FROM pictures p JOIN visits v ON v.number = p.visit "
        "WHERE p.at_us < CASE v.violated WHEN 1 THEN ?2 ELSE ?1 END AND p.at_us < ?1 LIMIT ?3",
        (_before(kept.days, now_us), _before(kept.violation_days, now_us), _MOST_ROWS),
    ).fetchall()
    (total,) = db.execute("SELECT coalesce(sum(size_bytes), 0) FROM pictures").fetchone()
    if aged or kept.max_bytes is None or total <= kept.max_bytes:
        return [row[0] for row in aged]
    rows = db.execute(
        "SELECT p.id, p.size_bytes FROM pictures p JOIN visits v ON v.number = p.visit "
        "ORDER BY v.violated, p.at_us LIMIT ?",
        (_MOST_ROWS,),
    )
    return _until(rows.fetchall(), total - int(kept.max_bytes * _ENOUGH))


def _old_recordings(db: sqlite3.Connection, kept: Kept, now_us: int) -> list[str]:
    # A visit is hardly ever longer than a day, which bounds what is looked through for each recording.
    violated = (
        "EXISTS (SELECT 1 FROM visits v WHERE v.violated = 1 AND v.camera = r.camera AND v.first_us <= r.to_us "
        f"AND v.first_us >= r.from_us - {DAY_US} AND v.last_us >= r.from_us)"
    )
    aged = db.execute(
        f"SELECT r.file FROM recordings r WHERE r.to_us < ?1 AND (r.to_us < ?2 OR NOT {violated}) LIMIT ?3",
        (_before(kept.days, now_us), _before(kept.violation_days, now_us), _MOST_ROWS),
    ).fetchall()
    (total,) = db.execute("SELECT coalesce(sum(size_bytes), 0) FROM recordings").fetchone()
    if aged or kept.max_bytes is None or total <= kept.max_bytes:
        return [row[0] for row in aged]
    rows = db.execute(
        f"SELECT r.file, r.size_bytes FROM recordings r ORDER BY {violated}, r.from_us LIMIT ?", (_MOST_ROWS,)
    )
    return _until(rows.fetchall(), total - int(kept.max_bytes * _ENOUGH))


def _until(rows: list[tuple[str, int]], excess_bytes: int) -> list[str]:
    """Return the first of the rows that together have as many bytes as there are too many."""
    chosen = []
    for name, size_bytes in rows:
        if excess_bytes <= 0:
            break
        chosen.append(name)
        excess_bytes -= size_bytes
    return chosen


def _forget_cameras(db: sqlite3.Connection, kept: Kept, now_us: int) -> None:
    """Forget what happened to cameras and when maskinfer ran, except the last state before what is kept."""
    before_us = _before(kept.violation_days, now_us)
    db.execute(
        "DELETE FROM camera_events WHERE at_us < ?1 AND EXISTS (SELECT 1 FROM camera_events later "
        "WHERE later.camera = camera_events.camera AND later.at_us > camera_events.at_us AND later.at_us < ?1)",
        (before_us,),
    )
    db.execute("DELETE FROM runs WHERE ended_us < ?", (before_us,))
    forget_looks(db, before_us)


def _before(days: float | None, now_us: int) -> int:
    return -(2**62) if days is None else now_us - int(days * DAY_US)


def database_bytes(db: sqlite3.Connection) -> int:
    """Return how many bytes of a database are in use."""
    count, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int(count - free) * int(size)


def measure(db: sqlite3.Connection, free_bytes: int) -> StoreUsage:
    """Return what a store takes of a disk that has so much left."""
    visits, first_us = db.execute("SELECT count(*), min(first_us) FROM visits").fetchone()
    (pictures, pictures_bytes), (recordings, recordings_bytes) = (
        db.execute(f"SELECT count(*), coalesce(sum(size_bytes), 0) FROM {table}").fetchone()
        for table in ("pictures", "recordings")
    )
    return StoreUsage(
        visits=visits,
        pictures=pictures,
        recordings=recordings,
        events_bytes=database_bytes(db),
        pictures_bytes=pictures_bytes,
        recordings_bytes=recordings_bytes,
        free_bytes=free_bytes,
        oldest_at=None if first_us is None else from_us(first_us),
    )

"""What is read from a store's tables."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any

from maskinfer.control.store.questions import StoredPicture, StoredRecording, StoredVisit, VisitQuery
from maskinfer.control.store.schema import from_us, to_us
from maskinfer.engine.errors import RequestError
from maskinfer.engine.visits.visit import LabelSpan, Passage, Violation, Visit

Row = tuple[Any, ...]
_VISIT = "v.number, v.id, v.camera, v.first_us, v.last_us, v.label, v.bare, v.ended"
_MOST_MARKS = 500


def find_visits(db: sqlite3.Connection, where: VisitQuery) -> list[StoredVisit]:
    """Return the visits of one page.

    Raises:
        RequestError: ``before`` is no cursor.
    """
    table = "v" if where.zone is None else "z"
    conditions, values = conditions_of(where, table)
    if where.before is not None:
        sign = "<" if where.newest_first else ">"
        conditions.append(f"({table}.first_us, v.number) {sign} (?, ?)")
        values += _read_cursor(where.before)
    source = "visits v" if where.zone is None else "visit_zones z JOIN visits v ON v.number = z.visit"
    way = "DESC" if where.newest_first else "ASC"
    rows = db.execute(
        f"SELECT {_VISIT} FROM {source} WHERE {' AND '.join(conditions) or '1'} "
        f"ORDER BY {table}.first_us {way}, v.number {way} LIMIT ?",
        (*values, where.limit),
    ).fetchall()
    return whole_visits(db, rows, where.time_zone)


def find_visit(db: sqlite3.Connection, visit_id: str, zone: tzinfo | None = None) -> StoredVisit | None:
    """Return the visit of an id."""
    rows = db.execute(f"SELECT {_VISIT} FROM visits v WHERE v.id = ?", (visit_id,)).fetchall()
    return next(iter(whole_visits(db, rows, zone)), None)


def conditions_of(where: VisitQuery, table: str) -> tuple[list[str], list[Any]]:
    """Return what a question asks of a row of ``visits`` or ``visit_zones``, and the values for its marks."""
    asked: list[tuple[str, Any]] = [
        (f"{table}.first_us >= ?", None if where.from_at is None else to_us(where.from_at)),
        (f"{table}.first_us < ?", None if where.to_at is None else to_us(where.to_at)),
        (f"{table}.camera = ?", where.camera),
        (f"{table}.label = ?", where.label),
        (f"{table}.violated = 1", () if where.only_violations else None),
        ("z.zone = ?", where.zone),
    ]
    wanted = [(condition, value) for condition, value in asked if value is not None]
    return [condition for condition, _ in wanted], [value for _, value in wanted if value != ()]


def _read_cursor(cursor: str) -> tuple[int, int]:
    first_us, _, number = cursor.partition(".")
    try:
        return int(first_us), int(number)
    except ValueError as error:
        raise RequestError(f"before is {cursor!r:.40}, expected the cursor of a visit") from error


def whole_visits(db: sqlite3.Connection, rows: Sequence[Row], zone: tzinfo | None) -> list[StoredVisit]:
    """Return the visits of rows, each with what lies in other tables."""
    numbers = [row[0] for row in rows]

    def time(us: int) -> datetime:
        return from_us(us, zone)

    spans = _rows_of(db, "SELECT visit, label, from_us, to_us, score, bare FROM spans", numbers)
    zones = _rows_of(db, "SELECT visit, zone FROM visit_zones", numbers)
    passages = _rows_of(db, "SELECT visit, line, direction, at_us FROM passages", numbers)
    violations = _rows_of(db, "SELECT visit, zone, label, from_us, to_us, bare FROM violations", numbers)
    pictures = _rows_of(
        db,
        "SELECT visit, id, label, at_us, quality, left, top, right, bottom, width, height FROM pictures",
        numbers,
        order="at_us",
    )
    return [
        StoredVisit(
            Visit(
                id=row[1],
                camera=row[2],
                first_at=time(row[3]),
                last_at=time(row[4]),
                label=row[5],
                bare=row[6],
                spans=tuple(LabelSpan(s[0], time(s[1]), time(s[2]), s[3], s[4]) for s in spans[row[0]]),
                zones=tuple(z[0] for z in zones[row[0]] if z[0]),
                passages=tuple(Passage(p[0], p[1], time(p[2])) for p in passages[row[0]]),
                violations=tuple(Violation(v[0], v[1], time(v[2]), time(v[3]), v[4]) for v in violations[row[0]]),
                ended=row[7],
            ),
            tuple(StoredPicture(p[0], p[1], time(p[2]), p[3], p[4:8], p[8:10]) for p in pictures[row[0]]),
            f"{row[3]}.{row[0]}",
        )
        for row in rows
    ]


def _rows_of(
    db: sqlite3.Connection, select: str, visits: Sequence[int], order: str = "place"
) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for some in _in_parts(visits):
        marks = ", ".join("?" * len(some))
        for visit, *rest in db.execute(f"{select} WHERE visit IN ({marks}) ORDER BY visit, {order}", some):
            found[visit].append(tuple(rest))
    return found


def _in_parts(visits: Sequence[int]) -> Iterable[Sequence[int]]:
    return (visits[i : i + _MOST_MARKS] for i in range(0, len(visits), _MOST_MARKS))


def find_recordings(db: sqlite3.Connection, camera: str, from_at: datetime, to_at: datetime) -> list[StoredRecording]:
    """Return the recordings of a camera that show some of a period, oldest first."""
    rows = db.execute(
        "SELECT id, camera, from_us, to_us, size_bytes FROM recordings "
        "WHERE camera = ? AND from_us <= ? AND to_us >= ? ORDER BY from_us",
        (camera, to_us(to_at), to_us(from_at)),
    )
    return [StoredRecording(row[0], row[1], from_us(row[2]), from_us(row[3]), row[4]) for row in rows]

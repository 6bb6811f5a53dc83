"""Counts of visits and passages, read from indexes alone, and what was watched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from functools import cache
from itertools import pairwise
from typing import get_args

from maskinfer.control.store.questions import (
    CameraEventKind,
    CountBy,
    CountRow,
    PassageRow,
    VisitQuery,
    WatchedSpan,
    WatchState,
)
from maskinfer.control.store.reading import conditions_of
from maskinfer.control.store.schema import QUARTER_US, from_us, to_us
from maskinfer.control.store.writing import CRASHED
from maskinfer.engine.errors import RequestError
from maskinfer.engine.visits.visit import Direction

_MINUTE_US = 60_000_000
# A run that was not heard of for so long has ended: it is heard of each ten seconds.
ALIVE_US = 30_000_000
_Found = dict[str, dict[str, list[int]]]
_STATES: dict[CameraEventKind, WatchState] = {
    "connected": "watched",
    "resumed": "watched",
    "lost": "lost",
    "paused": "paused",
    "off hours": "off hours",
    "stopped": "stopped",
}


def count_visits(db: sqlite3.Connection, where: VisitQuery, *ways: CountBy) -> list[list[CountRow]]:
    """Return the counts of all visits that are meant, for each way of counting, from one pass over an index.

    Args:
        db: the store's.
        where: which visits.
        ways: what to count by; ``zone`` among others only if the question is of one zone, as a visit may be in several.

    Raises:
        RequestError: there is no such way to count.
    """
    for way in ways:
        if way not in get_args(CountBy):
            raise RequestError(f"by is {way!r:.40}, expected one of {', '.join(get_args(CountBy))}")
    table = "v" if where.zone is None and ways != ("zone",) else "z"
    columns = ["quarter", "camera", "label", "violated"]
    columns = ["quarter", "zone", *columns[1:]] if table == "z" else columns
    expressions = {column: f"{table}.{column}" for column in columns}
    if "minute" in ways:
        expressions["minute"] = f"{table}.first_us / {_MINUTE_US}"
    rows = _groups(db, where, table, list(expressions.values()))
    places = list(expressions)
    label_at, violated_at = places.index("label"), places.index("violated")
    counts = [(places.index(_column(way)), _namer(way, where.time_zone), _Found({})) for way in ways]
    for *group, visits in rows:
        label, violations = group[label_at], visits * group[violated_at]
        for at, name, found in counts:
            row = found.setdefault(name(group[at]), {}).setdefault(label, [0, 0])
            row[0] += visits
            row[1] += violations
    return [_in_order(way, found) for way, (_, _, found) in zip(ways, counts, strict=True)]


def _groups(db: sqlite3.Connection, where: VisitQuery, table: str, columns: list[str]) -> sqlite3.Cursor:
    """Return how many visits are in each group that the index for counting has side by side, so that none is sorted."""
    conditions, values = conditions_of(where, table)
    if where.from_at is not None:  # the quarter leads the index
        conditions.append(f"{table}.quarter >= {to_us(where.from_at) // QUARTER_US}")
    if where.to_at is not None:
        conditions.append(f"{table}.quarter <= {to_us(where.to_at) // QUARTER_US}")
    # Named, since SQLite would rather take one that begins with the camera or the zone, and then sort.
    source = "visits v INDEXED BY visits_counted" if table == "v" else "visit_zones z INDEXED BY visit_zones_counted"
    groups = ", ".join(columns)
    return db.execute(
        f"SELECT {groups}, count(*) FROM {source} WHERE {' AND '.join(conditions) or '1'} GROUP BY {groups}", values
    )


def _in_order(way: CountBy, found: _Found) -> list[CountRow]:
    """Return the rows of times in order, an hour that a clock repeats twice, and those of names by the alphabet."""
    keys = sorted(found, key=datetime.fromisoformat) if way in ("minute", "hour", "day") else sorted(found)
    return [CountRow(key, label, *numbers) for key in keys for label, numbers in sorted(found[key].items())]


def _column(by: CountBy) -> str:
    return "quarter" if by in ("hour", "day") else by


def _namer(by: CountBy, zone: tzinfo | None) -> Callable[[int | str], str]:
    """Return what names a group's value: of a time its begin in the time zone, otherwise the name that it is."""
    if by not in ("minute", "hour", "day"):
        return str
    unit_us = _MINUTE_US if by == "minute" else QUARTER_US

    @cache
    def name(value: int | str) -> str:
        local = from_us(int(value) * unit_us, zone)
        if by == "day":
            return local.date().isoformat()
        return (local if by == "minute" else local.replace(minute=0)).isoformat()

    return name


def count_passages(db: sqlite3.Connection, where: VisitQuery) -> list[PassageRow]:
    """Return how many people passed each line; of the question its period and its camera count."""
    found = []
    for camera in names(db, "passages", "camera"):
        if where.camera not in (None, camera):
            continue
        for line in names(db, "passages", "line", "camera = ?", camera):
            for direction in get_args(Direction):
                (count,) = db.execute(
                    "SELECT count(*) FROM passages "
                    "WHERE camera = ? AND line = ? AND direction = ? AND at_us >= ? AND at_us < ?",
                    (camera, line, direction, *_bounds_us(where)),
                ).fetchone()
                found += [PassageRow(camera, line, direction, count)] if count else []
    return found


def names(db: sqlite3.Connection, table: str, column: str, condition: str = "1", *values: str) -> Iterator[str]:
    """Yield the names that an indexed column holds, each found in the index without looking through its rows."""
    name: str | None = ""
    while True:
        question = f"SELECT min({column}) FROM {table} WHERE {condition} AND {column} > ?"
        (name,) = db.execute(question, (*values, name)).fetchone()
        if name is None:
            return
        yield name


def _bounds_us(where: VisitQuery) -> tuple[int, int]:
    return (
        -(2**62) if where.from_at is None else to_us(where.from_at),
        2**62 if where.to_at is None else to_us(where.to_at),
    )


def find_watched(db: sqlite3.Connection, where: VisitQuery, now: datetime) -> list[WatchedSpan]:
    """Return when each camera was watched and when not, without gaps from its first event on."""
    wanted = [camera for camera in names(db, "camera_events", "camera") if where.camera in (None, camera)]
    return [span for camera in wanted for span in _watched(db, camera, where, _known_until(db, to_us(now)))]


def _known_until(db: sqlite3.Connection, now_us: int) -> tuple[int, int]:
    """Return now, and until when the last events of the cameras hold: not longer than maskinfer runs."""
    (alive_us,) = db.execute("SELECT max(alive_us) FROM runs WHERE ended_us IS NULL").fetchone()
    return now_us, now_us if alive_us is None or alive_us + ALIVE_US > now_us else alive_us


def _watched(db: sqlite3.Connection, camera: str, where: VisitQuery, until: tuple[int, int]) -> Iterator[WatchedSpan]:
    (first_us, last_us), (now_us, alive_us) = _bounds_us(where), until
    rows = db.execute(
        "SELECT at_us, kind, reason FROM camera_events WHERE camera = ?1 AND at_us < ?3 AND at_us >= "
        "coalesce((SELECT max(at_us) FROM camera_events WHERE camera = ?1 AND at_us <= ?2), ?2) "
        "ORDER BY at_us, number",
        (camera, first_us, last_us),
    ).fetchall()
    states = [(at_us, _STATES.get(kind, "stopped"), reason) for at_us, kind, reason in rows]
    if states and alive_us < now_us and states[-1][1] != "stopped":
        states.append((max(alive_us, states[-1][0]), "stopped", CRASHED))
    states.append((min(now_us, last_us), "stopped", ""))  # where the last one ends
    for (from_, state, reason), (to, _, _) in pairwise(states):
        begin, end = max(from_, first_us), min(to, last_us, now_us)
        if begin < end:
            yield WatchedSpan(camera, from_us(begin, where.time_zone), from_us(end, where.time_zone), state, reason)

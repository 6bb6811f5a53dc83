"""Counts of visits and passages, read from indexes alone, and what was watched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
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
from maskinfer.engine.errors import RequestError

_MINUTE_US = 60_000_000
# A run that was not heard of for so long has ended: it is heard of each ten seconds.
ALIVE_US = 30_000_000
_STATES: dict[CameraEventKind, WatchState] = {
    "connected": "watched",
    "resumed": "watched",
    "lost": "lost",
    "paused": "paused",
    "off hours": "off hours",
    "stopped": "stopped",
}


def count_visits(db: sqlite3.Connection, where: VisitQuery, by: CountBy) -> list[CountRow]:
    """Return the counts of all visits that are meant, times in order, names by the alphabet.

    Raises:
        RequestError: there is no such way to count.
    """
    if by not in get_args(CountBy):
        raise RequestError(f"by is {by!r:.40}, expected one of {', '.join(get_args(CountBy))}")
    table = "v" if where.zone is None and by != "zone" else "z"
    source = "visits v" if table == "v" else "visit_zones z"
    group = f"{table}.{_column(by)}"
    conditions, values = conditions_of(where, table)
    if where.from_at is not None:  # the quarter leads the index
        conditions.append(f"{table}.quarter >= {to_us(where.from_at) // QUARTER_US}")
    if where.to_at is not None:
        conditions.append(f"{table}.quarter <= {to_us(where.to_at) // QUARTER_US}")
    rows = db.execute(
        f"SELECT {group}, {table}.label, count(*), sum({table}.violated) FROM {source} "
        f"WHERE {' AND '.join(conditions) or '1'} GROUP BY 1, 2 ORDER BY 1, 2",
        values,
    )
    name = _namer(by, where.time_zone)
    found: dict[tuple[str, str], list[int]] = {}
    for key, label, visits, violations in rows:
        row = found.setdefault((name(key), label), [0, 0])
        row[0] += visits
        row[1] += violations
    return [CountRow(key, label, *numbers) for (key, label), numbers in found.items()]


def _column(by: CountBy) -> str:
    if by == "minute":
        return f"first_us / {_MINUTE_US}"
    return "quarter" if by in ("hour", "day") else by


def _namer(by: CountBy, zone: tzinfo | None) -> Callable[[int | str], str]:
    """Return what names a group's value: of a time its begin in the time zone, otherwise the name that it is."""
    if by not in ("minute", "hour", "day"):
        return str
    unit_us = _MINUTE_US if by == "minute" else QUARTER_US

    def name(value: int | str) -> str:
        local = from_us(int(value) * unit_us, zone)
        if by == "day":
            return local.date().isoformat()
        return (local if by == "minute" else local.replace(minute=0)).isoformat()

    return name


def count_passages(db: sqlite3.Connection, where: VisitQuery) -> list[PassageRow]:
    """Return how many people passed each line; of the question its period and its camera count."""
    rows = db.execute(
        "SELECT camera, line, direction, count(*) FROM passages "
        "WHERE (?1 IS NULL OR camera = ?1) AND at_us >= ?2 AND at_us < ?3 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        (where.camera, *_bounds_us(where)),
    )
    return [PassageRow(*row) for row in rows]


def _bounds_us(where: VisitQuery) -> tuple[int, int]:
    return (
        -(2**62) if where.from_at is None else to_us(where.from_at),
        2**62 if where.to_at is None else to_us(where.to_at),
    )


def find_watched(db: sqlite3.Connection, where: VisitQuery, now: datetime) -> list[WatchedSpan]:
    """Return when each camera was watched and when not, without gaps from its first event on."""
    cameras = [row[0] for row in db.execute("SELECT DISTINCT camera FROM camera_events ORDER BY camera")]
    wanted = [camera for camera in cameras if where.camera in (None, camera)]
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
        states.append((max(alive_us, states[-1][0]), "stopped", "maskinfer ended without notice"))
    states.append((min(now_us, last_us), "stopped", ""))  # where the last one ends
    for (from_, state, reason), (to, _, _) in pairwise(states):
        begin, end = max(from_, first_us), min(to, last_us, now_us)
        if begin < end:
            yield WatchedSpan(camera, from_us(begin, where.time_zone), from_us(end, where.time_zone), state, reason)

"""The histograms of cameras in the tables of a store: the reference of each, and the weeks after it.

What is counted goes to the reference until that is complete, and after that to the week in which it was seen; by days,
as long as they are compared. Times are microseconds since 1970, as in all tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from maskinfer.engine.drift.compare import LEAST_PEOPLE, Drift, find_shifts, is_enough, total
from maskinfer.engine.drift.counts import WHATS, Counts, no_counts

TABLES = """
CREATE TABLE baselines (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    camera TEXT NOT NULL, models TEXT NOT NULL, began_us INTEGER NOT NULL, ended_us INTEGER
);
CREATE TABLE looks (
    baseline INTEGER NOT NULL REFERENCES baselines (number) ON DELETE CASCADE,
    is_reference INTEGER NOT NULL, week TEXT NOT NULL, day INTEGER NOT NULL,
    what TEXT NOT NULL, bin TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (baseline, is_reference, week, day, what, bin)
) WITHOUT ROWID;
"""
WHOLE_WEEK = -1
_DAY_US = 86_400_000_000
_WEEK_US = 7 * _DAY_US
# A camera before which hardly anybody comes has a reference after this all the same, for its pictures.
_LONGEST_US = 4 * _WEEK_US
_WEEK = timedelta(days=7)
_LATELY = 3
_DAYS = 3


def put_looks(db: sqlite3.Connection, camera: str, models: str, at: datetime, counts: Counts) -> None:
    """Add what was counted to a camera's reference, or to its week.

    Args:
        db: the store's, in a transaction.
        camera: its name.
        models: that looked; under others a new reference begins.
        at: when, an aware datetime, whose week is counted in its own time zone.
        counts: since the last call.
    """
    at_us = _to_us(at)
    number, began_us, ended_us = _baseline(db, camera, models) or _begin(db, camera, models, at_us)
    when = int(ended_us is None), monday(at), at.weekday()
    rows = [(number, *when, what, key, count) for what in counts for key, count in counts[what].items()]
    db.executemany(
        "INSERT INTO looks (baseline, is_reference, week, day, what, bin, count) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET count = count + excluded.count",
        rows,
    )
    lasted_us = at_us - began_us
    if ended_us is None and lasted_us >= _WEEK_US:
        people = total(_days(db, number, 1))["label"].total()
        if people >= LEAST_PEOPLE or lasted_us >= _LONGEST_US:
            db.execute("UPDATE baselines SET ended_us = ? WHERE number = ?", (at_us, number))


def renew(db: sqlite3.Connection, camera: str, at: datetime) -> None:
    """Begin the reference of a camera anew: it looks as it should now."""
    found = db.execute(
        "SELECT models FROM baselines WHERE camera = ? ORDER BY number DESC LIMIT 1", (camera,)
    ).fetchone()
    if found is not None:
        _begin(db, camera, found[0], _to_us(at))


def read_drifts(db: sqlite3.Connection, now: datetime) -> dict[str, Drift]:
    """Return how each camera looks against its reference, by name; those that nothing is known of are not in it.

    What counts is the latest week, or two if one has too few people, of the last three. The running one counts from
    its fourth day on: the light of a Monday morning is not that of a week.
    """
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'baselines'").fetchone() is None:
        return {}  # a store of version 1 that is only read
    newest = "SELECT number, camera, began_us, ended_us FROM baselines b WHERE number = "
    newest += "(SELECT max(number) FROM baselines WHERE camera = b.camera) ORDER BY camera"
    last = now if now.weekday() >= _DAYS else now - _WEEK
    weeks = [monday(last - _WEEK * n) for n in range(_LATELY)]
    found = {}
    for number, camera, began_us, ended_us in db.execute(newest).fetchall():
        since = datetime.fromtimestamp(began_us / 1e6, UTC).astimezone()
        reference = _days(db, number, 1)
        if ended_us is None:
            found[camera] = Drift("learning", since, total(reference)["label"].total())
        else:
            found[camera] = _drift(since, reference, [_days(db, number, 0, week) for week in weeks])
    return found


def forget_looks(db: sqlite3.Connection, before_us: int) -> None:
    """Forget weeks before a time, and references that others took the place of before it; those in force stay."""
    before = monday(datetime.fromtimestamp(max(0, before_us) / 1e6, UTC))
    db.execute("DELETE FROM looks WHERE is_reference = 0 AND week < ?", (before,))
    # Days of weeks that are compared no more become a week.
    old = "is_reference = 0 AND day != ? AND week < ?"
    values = (WHOLE_WEEK, monday(datetime.now(UTC) - (_LATELY + 1) * _WEEK))
    db.execute(
        f"INSERT INTO looks SELECT baseline, 0, week, {WHOLE_WEEK}, what, bin, sum(count) FROM looks WHERE {old} "
        "GROUP BY baseline, week, what, bin ON CONFLICT DO UPDATE SET count = count + excluded.count",
        values,
    )
    db.execute(f"DELETE FROM looks WHERE {old}", values)
    db.execute(
        "DELETE FROM baselines WHERE EXISTS (SELECT 1 FROM baselines later WHERE later.camera = baselines.camera "
        "AND later.number > baselines.number AND later.began_us < ?)",
        (before_us,),
    )


def monday(at: datetime) -> str:
    """Return the date on which the week of a time begins.

    >>> monday(datetime(2026, 11, 26, 12, 0, tzinfo=UTC))
    '2026-11-23'
    """
    return (at.date() - timedelta(days=at.weekday())).isoformat()


def _baseline(db: sqlite3.Connection, camera: str, models: str) -> tuple[int, int, int | None] | None:
    row = db.execute(
        "SELECT number, began_us, ended_us, models FROM baselines WHERE camera = ? ORDER BY number DESC LIMIT 1",
        (camera,),
    ).fetchone()
    return None if row is None or row[3] != models else (row[0], row[1], row[2])


def _begin(db: sqlite3.Connection, camera: str, models: str, at_us: int) -> tuple[int, int, None]:
    db.execute("INSERT INTO baselines (camera, models, began_us) VALUES (?, ?, ?)", (camera, models, at_us))
    return int(db.execute("SELECT last_insert_rowid()").fetchone()[0]), at_us, None


def _days(db: sqlite3.Connection, number: int, is_reference: int, week: str | None = None) -> list[Counts]:
    """Return the histograms of the days of a reference, or of a week after it."""
    days: dict[tuple[str, int], Counts] = {}
    rows = db.execute(
        "SELECT week, day, what, bin, count FROM looks WHERE baseline = ?1 AND is_reference = ?2 "
        "AND (?3 IS NULL OR week = ?3)",
        (number, is_reference, week),
    )
    for at_week, day, what, key, count in rows:
        if what in WHATS:
            days.setdefault((at_week, day), no_counts())[what][key] = count
    return list(days.values())


def _drift(since: datetime, reference: Sequence[Counts], weeks: Sequence[Sequence[Counts]]) -> Drift:
    """Compare weeks, the latest first, with the reference."""
    latest = _latest([list(week) for week in weeks if week])
    shifts = find_shifts(reference, latest)
    whole, before = total(latest), total(reference)
    is_known = any(is_enough(what, before[what]) and is_enough(what, whole[what]) for what in WHATS)
    state = "moved" if shifts else "as before" if is_known else "too little"
    return Drift(state, since, whole["label"].total(), shifts)  # type: ignore[arg-type]


def _latest(weeks: list[list[Counts]]) -> list[Counts]:
    """Return the days of what was seen last: of each kind those of the latest week, or of two if one has too few."""
    if len(weeks) < 2:
        return weeks[0] if weeks else []
    last = total(weeks[0])
    missing = [what for what in WHATS if not is_enough(what, last[what])]
    return [*weeks[0], *({**no_counts(), **{what: day[what] for what in missing}} for day in weeks[1])]


def _to_us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)

"""The tables of a store, and how one of an older version becomes one of this version.

Times are whole microseconds since 1970-01-01 UTC and end in ``_us``. docs/reference/store.md describes every column.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, tzinfo

from maskinfer.control.drift.tables import TABLES
from maskinfer.engine.errors import RequestError

VERSION = 2
APPLICATION_ID = 0x6D61736B  # "mask": what the file is, for file(1) and for us
QUARTER_US = 900_000_000  # a quarter of an hour, by which visits are counted: every time zone's offset is a multiple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_V1 = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    began_us INTEGER NOT NULL, alive_us INTEGER NOT NULL, ended_us INTEGER
);
CREATE TABLE camera_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    camera TEXT NOT NULL, at_us INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX camera_events_by_time ON camera_events (camera, at_us);

CREATE TABLE visits (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, camera TEXT NOT NULL,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, quarter INTEGER NOT NULL,
    label TEXT NOT NULL, bare TEXT, violated INTEGER NOT NULL, ended TEXT
);
CREATE INDEX visits_by_time ON visits (first_us);
CREATE INDEX visits_by_camera ON visits (camera, first_us);
CREATE INDEX visits_by_label ON visits (label, first_us);
CREATE INDEX visits_counted ON visits (quarter, camera, label, violated, first_us);
CREATE INDEX visits_violated ON visits (first_us) WHERE violated = 1;
CREATE INDEX visits_open ON visits (number) WHERE ended IS NULL;

CREATE TABLE visit_zones (
    visit INTEGER NOT NULL REFERENCES visits (number) ON DELETE CASCADE, place INTEGER NOT NULL,
    zone TEXT NOT NULL, camera TEXT NOT NULL, first_us INTEGER NOT NULL, quarter INTEGER NOT NULL,
    label TEXT NOT NULL, violated INTEGER NOT NULL,
    PRIMARY KEY (visit, place)
) WITHOUT ROWID;
CREATE INDEX visit_zones_by_time ON visit_zones (zone, first_us);
CREATE INDEX visit_zones_counted ON visit_zones (quarter, zone, camera, label, violated, first_us);

CREATE TABLE spans (
    visit INTEGER NOT NULL REFERENCES visits (number) ON DELETE CASCADE, place INTEGER NOT NULL,
    label TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, score REAL NOT NULL, bare TEXT,
    PRIMARY KEY (visit, place)
) WITHOUT ROWID;
CREATE TABLE passages (
    visit INTEGER NOT NULL REFERENCES visits (number) ON DELETE CASCADE, place INTEGER NOT NULL,
    camera TEXT NOT NULL, line TEXT NOT NULL, direction TEXT NOT NULL, at_us INTEGER NOT NULL,
    PRIMARY KEY (visit, place)
) WITHOUT ROWID;
CREATE INDEX passages_counted ON passages (camera, line, direction, at_us);
CREATE TABLE violations (
    visit INTEGER NOT NULL REFERENCES visits (number) ON DELETE CASCADE, place INTEGER NOT NULL,
    zone TEXT, label TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, bare TEXT,
    PRIMARY KEY (visit, place)
) WITHOUT ROWID;

CREATE TABLE pictures (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, visit INTEGER NOT NULL REFERENCES visits (number) ON DELETE CASCADE,
    label TEXT NOT NULL, at_us INTEGER NOT NULL, quality REAL NOT NULL,
    left REAL NOT NULL, top REAL NOT NULL, right REAL NOT NULL, bottom REAL NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
    UNIQUE (visit, label)
);
CREATE INDEX pictures_by_time ON pictures (at_us, size_bytes);
CREATE TABLE recordings (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, camera TEXT NOT NULL, file TEXT NOT NULL UNIQUE,
    from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, size_bytes INTEGER NOT NULL
);
CREATE INDEX recordings_by_time ON recordings (camera, from_us);
"""

# What turns a store of version n - 1 into one of version n; a new version adds a step, and never changes an old one.
STEPS = (_V1, TABLES)


def to_us(at: datetime) -> int:
    """Return an aware datetime in microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def from_us(us: int, zone: tzinfo | None = None) -> datetime:
    """Return microseconds since 1970 as a datetime in a time zone; None for this machine's."""
    return (_EPOCH + us * _MICROSECOND).astimezone(zone)


def now_us() -> int:
    """Return the time on the wall in microseconds since 1970."""
    return to_us(datetime.now(UTC))


def version_of(database: sqlite3.Connection) -> int:
    """Return a store's version; 0 for an empty file."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def check_version(database: sqlite3.Connection, what: str) -> int:
    """Return a store's version if this maskinfer can read it.

    Raises:
        RequestError: it was written by a newer maskinfer.
    """
    version = version_of(database)
    if version > VERSION:
        raise RequestError(
            f"{what} has version {version} and this maskinfer knows versions up to {VERSION}: update maskinfer, or "
            "choose another folder"
        )
    return version


def migrate(database: sqlite3.Connection, what: str) -> None:
    """Bring a store to this version, each step whole or not at all.

    Raises:
        RequestError: it was written by a newer maskinfer.
    """
    for version in range(check_version(database, what) + 1, VERSION + 1):
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};"
        try:
            database.executescript(f"BEGIN IMMEDIATE; {STEPS[version - 1]} {marks} COMMIT;")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

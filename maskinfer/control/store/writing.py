"""What is written to a store's tables; every function runs inside a transaction of its caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from maskinfer.control.store.pictures import SavedPicture
from maskinfer.control.store.questions import CameraEventKind
from maskinfer.control.store.schema import QUARTER_US, to_us
from maskinfer.engine.visits.visit import BestPicture, Visit

# Why maskinfer was not running, after these very words.
CRASHED, CLOSED = "it ended without notice", ""


def put_visit(db: sqlite3.Connection, visit: Visit) -> int:
    """Write a visit as it is now; returns its number."""
    first_us, violated = to_us(visit.first_at), int(bool(visit.violations))
    counted = (visit.camera, first_us, first_us // QUARTER_US, visit.label)
    db.execute(
        "INSERT INTO visits (id, camera, first_us, quarter, label, last_us, bare, violated, ended) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET camera = excluded.camera, first_us = excluded.first_us, "
        "quarter = excluded.quarter, label = excluded.label, last_us = excluded.last_us, bare = excluded.bare, "
        "violated = excluded.violated, ended = excluded.ended",
        (visit.id, *counted, to_us(visit.last_at), visit.bare, violated, visit.ended),
    )
    number = int(db.execute("SELECT number FROM visits WHERE id = ?", (visit.id,)).fetchone()[0])
    _put_zones(db, number, visit, counted)
    _put_rows(
        db,
        "spans",
        number,
        [(s.label, to_us(s.from_at), to_us(s.to_at), s.score, s.bare) for s in visit.spans],
    )
    _put_rows(db, "passages", number, [(visit.camera, p.line, p.direction, to_us(p.at)) for p in visit.passages])
    _put_rows(
        db,
        "violations",
        number,
        [(v.zone, v.label, to_us(v.from_at), to_us(v.to_at), v.bare) for v in visit.violations],
    )
    return number


def _put_zones(db: sqlite3.Connection, number: int, visit: Visit, counted: tuple[str, int, int, str]) -> None:
    """Write which zones a visit was in; one that was in none has a row with the zone ``""``, so that it counts."""
    camera, first_us, quarter, label = counted
    violated = {violation.zone or "" for violation in visit.violations}
    rows = [(zone, camera, first_us, quarter, label, int(zone in violated)) for zone in visit.zones or ("",)]
    _put_rows(db, "visit_zones", number, rows)


def _put_rows(db: sqlite3.Connection, table: str, visit: int, rows: Iterable[tuple[object, ...]]) -> None:
    db.execute(f"DELETE FROM {table} WHERE visit = ?", (visit,))
    numbered = [(visit, place, *row) for place, row in enumerate(rows)]
    if numbered:
        marks = ", ".join("?" * len(numbered[0]))
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", numbered)


def put_picture(db: sqlite3.Connection, visit: int, picture: SavedPicture) -> str | None:
    """Write where a visit's picture of a label is; returns the id of the one that it takes the place of."""
    old = db.execute("SELECT id FROM pictures WHERE visit = ? AND label = ?", (visit, picture.label)).fetchone()
    if old:
        db.execute("DELETE FROM pictures WHERE id = ?", old)
    row = (picture.id, visit, picture.label, to_us(picture.at), picture.quality)
    db.execute(
        "INSERT INTO pictures (id, visit, label, at_us, quality, left, top, right, bottom, width, height, size_bytes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, *picture.xyxy, *picture.size_wh, picture.size_bytes),
    )
    return str(old[0]) if old else None


def has_picture(db: sqlite3.Connection, visit_id: str, picture: BestPicture) -> bool:
    """Return whether a visit has that very picture already."""
    found = db.execute(
        "SELECT 1 FROM pictures p JOIN visits v ON v.number = p.visit WHERE v.id = ? AND p.label = ? AND p.at_us = ?",
        (visit_id, picture.label, to_us(picture.at)),
    ).fetchone()
    return found is not None


def put_camera_event(db: sqlite3.Connection, camera: str, kind: CameraEventKind, at_us: int, reason: str) -> None:
    """Write what happened to a camera, unless that is what its last event says."""
    last = db.execute(
        "SELECT kind, reason FROM camera_events WHERE camera = ? ORDER BY at_us DESC, number DESC LIMIT 1", (camera,)
    ).fetchone()
    if last != (kind, reason):
        db.execute(
            "INSERT INTO camera_events (camera, at_us, kind, reason) VALUES (?, ?, ?, ?)", (camera, at_us, kind, reason)
        )


def put_recording(
    db: sqlite3.Connection, new_id: str, camera: str, file: Path, span_us: tuple[int, int], size_bytes: int
) -> None:
    """Write that there is a recording, or that it is longer by now.

    Args:
        db: the store's.
        new_id: its id, if the file is new.
        camera: its name.
        file: path within the folder of recordings.
        span_us: begin and end.
        size_bytes: of the file.
    """
    db.execute(
        "INSERT INTO recordings (id, camera, file, from_us, to_us, size_bytes) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (file) DO UPDATE SET camera = excluded.camera, from_us = excluded.from_us, "
        "to_us = excluded.to_us, size_bytes = excluded.size_bytes",
        (new_id, camera, file.as_posix(), *span_us, size_bytes),
    )


def begin_run(db: sqlite3.Connection, now_us: int) -> int:
    """Write that maskinfer runs from now on, after closing what a crash left open; returns the run's number."""
    left = db.execute("SELECT number, alive_us FROM runs WHERE ended_us IS NULL").fetchall()
    for number, alive_us in left:
        _stop_cameras(db, alive_us, CRASHED)
        db.execute("UPDATE runs SET ended_us = alive_us WHERE number = ?", (number,))
    db.execute("UPDATE visits SET ended = 'stopped' WHERE ended IS NULL")
    db.execute("INSERT INTO runs (began_us, alive_us) VALUES (?, ?)", (now_us, now_us))
    return int(db.execute("SELECT last_insert_rowid()").fetchone()[0])


def stay_alive(db: sqlite3.Connection, run: int, now_us: int) -> None:
    """Write that maskinfer still runs; it is what is known of its end if it ends without notice."""
    db.execute("UPDATE runs SET alive_us = ? WHERE number = ?", (now_us, run))


def end_run(db: sqlite3.Connection, run: int, now_us: int) -> None:
    """Write that maskinfer stops, and with it every camera and visit."""
    _stop_cameras(db, now_us, CLOSED)
    db.execute("UPDATE visits SET ended = 'stopped' WHERE ended IS NULL")
    db.execute("UPDATE runs SET alive_us = ?, ended_us = ? WHERE number = ?", (now_us, now_us, run))


def _stop_cameras(db: sqlite3.Connection, at_us: int, reason: str) -> None:
    for (camera,) in db.execute("SELECT DISTINCT camera FROM camera_events").fetchall():
        last = db.execute(
            "SELECT kind, at_us FROM camera_events WHERE camera = ? ORDER BY at_us DESC, number DESC LIMIT 1", (camera,)
        ).fetchone()
        if last[0] != "stopped":
            put_camera_event(db, camera, "stopped", max(at_us, last[1]), reason)

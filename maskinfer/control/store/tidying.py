"""A store's files against its tables: what is too old or too much goes, and so does what no table names."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from maskinfer.control.store.database import PICTURES, RECORDINGS, transaction
from maskinfer.control.store.pictures import new_id, remove_picture
from maskinfer.control.store.retention import Retention, sweep
from maskinfer.control.store.schema import now_us, to_us
from maskinfer.control.store.writing import put_recording
from maskinfer.engine.jobs.recovery import recover_videos

_FREED_PAGES = 2000


def tidy(db: sqlite3.Connection, folder: Path, retention: Retention) -> bool:
    """Forget some of what is too old or too much; returns whether there is more.

    Raises:
        sqlite3.Error: the tables cannot be written.
    """
    with transaction(db):
        swept = sweep(db, retention, now_us())
    for picture_id in swept.pictures:
        remove_picture(folder / PICTURES, picture_id)
    for name in swept.recordings:
        with suppress(OSError):
            (folder / RECORDINGS / name).unlink()
    if swept.pictures or swept.recordings or swept.visits:
        # As a script: ``execute`` takes one step alone of a statement without columns, which frees one page.
        db.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")
    return swept.more


def tidy_all(db: sqlite3.Connection, folder: Path, retention: Retention) -> None:
    """Forget all that is too old or too much; raises as ``tidy``."""
    while tidy(db, folder, retention):
        pass


def remove_stray_pictures(db: sqlite3.Connection, folder: Path) -> None:
    """Remove the pictures that a crash left without a row, and halves of pictures."""
    for part in (folder / PICTURES).glob("*"):
        rows = db.execute("SELECT id FROM pictures WHERE id >= ? AND id < ?", (part.name, f"{part.name}g"))
        known = {f"{row[0]}.jpg" for row in rows}
        for file in part.glob("*"):
            if file.name not in known:
                with suppress(OSError):
                    file.unlink()


def adopt_recordings(db: sqlite3.Connection, folder: Path, on_status: Callable[[str], None]) -> None:
    """Take over recordings that a crash left: cut off under another name, or without a row.

    Their camera is the name of their folder; what they show is not known, so they count as of when they were written.
    Runs inside a transaction of its caller.
    """
    root = folder / RECORDINGS
    recover_videos([path / "any.mkv" for path in root.glob("*") if path.is_dir()], on_status)
    known = {row[0] for row in db.execute("SELECT file FROM recordings")}
    for file in root.glob("*/*"):
        name = file.relative_to(root)
        if name.as_posix() in known or file.name.startswith(".") or not file.is_file():
            continue
        with suppress(FileNotFoundError):
            state = file.stat()
            at_us = to_us(datetime.fromtimestamp(state.st_mtime, UTC))
            put_recording(db, new_id(), name.parts[0], name, (at_us, at_us), state.st_size)

"""Records that wait for a receiver, in a file that survives the process: first in, first out."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

MAX_WAITING = 10_000
# Another process that holds the queue's head may have died: after so long it is taken over.
_CLAIM_S = 15.0
_BUSY_S = 5.0
_TABLE = """
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY AUTOINCREMENT, record TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '', claimed_until REAL NOT NULL DEFAULT 0
)
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that waits.

    Attributes:
        number: its place in the queue.
        record: what is to be posted.
        attempts: how often it was posted already.
    """

    number: int
    record: dict[str, Any]
    attempts: int


def queue_file(url: str) -> Path:
    """Return where the records for a receiver wait: a file that its address names without showing it.

    It lies in ``maskinfer/webhooks`` where this system keeps the state of programs, ``~/.local/state`` on Linux.
    """
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    return user_state_path("maskinfer", appauthor=False) / "webhooks" / f"{digest}.sqlite"


class Queue:
    """A queue of records that several threads, and several processes that post to one receiver, may use.

    Args:
        file: that they wait in.
        owner: an id of this process.
        most: how many may wait; None for ``MAX_WAITING``.

    Attributes:
        problem: why the records wait in memory only and do not survive the process; empty if they do.
        dead_letters: file of those that the receiver refused for good, a line each.
        dropped: how many of the oldest went for want of room.
    """

    def __init__(self, file: Path, owner: str, most: int | None = None) -> None:
        self._owner, self._lock = owner, threading.Lock()
        self._most = MAX_WAITING if most is None else most
        self.problem, self.dropped = "", 0
        self.dead_letters = file.with_suffix(".refused.jsonl")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(0o600)
            self._database = _open(str(file))
        except (OSError, sqlite3.Error) as error:
            self.problem = str(error)
            self._database = _open(":memory:")

    def put(self, record: dict[str, Any]) -> None:
        """Add a record; of more than may wait, the oldest go. Raises ``sqlite3.Error`` on a full disk."""
        with self._lock, self._database as database:
            database.execute("INSERT INTO waiting (record) VALUES (?)", (json.dumps(record, ensure_ascii=False),))
            (count,) = database.execute("SELECT count(*) FROM waiting").fetchone()
            if count > self._most:
                oldest = "SELECT number FROM waiting ORDER BY number LIMIT ?"
                database.execute(f"DELETE FROM waiting WHERE number IN ({oldest})", (count - self._most,))
                self.dropped += count - self._most

    def take(self) -> Waiting | None:
        """Return the oldest record, held for this process; None where there is none or another process holds it."""
        with self._lock, self._database as database:
            database.execute("BEGIN IMMEDIATE")
            row = database.execute(
                "SELECT number, record, attempts, owner, claimed_until FROM waiting ORDER BY number LIMIT 1"
            ).fetchone()
            now_s = time.time()
            if row is None or (row[3] not in ("", self._owner) and now_s < row[4] < now_s + 2 * _CLAIM_S):
                return None
            database.execute(
                "UPDATE waiting SET owner = ?, claimed_until = ?, attempts = attempts + 1 WHERE number = ?",
                (self._owner, now_s + _CLAIM_S, row[0]),
            )
        return Waiting(row[0], json.loads(row[1]), row[2])

    def remove(self, waiting: Waiting) -> None:
        """Forget a record: it was taken, or refused for good."""
        with self._lock, self._database as database:
            database.execute("DELETE FROM waiting WHERE number = ?", (waiting.number,))

    def bury(self, waiting: Waiting, reason: str) -> None:
        """Keep a record that the receiver refused among the dead letters, and forget it here."""
        letter = {"refused": reason, "attempts": waiting.attempts + 1, "record": waiting.record}
        self.dead_letters.touch(0o600)
        with self.dead_letters.open("a", encoding="utf-8") as file:
            file.write(json.dumps(letter, ensure_ascii=False) + "\n")
        self.remove(waiting)

    def __len__(self) -> int:
        with self._lock:
            return int(self._database.execute("SELECT count(*) FROM waiting").fetchone()[0])

    def close(self) -> None:
        """Let go of what this process holds, and of the file."""
        with self._lock, closing(self._database), self._database as database:
            database.execute("UPDATE waiting SET claimed_until = 0, owner = '' WHERE owner = ?", (self._owner,))


def _open(target: str) -> sqlite3.Connection:
    database = sqlite3.connect(target, timeout=_BUSY_S, check_same_thread=False)
    # What was written survives kill -9; a power failure may cost the last second.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    with database:
        database.execute(_TABLE)
    return database

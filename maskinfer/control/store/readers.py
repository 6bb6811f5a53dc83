"""Connections that read a store: one for each thread that asks at the same time, some kept for the next ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from maskinfer.control.store.database import open_for_reading, said

# Each keeps pages of the store in memory; after a rush of questions the others are closed.
MOST_IDLE = 4


class Readers:
    """Lends connections to a folder's store; may be used from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, Lock()
        self._idle: list[tuple[int, sqlite3.Connection]] = []

    @contextmanager
    def lend(self, generation: int) -> Iterator[sqlite3.Connection]:
        """Lend a connection: one that is idle, or a new one.

        Args:
            generation: how often the store was begun anew; connections to the one before are closed.

        Raises:
            SourceError: the store is broken, or cannot be read.
        """
        database = self._take_idle(generation) or open_for_reading(self._folder)
        try:
            with said(self._folder):
                yield database
        except BaseException:
            database.close()
            raise
        with self._lock:
            self._idle.append((generation, database))
            _, too_many = self._idle.pop(0) if len(self._idle) > MOST_IDLE else (0, None)
        if too_many is not None:
            too_many.close()

    @property
    def idle(self) -> int:
        """How many connections wait for the next one who asks."""
        return len(self._idle)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, database in idle:
            database.close()

    def _take_idle(self, generation: int) -> sqlite3.Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                made_for, database = self._idle.pop()
            if made_for == generation:
                return database
            database.close()

"""The one thread that writes to a store: it takes what is queued, commits, tells, and tidies up.

On a disk that is full or fails, what was queued waits in memory and is tried again each second.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic

from maskinfer.control.store import writing
from maskinfer.control.store.database import PICTURES, check, is_broken, move_aside, open_for_writing, transaction
from maskinfer.control.store.operations import CameraEvent, Change, Flush, Operation, compacted, write
from maskinfer.control.store.pictures import remove_picture, save_picture
from maskinfer.control.store.questions import StoredVisit
from maskinfer.control.store.reading import find_visit
from maskinfer.control.store.retention import Retention
from maskinfer.control.store.schema import now_us
from maskinfer.control.store.tidying import adopt_recordings, remove_stray_pictures, tidy, tidy_all
from maskinfer.engine.errors import OnError, OutputError
from maskinfer.engine.files.follow import Health
from maskinfer.engine.visits.visit import VisitChange

_GATHER_S = 0.2  # changes that come so soon after one another are committed together
_IDLE_S = 1.0
_ALIVE_S = 10.0
_TIDY_S = 60.0
_MOST_AT_ONCE = 500
_MOST_WAITING = 20_000  # on a full disk; then only the last state of each visit waits

Tell = Callable[[StoredVisit, VisitChange], None]


class Writer:
    """Writes to a folder's store, in a thread of its own.

    Args:
        folder: of the store, which this process holds.
        retention: what is kept.
        on_error: called with one line for each fault that ends nothing.
        tell: called after a change was committed, or could not be for want of room.

    Attributes:
        retention: what is kept from now on.
        generation: how often the store was begun anew because the old one broke.

    Raises:
        RequestError: the store was written by a newer maskinfer, or is none of maskinfer.
        OutputError: it cannot be written to.
    """

    def __init__(self, folder: Path, retention: Retention, on_error: OnError, tell: Tell) -> None:
        self._folder, self.retention, self._on_error, self._tell = folder, retention, on_error, tell
        self._queue: SimpleQueue[Operation] = SimpleQueue()
        self._waiting: list[Operation] = []
        self._picture_health = Health(f"pictures in {folder}", "picture", on_error)
        self._closing, self._suspected = Event(), Event()
        self._problem, self.generation, self._is_open = "", 0, False
        self._cameras: dict[str, CameraEvent] = {}
        self._alive_s = self._tidied_s = monotonic()
        self._open()
        self._thread = Thread(target=self._run, name="maskinfer store", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        self._db = open_for_writing(self._folder, self._on_error)
        try:
            with transaction(self._db):
                self._run_number = writing.begin_run(self._db, now_us())
                adopt_recordings(self._db, self._folder, self._on_error)
        except (sqlite3.Error, OSError) as error:
            self._db.close()
            raise OutputError(f"the store in {self._folder} cannot be written: {error}") from error
        self._is_open = True

    def put(self, operation: Operation) -> None:
        """Queue something; never waits."""
        self._queue.put(operation)

    def flush(self) -> None:
        """Wait until all that was queued is committed.

        Raises:
            OutputError: it cannot be now and will be tried again, or the store is closed.
        """
        self._wait_for(Flush())

    def sweep(self) -> None:
        """Wait until what is queued is committed, and what is too old or too much is forgotten.

        Raises:
            OutputError: as for ``flush``.
        """
        self._wait_for(Flush(is_sweep=True))

    def suspect(self) -> None:
        """Look whether the store is broken, soon: a reader said so."""
        self._suspected.set()

    def _wait_for(self, flush: Flush) -> None:
        self.put(flush)
        while not flush.done.wait(0.5):
            if not self._thread.is_alive():
                raise OutputError(f"the store in {self._folder} is closed")
        if flush.error:
            raise OutputError(flush.error)

    def close(self) -> None:
        """Write what is queued, end the run, and stop; may be called again."""
        self._closing.set()
        self.put(Flush())
        self._thread.join()

    def _run(self) -> None:
        self._attempt(lambda: remove_stray_pictures(self._db, self._folder))
        self._tidy()
        while not self._closing.is_set() or not self._queue.empty():
            self._gather()
            if self._suspected.is_set():
                self._suspected.clear()
                self._attempt(lambda: check(self._folder))
            self._commit()
            if monotonic() - self._tidied_s >= _TIDY_S:
                self._tidy()
        self._end()

    def _end(self) -> None:
        if self._waiting:
            self._on_error(f"{self._problem}; {len(self._waiting)} changes are lost")
        self._picture_health.close()
        with suppress(sqlite3.Error), transaction(self._db):
            writing.end_run(self._db, self._run_number, now_us())
        self._db.close()

    def _gather(self) -> None:
        """Move what is queued to what waits: the first one, and what follows soon."""
        until_s = monotonic() + _IDLE_S
        with suppress(Empty):
            for count in range(_MOST_AT_ONCE):
                operation = self._queue.get(timeout=max(0.0, until_s - monotonic()))
                self._waiting.append(operation)
                if isinstance(operation, Flush):
                    break
                until_s = monotonic() + _GATHER_S if count == 0 else until_s
        if len(self._waiting) > _MOST_WAITING:
            self._waiting = compacted(self._waiting)

    def _commit(self) -> None:
        """Write what waits, whole or not at all; what cannot be written goes on waiting."""
        try:
            if not self._is_open:
                self._open_anew()
            replaced = self._write()
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            return
        for picture_id in filter(None, replaced):
            remove_picture(self._folder / PICTURES, picture_id)
        if self._problem and self._waiting:
            self._on_error(f"the store in {self._folder} is written again; no change was lost")
            self._problem = ""
        done, self._waiting = self._waiting, []
        if any(isinstance(operation, Flush) and operation.is_sweep for operation in done):
            self._attempt(lambda: tidy_all(self._db, self._folder, self.retention))
        self._release(done)

    def _write(self) -> list[str | None]:
        is_alive_due = monotonic() - self._alive_s >= _ALIVE_S
        if not is_alive_due and all(isinstance(operation, Flush) for operation in self._waiting):
            return []
        for operation in self._waiting:
            if isinstance(operation, Change) and not operation.is_tried:
                self._save_picture(operation)
        with transaction(self._db):
            replaced = [write(self._db, operation) for operation in self._waiting]
            writing.stay_alive(self._db, self._run_number, now_us())
        self._alive_s = monotonic()
        self._cameras |= {event.camera: event for event in self._waiting if isinstance(event, CameraEvent)}
        return replaced

    def _save_picture(self, operation: Change) -> None:
        operation.is_tried = True
        picture = operation.change.picture
        if picture is None or writing.has_picture(self._db, operation.change.visit.id, picture):
            return

        def save() -> None:
            if shutil.disk_usage(self._folder).free < self.retention.min_free_for_pictures_bytes:
                raise OutputError(f"no more pictures are saved in {self._folder}: the disk is almost full")
            operation.saved = save_picture(self._folder / PICTURES, picture)

        self._picture_health.attempt(save)

    def _fail(self, error: sqlite3.Error | OSError) -> None:
        if isinstance(error, sqlite3.Error) and is_broken(error):
            with suppress(OSError, sqlite3.Error):
                self._begin_anew(error)
                return
        problem = f"the store in {self._folder} cannot be written: {error}"
        if not self._problem:
            self._on_error(f"{problem}; changes wait in memory until it can be")
        self._problem = problem
        self._release(self._waiting, problem)
        self._waiting = [operation for operation in self._waiting if not isinstance(operation, Flush)]
        self._closing.wait(_IDLE_S)

    def _begin_anew(self, error: sqlite3.Error) -> None:
        """Move a store that broke meanwhile aside, and begin a new one; if that fails now, it is tried again."""
        self._db.close()
        self._is_open = False
        self._on_error(move_aside(self._folder, error))
        self._open_anew()

    def _open_anew(self) -> None:
        """Open a new store: how the cameras are goes into it, and what waits, without its pictures."""
        self._open()
        self.generation += 1
        for operation in self._waiting:
            if isinstance(operation, Change):
                operation.saved = None
        now = datetime.now(UTC)
        self._waiting = [*(replace(event, at=now) for event in self._cameras.values()), *self._waiting]

    def _release(self, operations: list[Operation], problem: str = "") -> None:
        """Tell who listens what was written, and what could not be for now."""
        for operation in operations:
            if isinstance(operation, Flush):
                operation.error = problem
                operation.done.set()
            elif isinstance(operation, Change) and not operation.is_told:
                operation.is_told = True
                self._tell(self._stored(operation.change), operation.change)

    def _stored(self, change: VisitChange) -> StoredVisit:
        with suppress(sqlite3.Error):
            found = find_visit(self._db, change.visit.id)
            if found is not None:
                return found
        return StoredVisit(change.visit, (), "")

    def _tidy(self) -> None:
        self._tidied_s = monotonic()
        self._attempt(self._tidy_some)

    def _tidy_some(self) -> None:
        if tidy(self._db, self._folder, self.retention):
            self._tidied_s -= _TIDY_S  # more of it after the next commit

    def _attempt(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (sqlite3.Error, OSError) as error:
            self._fail(error)

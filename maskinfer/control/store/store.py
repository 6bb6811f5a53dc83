"""The store of a watch: visits, their pictures, recordings, and what was watched, in one folder."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, tzinfo
from pathlib import Path
from threading import Lock

from maskinfer.control.drift.tables import read_drifts
from maskinfer.control.store import counting, reading
from maskinfer.control.store.counting import names
from maskinfer.control.store.database import PICTURES, RECORDINGS, is_broken, only_writer, open_for_reading
from maskinfer.control.store.operations import CameraEvent, Change, Looks, Operation, Recording
from maskinfer.control.store.pictures import new_id, path_of
from maskinfer.control.store.questions import (
    CameraEventKind,
    CountBy,
    CountRow,
    PassageRow,
    StoredRecording,
    StoredVisit,
    StoreUsage,
    VisitQuery,
    WatchedSpan,
)
from maskinfer.control.store.readers import Readers
from maskinfer.control.store.recordings import folder_for, size_of, why_not
from maskinfer.control.store.retention import Retention, measure
from maskinfer.control.store.writer import Writer
from maskinfer.engine.drift.compare import Drift
from maskinfer.engine.drift.counts import Counts
from maskinfer.engine.errors import OnError, RequestError, SourceError
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.visits.visit import VisitChange

Listener = Callable[[StoredVisit, VisitChange], None]


class Store:
    """A store that is open; every method may be called from any thread. Use as a context manager, or close it.

    Every method that reads raises ``SourceError`` where the store is broken or cannot be read.
    """

    def __init__(self, folder: Path, *, on_error: OnError = lambda line: None) -> None:
        self.folder, self._on_error = folder, on_error
        self._stack, self._lock = ExitStack(), Lock()
        self._writer: Writer | None = None
        self._readers = Readers(folder)
        self._listeners: list[Listener] = []

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        readonly: bool = False,
        retention: Retention | None = None,
        on_error: OnError = lambda line: None,
    ) -> Store:
        """Open the store in a folder.

        To write, it is made where there is none, brought to this version, and held: no other process can write to it
        meanwhile. A broken one is moved aside, and a new one begun. Visits that a crash left open end as ``stopped``.

        Args:
            folder: of the store; made with mode 0700.
            readonly: nothing is written, and another process may write meanwhile.
            retention: what is kept, and for how long; None for the defaults.
            on_error: called with one line for each fault that ends nothing, from any thread.

        Raises:
            RequestError: it was written by a newer maskinfer, is none of maskinfer, or another process holds it.
            SourceNotFoundError: with ``readonly``, there is none.
            SourceError: with ``readonly``, it is broken or cannot be read.
            OutputError: it cannot be written to.
        """
        store = cls(Path(folder), on_error=on_error)
        if readonly:
            open_for_reading(store.folder).close()
            return store
        try:
            store._stack.enter_context(only_writer(store.folder))
            store._writer = Writer(store.folder, retention or Retention(), on_error, store._tell)
        except BaseException:
            store._stack.close()
            raise
        return store

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is queued, end every visit and camera as stopped, and let go of the folder."""
        self._readers.close()
        if self._writer is not None:  # last, so that it leaves nothing in the log
            self._writer.close()
        self._stack.close()

    def add(self, change: VisitChange) -> None:
        """Queue a change of a visit; it is committed within a second."""
        self._put(Change(change))

    def camera_event(self, camera: str, kind: CameraEventKind, at: datetime, reason: str) -> None:
        """Queue what happened to a camera.

        Args:
            camera: its name.
            kind: ``connected`` and ``resumed``: it is watched from now on; otherwise it is not.
            at: when.
            reason: why, for people, without addresses or passwords; may be empty.
        """
        self._put(CameraEvent(camera, kind, at, reason))

    def add_looks(self, camera: str, models: str, at: datetime, counts: Counts) -> None:
        """Queue how what a camera sees looked since the last call.

        Args:
            camera: its name.
            models: that looked; under others the camera's reference begins anew.
            at: when, an aware datetime.
            counts: of ``engine.drift.Observer``.
        """
        self._put(Looks(camera, models, at, counts))

    def renew_looks(self, camera: str) -> None:
        """Queue that a camera looks as it should now: its reference begins anew."""
        self._put(Looks(camera, "", local_now(), None))

    def recording_folder(self, name: str) -> Path:
        """Return the folder for a camera's recordings, made with mode 0700.

        Args:
            name: a part of a path, such as ``slug(camera)``.

        Raises:
            OutputError: it cannot be made.
        """
        return folder_for(self.folder, name)

    def add_recording(self, camera: str, path: Path, from_at: datetime, to_at: datetime) -> None:
        """Queue that there is a recording in ``recording_folder``, or that it has become longer.

        Raises:
            OutputError: the file is not there.
            ValueError: it lies elsewhere.
        """
        size_bytes = size_of(path)
        file = path.relative_to(self.folder / RECORDINGS)
        self._put(Recording(new_id(), camera, file, from_at, to_at, size_bytes))

    def why_no_recording(self) -> str:
        """Return why nothing may be recorded now, for people; empty when it may: a full disk stops recordings first."""
        return why_not(self.folder, self._writing().retention.min_free_bytes)

    def keep(self, retention: Retention) -> None:
        """Change what is kept, from now on."""
        self._writing().retention = retention

    def sweep(self) -> None:
        """Forget what is too old or too much now; the store does so by itself once a minute.

        Raises:
            OutputError: the store cannot be written to.
        """
        self._writing().sweep()

    def flush(self) -> None:
        """Wait until all that was queued is committed.

        Raises:
            OutputError: it cannot be written now; it will be tried again.
        """
        self._writing().flush()

    def listen(self, on_change: Listener) -> Callable[[], None]:
        """Call a function after each change was committed, in the store's own thread; returns what ends that.

        While the disk is full it is called as well, with a visit whose ``cursor`` is empty.
        """
        with self._lock:
            self._listeners = [*self._listeners, on_change]

        def stop() -> None:
            with self._lock:
                self._listeners = [other for other in self._listeners if other is not on_change]

        return stop

    def visits(self, where: VisitQuery) -> list[StoredVisit]:
        """Return the visits that are meant, at most ``where.limit``.

        Raises:
            RequestError: ``where.before`` is no cursor.
        """
        with self._reading() as database:
            return reading.find_visits(database, where)

    def visit(self, visit_id: str, time_zone: tzinfo | None = None) -> StoredVisit | None:
        """Return a visit by its id, with times in a time zone, or this machine's."""
        with self._reading() as database:
            return reading.find_visit(database, visit_id, time_zone)

    def picture(self, picture_id: str) -> Path | None:
        """Return the file of a picture, a JPEG; None if there is none any more."""
        path = path_of(self.folder / PICTURES, picture_id)
        return path if path is not None and path.is_file() else None

    def counts(self, where: VisitQuery, by: CountBy) -> list[CountRow]:
        """Return how many visits there were; see ``CountRow``.

        Raises:
            RequestError: there is no such way to count.
        """
        with self._reading() as database:
            return counting.count_visits(database, where, by)[0]

    def counts_by(self, where: VisitQuery, *ways: CountBy) -> list[list[CountRow]]:
        """Return the same for several ways of counting at once, which takes hardly longer than one.

        Args:
            where: which visits.
            ways: what to count by; ``zone`` among others only if the question is of one zone, as a visit may be in
                several.

        Raises:
            RequestError: there is no such way to count.
        """
        with self._reading() as database:
            return counting.count_visits(database, where, *ways)

    def cameras(self) -> list[str]:
        """Return the names of all cameras that visits or camera events tell of."""
        with self._reading() as database:
            return sorted({*names(database, "visits", "camera"), *names(database, "camera_events", "camera")})

    def labels(self) -> list[str]:
        """Return the labels of all visits."""
        with self._reading() as database:
            return list(names(database, "visits", "label"))

    def zones(self) -> list[str]:
        """Return the names of all zones in which somebody was."""
        with self._reading() as database:
            return list(names(database, "visit_zones", "zone"))

    def passages(self, where: VisitQuery) -> list[PassageRow]:
        """Return how many people passed each line in a period; of the question its period and its camera count."""
        with self._reading() as database:
            return counting.count_passages(database, where)

    def watched(self, where: VisitQuery) -> list[WatchedSpan]:
        """Return when each camera was watched and when not, and why; of the question its period and camera count."""
        with self._reading() as database:
            return counting.find_watched(database, where, local_now())

    def recordings(self, camera: str, from_at: datetime, to_at: datetime) -> list[StoredRecording]:
        """Return the recordings of a camera that show some of a period, oldest first."""
        with self._reading() as database:
            return reading.find_recordings(database, camera, from_at, to_at)

    def recording(self, recording_id: str) -> Path | None:
        """Return the file of a recording; None if there is none any more."""
        with self._reading() as database:
            row = database.execute("SELECT file FROM recordings WHERE id = ?", (recording_id,)).fetchone()
        path = self.folder / RECORDINGS / row[0] if row else None
        return path if path is not None and path.is_file() else None

    def drifts(self, now: datetime | None = None) -> dict[str, Drift]:
        """Return whether each camera looks as it did when its reference was taken, by name."""
        with self._reading() as database:
            return read_drifts(database, now or local_now())

    def usage(self) -> StoreUsage:
        """Return what the store takes of the disk."""
        with self._reading() as database:
            return measure(database, shutil.disk_usage(self.folder).free)

    def _put(self, operation: Operation) -> None:
        self._writing().put(operation)

    def _writing(self) -> Writer:
        if self._writer is None:
            raise RequestError(f"the store in {self.folder} is open to read only")
        return self._writer

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; where it finds the store broken, the writer is told, which may not have met it yet."""
        try:
            with self._readers.lend(0 if self._writer is None else self._writer.generation) as database:
                yield database
        except SourceError as error:
            if self._writer is not None and isinstance(error.__cause__, sqlite3.Error) and is_broken(error.__cause__):
                self._writer.suspect()
            raise

    def _tell(self, stored: StoredVisit, change: VisitChange) -> None:
        for listener in self._listeners:
            try:
                listener(stored, change)
            except Exception as error:  # a fault of who listens costs no visit
                self._on_error(f"a change of a visit could not be passed on: {type(error).__name__}: {error}")

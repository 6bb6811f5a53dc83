"""The file of a store: opened, checked, brought to this version; a broken one is moved aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from maskinfer.control.store.schema import APPLICATION_ID, check_version, migrate
from maskinfer.engine.errors import OnError, OutputError, RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.sinks.run import file_time, local_now

NAME = "store.sqlite"
PICTURES, RECORDINGS = "pictures", "recordings"
_BUSY_S = 10.0
_CACHE_KB = 32_000
# A write-ahead log that grows to 16 MB is small beside the pictures, and quick to read at the next start.
_LOG_PAGES, _LOG_BYTES = 1000, 16_000_000


def open_for_writing(folder: Path, on_error: OnError) -> sqlite3.Connection:
    """Open a folder's store, made anew where there is none or a broken one, which is moved aside.

    Raises:
        RequestError: it was written by a newer maskinfer, or it is no store of maskinfer.
        OutputError: it cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (PICTURES, RECORDINGS):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        (folder / NAME).touch(0o600)
        try:
            return _opened(folder)
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
            on_error(move_aside(folder, error))
            (folder / NAME).touch(0o600)
            return _opened(folder)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"the store in {folder} cannot be written: {_reason(error)}") from error


def is_broken(error: sqlite3.Error) -> bool:
    """Return whether an error says that the file itself is damaged, not that the disk is full or somebody holds it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def move_aside(folder: Path, error: sqlite3.Error) -> str:
    """Move what a broken store holds into a folder beside, for who may want to repair it; returns what to say.

    Raises:
        OSError: it cannot be moved.
    """
    aside = folder / f"broken-{file_time(local_now())}"
    aside.mkdir(mode=0o700)
    for name in (NAME, f"{NAME}-wal", f"{NAME}-shm", PICTURES, RECORDINGS):
        if (folder / name).exists():
            (folder / name).rename(aside / name)
    for name in (PICTURES, RECORDINGS):
        (folder / name).mkdir(mode=0o700)
    return (
        f"the store in {folder} is broken ({error}); a new one was begun, and what the old one holds was moved to "
        f"{aside}, where it stays until you delete it"
    )


def _opened(folder: Path) -> sqlite3.Connection:
    database = sqlite3.connect(folder / NAME, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
    try:
        _check_is_ours(database, folder)
        _check_whole(database)
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a file that is still empty
        database.execute("PRAGMA journal_mode = WAL")
        # FULL: what was committed outlives a power failure too, not the process alone.
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        database.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        database.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        migrate(database, f"the store in {folder}")
    except BaseException:
        database.close()
        raise
    return database


def check(folder: Path) -> None:
    """Read the whole store from the disk, which a connection that is open already may not.

    Raises:
        sqlite3.DatabaseError: it is broken.
    """
    with closing(sqlite3.connect(folder / NAME, timeout=_BUSY_S)) as database:
        _check_whole(database)


def _check_whole(database: sqlite3.Connection) -> None:
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(" ".join(str(found).split()))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _check_is_ours(database: sqlite3.Connection, folder: Path) -> None:
    (mark,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and mark != APPLICATION_ID:
        raise RequestError(f"{folder / NAME} is a database of another program; choose another folder")


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """Open a folder's store to read, also while another process writes to it.

    Raises:
        SourceNotFoundError: there is none.
        RequestError: it was written by a newer maskinfer, or it is no store of maskinfer.
        SourceError: it is broken, or cannot be read.
    """
    if not (folder / NAME).is_file():
        raise SourceNotFoundError(f"there is no store in {folder}: expected the folder that maskinfer serve writes to")
    with said(folder):
        address = f"file:{quote(str((folder / NAME).absolute()))}?mode=ro"
        database = sqlite3.connect(address, uri=True, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        try:
            _check_is_ours(database, folder)
            if check_version(database, f"the store in {folder}") == 0:
                raise SourceNotFoundError(f"the store in {folder} is still empty")
            database.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        except BaseException:
            database.close()
            raise
    return database


@contextmanager
def said(folder: Path) -> Iterator[None]:
    """Say what SQLite finds while it reads as an error of ours.

    Raises:
        SourceError: the store is broken, or cannot be read.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise SourceError(f"the store in {folder} cannot be read: {error}") from error


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Write what the block writes whole, or not at all."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # some faults end it by themselves
            database.execute("ROLLBACK")
        raise


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder for this process: one process alone writes to a store.

    The kernel gives it back when the process ends, however that is.

    Raises:
        RequestError: another process holds it.
        OutputError: the folder cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "writer.lock").touch(0o600)
        database = sqlite3.connect(folder / "writer.lock", timeout=0, check_same_thread=False, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise OutputError(f"the store in {folder} cannot be written: {_reason(error)}") from error
    with closing(database):
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise RequestError(
                f"another maskinfer writes to the store in {folder}: stop it, or choose another folder"
            ) from error
        yield


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)

"""Outputs of jobs that go on for weeks: one that cannot be written loses what comes meanwhile, and ends nothing."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from io import SEEK_END, FileIO, TextIOWrapper
from pathlib import Path

from maskinfer.engine.errors import MaskinferError, OnError, OutputError
from maskinfer.engine.files.atomic import no_folder

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_PATIENCE_S = 1.0
GOES_ON = "; the watch goes on"
"""The end of a line that tells of a fault while a watch runs, which is no longer true once it has ended."""
_REASONS = {
    errno.ENXIO: "nobody reads it",
    errno.EPIPE: "nobody reads it any more",
    errno.EAGAIN: "its reader does not keep up",
}


class Health:
    """Says when an output cannot be written, and when it can again, with what was lost.

    Args:
        name: of the output.
        unit: of what is lost, in the singular.
        on_error: called with each line.
    """

    def __init__(self, name: str, unit: str, on_error: OnError) -> None:
        self._name, self._unit, self._on_error = name, unit, on_error
        self._lost = 0

    @property
    def is_failing(self) -> bool:
        """Whether it could not be written when it was tried last."""
        return self._lost > 0

    def attempt(self, write: Callable[[], object]) -> None:
        """Write one thing; what raises an OSError is lost."""
        try:
            write()
        except BrokenPipeError:  # of standard output: who reads the results has gone, which ends the job
            raise
        except OSError as error:
            self.fail(error)
            return
        if self._lost:
            self._on_error(f"{self._name} is written again; {self._what_was_lost()}")
            self._lost = 0

    def fail(self, error: OSError, *, lost: int = 1) -> None:
        """Count what is lost, and say it if it is the first."""
        if not self._lost:
            what = str(error) if isinstance(error, MaskinferError) else f"{self._name} cannot be written: {_why(error)}"
            self._on_error(f"{what}{GOES_ON}")
        self._lost += lost

    def close(self) -> None:
        """Say what was lost since it failed, if it still does."""
        if self._lost:
            self._on_error(f"{self._name} could not be written to the end; {self._what_was_lost()}")
            self._lost = 0

    def _what_was_lost(self) -> str:
        return f"1 {self._unit} was lost" if self._lost == 1 else f"{self._lost} {self._unit}s were lost"


def _why(error: OSError) -> str:
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


class FollowedLines:
    """A text file that whole lines are appended to at once; use as a context manager.

    A file that was renamed or removed, as logrotate does it, is made again at the next line; so is one whose folder
    was away and is back. A named pipe that nobody reads, or reads too slowly, holds nobody up.

    Args:
        target: path of the file.
        on_error: called when it cannot be written, and when it can again.
        header: first line of an empty file; one that is there has to begin with it.

    Raises:
        OutputError: the file cannot be opened now.
    """

    def __init__(self, target: str, on_error: OnError, *, header: str | None = None) -> None:
        self._target, self._header = target, header
        self._health = Health(target, "line", on_error)
        self._file: FileIO | None = None
        self._is_torn = False
        try:
            self._open()
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            if error.errno != errno.ENXIO:
                folder = Path(target).parent
                reason = error.strerror if folder.is_dir() else no_folder(folder)
                raise OutputError(f"{target} cannot be written: {reason}") from error
            self._health.fail(error, lost=0)

    def __enter__(self) -> FollowedLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._health.close()

    def write(self, line: str) -> None:
        """Append a line, or lose it."""
        self._health.attempt(lambda: self._write(f"{line}\n".encode()))

    def _write(self, line: bytes) -> None:
        file = self._file
        if file is None or self._is_moved(file):
            self._close()
            file = self._open()
        try:
            append(file, b"\n" + line if self._is_torn else line, self._patience_s)
            self._is_torn = False
        except TornLineError as error:
            self._is_torn = True
            raise OSError(error.errno, error.strerror) from error
        except BrokenPipeError as error:  # of a named pipe, which may find another reader
            self._close()
            raise OutputError(f"{self._target} cannot be written: {_why(error)}") from error

    @property
    def _patience_s(self) -> float:
        return 0.0 if self._health.is_failing else _PATIENCE_S

    def _open(self) -> FileIO:
        self._is_torn = False
        end_half_line(Path(self._target))
        file = FileIO(os.open(self._target, _FLAGS, 0o666), "ab")
        try:
            status = os.fstat(file.fileno())
            if self._header is not None and not status.st_size:
                append(file, f"{self._header}\n".encode(), _PATIENCE_S)
            elif self._header is not None and stat.S_ISREG(status.st_mode):
                _check_header(self._target, self._header)
        except BaseException:
            file.close()
            raise
        self._file = file
        return file

    def _is_moved(self, file: FileIO) -> bool:
        try:
            there = os.stat(self._target)  # noqa: PTH116 - of what lies at the path now
        except OSError:
            return True
        here = os.fstat(file.fileno())
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()


class TornLineError(OSError):
    """A part of a line is in a pipe, and cannot be taken back."""


def append(file: FileIO, line: bytes, patience_s: float) -> None:
    """Write a whole line, or nothing of it.

    Args:
        file: unbuffered, opened for appending.
        line: with its end.
        patience_s: how long a pipe's reader is waited for.

    Raises:
        OSError: it cannot be written. TornLineError: of a pipe, that took a part.
    """
    written = 0
    try:
        while written < len(line):
            count = file.write(line[written:])
            if count is None and not select.select([], [file], [], patience_s)[1]:
                raise BlockingIOError(errno.EAGAIN, _REASONS[errno.EAGAIN])
            written += count or 0
    except OSError as error:
        if written:
            try:
                file.truncate(file.tell() - written)
            except OSError:
                raise TornLineError(error.errno, error.strerror) from error
        raise


def end_half_line(path: Path) -> None:
    """End the last line of a file that a power failure may have cut; it is not to degrade the next."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("r+b") as file:
        file.seek(-1, SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _check_header(target: str, header: str) -> None:
    with Path(target).open(encoding="utf-8", errors="replace") as file:
        if file.readline().rstrip("\n") != header:
            raise OutputError(f"{target} has other columns than the table to append: name another file")


def write_to_stdout(line: str) -> None:
    """Write a line to standard output at once, in UTF-8 whatever the console's encoding is, since lines are data."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.encoding.lower() not in ("utf-8", "utf8"):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

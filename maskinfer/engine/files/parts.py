"""Temporary files, each locked while the process that writes it lives: so what a killed one left can be told from them.

The lock is ``flock``'s, which the system gives back whatever ends a process. Where there is none (on Windows, and on
some file systems) nobody can tell, and nothing is touched.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from maskinfer.engine.files.inside import LONGEST_NAME

if sys.platform != "win32":
    import fcntl

PartKind = Literal["file", "video", "recording"]
"""What is written: a video may be playable as far as it came, and a recording cannot be made again."""

_ENDING = ".01234567.maskinfer-recording.part"
_PART = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.maskinfer-(?P<kind>file|video|recording)\.part", re.DOTALL | re.ASCII)
Release = Callable[[], None]


@dataclass(frozen=True, slots=True)
class LeftPart:
    """A temporary file that a dead process left.

    Attributes:
        path: of it.
        name: that the file was to have in this folder.
        kind: what was written.
    """

    path: Path
    name: str
    kind: PartKind


def new_part(target: Path, mode: int, kind: PartKind) -> tuple[Path, Release]:
    """Make a temporary file beside ``target``, and return it with the function that gives up its lock.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        ending = f".{secrets.token_hex(4)}.maskinfer-{kind}.part"
        part = target.with_name(f".{_shortened(target)}{ending}")
        with suppress(FileExistsError):
            return part, make_locked(part, mode)


def make_locked(path: Path, mode: int) -> Release:
    """Make a file that is locked until the process ends or the function that is returned is called.

    Raises:
        FileExistsError: somebody has it, or was faster. OSError: it cannot be made.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
    if sys.platform == "win32":
        os.close(descriptor)
        return lambda: None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = _is_at(descriptor, path)
    except BlockingIOError:
        is_ours = False
    except OSError:  # this file system has no locks
        is_ours = True
    if not is_ours:  # who clears up took it for left
        os.close(descriptor)
        raise FileExistsError(path)
    return lambda: os.close(descriptor)


def lock_left(path: Path) -> Release | None:
    """Lock a file that a dead process left; None when a living one has it or nobody can tell."""
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and _is_at(descriptor, path):
            return lambda: os.close(descriptor)
    os.close(descriptor)
    return None


def left_parts(folder: Path) -> Iterator[LeftPart]:
    """Yield the temporary files in a folder that dead processes left, each locked until the next is asked for."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is needed
    except OSError:
        return
    for name in names:
        match = _PART.fullmatch(name)
        release = None if match is None else lock_left(folder / name)
        if match is None or release is None:
            continue
        try:
            kind: PartKind = "video" if match["kind"] == "video" else "file"
            yield LeftPart(folder / name, match["name"], "recording" if match["kind"] == "recording" else kind)
        finally:
            release()


@lru_cache(maxsize=1024)
def clear_left_files(folder: Path) -> None:
    """Remove what dead processes left of files that can be made again; once per process and folder."""
    for left in left_parts(folder):
        if left.kind == "file":
            with suppress(OSError):
                left.path.unlink()


def _is_at(descriptor: int, path: Path) -> bool:
    here = os.fstat(descriptor)
    try:
        there = path.lstat()
    except OSError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _shortened(target: Path) -> str:
    """Return the name of a file, cut in its stem if the name of its temporary file would be too long."""
    room = LONGEST_NAME - len(os.fsencode(f".{_ENDING}{target.suffix}"))
    stem = os.fsencode(target.stem)
    return target.name if len(stem) <= room else f"{stem[:room].decode('utf-8', 'ignore')}{target.suffix}"

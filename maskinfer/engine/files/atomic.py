"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from maskinfer.engine.errors import OUT_OF_SPACE, MaskinferError, OutputError, nothing_begun
from maskinfer.engine.files.parts import PartKind, Release, clear_left_files, lock_left, make_locked, new_part


def partial_name(path: Path) -> Path:
    """Return what a file is called that was ended before its time: ``out.mp4`` becomes ``out.partial.mp4``."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def never_partial() -> bool:
    """Tell that a file is whole."""
    return False


IsPartial = Callable[[], bool]
"""Asked when a file is finished: whether it was ended before its time."""


@contextmanager
def atomic_write(
    path: Path,
    *,
    shows_people: bool = False,
    taken: bool = False,
    is_partial: IsPartial = never_partial,
    kind: PartKind = "file",
) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes ``path`` when the block ends and vanishes when it raises.

    When ``is_partial`` says so at the end, it becomes ``partial_name(path)`` instead.

    The temporary file lies hidden in the folder of ``path`` and its name ends in ``.part``, so a writer that
    goes by the suffix has to be told the format. If the process is killed, the next one that writes into the folder
    removes it (``files/parts.py``). A link at ``path`` is followed. What is neither a file nor a folder, such as
    ``/dev/stdout`` or a named pipe, cannot be replaced and is given as it is.

    Args:
        path: of the file.
        shows_people: nobody but its owner may read it (mode 0600), unless it replaces a file that others may read.
        taken: the name is one that ``taken_name`` gave. What somebody else has written to it meanwhile is left alone,
            and the file appears under the next name that is free.
        is_partial: asked at the end.
        kind: of what is written; what a killed process left of videos and recordings is not removed but recovered
            (``jobs/recovery.py``).

    Raises:
        OutputError: the folder does not exist or cannot be written to, ``path`` is a folder, or the disk ran
            full inside the block.
    """
    target, is_file = _target(path)
    if not is_file:
        with _as_output_error(path, target):
            yield target
        return
    part, release = _new_part(path, target, _mode(target) & 0o777 or 0o600 if shows_people else 0o666, kind)
    clear_left_files(target.parent)
    try:
        with _as_output_error(path, part):
            yield part
            if is_partial():
                target = partial_name(target)
            if taken and not _is_empty(target):
                with taken_name(numbered(target)) as free:
                    part.replace(free)
            else:
                part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        release()


@contextmanager
def _as_output_error(path: Path, part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Other errors of the block are the block's own: a reader's OSError is no fault of this file.
        ours = error.filename in (os.fspath(part), part) or error.errno in OUT_OF_SPACE
        if isinstance(error, MaskinferError) or not ours:
            raise
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def taken_name(paths: Iterable[Path]) -> Iterator[Path]:
    """Give the first of the paths that nobody has, as an empty file, so that nobody else gets it.

    An empty file that a killed process left is adopted. When the block ends and it is still empty, it is removed.

    Raises:
        OutputError: a file cannot be made there.
    """
    path, release = _take_name(paths)
    try:
        yield path
    finally:
        with suppress(OSError):
            if _is_empty(path):
                path.unlink(missing_ok=True)
        release()


def _take_name(paths: Iterable[Path]) -> tuple[Path, Release]:
    for path in paths:
        try:
            return path, make_locked(path, 0o600)
        except FileExistsError:
            release = _adopt(path)
            if release is not None:
                return path, release
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            if not path.parent.is_dir():
                reason = no_folder(path.parent)
            raise OutputError(f"cannot write {path}: {reason}") from error
    raise OutputError("cannot write: all of the names are taken")


def _adopt(path: Path) -> Release | None:
    release = lock_left(path) if _is_empty(path) else None
    if release is None or _is_empty(path):
        return release
    release()
    return None


def numbered(path: Path) -> Iterator[Path]:
    """Yield the path, and then ``door_002.mp4``, ``door_003.mp4`` ..., which sort after ``door.mp4``."""
    yield path
    for number in count(2):
        yield path.with_stem(f"{path.stem}_{number:03d}")


def _is_empty(path: Path) -> bool:
    try:
        return not path.lstat().st_size
    except FileNotFoundError:
        return True


def check_writable(path: Path) -> None:
    """Find out, before anything is begun, what ``atomic_write`` would find out when all the work is done.

    Raises:
        OutputError: the folder does not exist or cannot be written to, or ``path`` is a folder.
    """
    with nothing_begun():
        target, is_file = _target(path)
        if is_file:
            part, release = _new_part(path, target, 0o600, "file")
            part.unlink()
            release()


def no_folder(folder: Path) -> str:
    """Return what is said where the folder of an output file is not there, which nobody makes."""
    return f"there is no folder {folder}; create it first"


def _target(path: Path) -> tuple[Path, bool]:
    """Return what a path leads to, and whether that is a file, there or not yet."""
    try:
        mode = _mode(path)
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return path, False  # what a pipe's link in /dev leads to has a name, but no path
        target = Path(os.path.realpath(path))
    except ValueError as error:  # a NUL in the name
        raise OutputError(f"cannot write {path}: {error}; choose another name") from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"cannot write {path}: it is a folder; name a file")
    return target, not mode or stat.S_ISREG(mode)


def _mode(target: Path) -> int:
    try:
        return target.stat().st_mode
    except OSError as error:  # not there, or not to be had: writing will tell
        if error.errno == errno.ENAMETOOLONG:
            raise OutputError(
                f"cannot write {target.name[:40]}...: its name is too long; choose a shorter one"
            ) from error
        return 0


def _new_part(path: Path, target: Path, mode: int, kind: PartKind) -> tuple[Path, Release]:
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {path}: {no_folder(target.parent)}")
    try:
        return new_part(target, mode, kind)
    except OSError as error:
        reason = f"{error.strerror}; choose a folder that can be written to"
        raise OutputError(f"cannot write {path}: {reason}") from error

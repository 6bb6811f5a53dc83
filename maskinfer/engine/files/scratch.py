"""Folders for temporary files, which the next process removes if the one that made them is killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from maskinfer.engine.files.parts import Release, lock_left, make_locked

_LOCK = ".maskinfer-lock"
_NAME = re.compile(r"maskinfer-([a-z]+-)?[a-z0-9_]{8}", re.ASCII)


@contextmanager
def scratch_folder(purpose: str = "", place: str | None = None) -> Iterator[Path]:
    """Give a folder of this machine, which is removed when the block ends.

    Args:
        purpose: a word for its name.
        place: the folder that it lies in; None for the usual one (``TMPDIR``).

    Raises:
        OSError: it cannot be made.
    """
    _clear_left(place or tempfile.gettempdir())
    folder, release = _made(f"maskinfer-{purpose}-" if purpose else "maskinfer-", place)
    try:
        yield folder
    finally:
        # The lock is given up last, or somebody else might begin to remove it, too.
        shutil.rmtree(folder, ignore_errors=True)
        release()


def _made(prefix: str, place: str | None) -> tuple[Path, Release]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        try:
            return folder, make_locked(folder / _LOCK, 0o600)
        except (FileNotFoundError, FileExistsError):  # who clears up was faster
            continue
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@lru_cache(maxsize=16)
def _clear_left(place: str) -> None:
    """Remove the folders of dead processes; once per process and place."""
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and _is_ours(entry):
                _clear(Path(entry.path))


def _is_ours(entry: os.DirEntry[str]) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return False
    return not hasattr(os, "geteuid") or entry.stat(follow_symlinks=False).st_uid == os.geteuid()


def _clear(folder: Path) -> None:
    release = lock_left(folder / _LOCK)
    if release is None:
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        release()

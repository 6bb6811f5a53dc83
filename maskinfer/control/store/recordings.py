"""Where recordings lie, and whether there is room for more."""

from __future__ import annotations

import shutil
from pathlib import Path

from maskinfer.control.store.database import RECORDINGS
from maskinfer.engine.errors import OutputError


def folder_for(store: Path, name: str) -> Path:
    """Return the folder for a camera's recordings in the folder of a store, made with mode 0700.

    Args:
        store: the store's folder.
        name: a part of a path, such as ``slug(camera)``.

    Raises:
        OutputError: it cannot be made.
    """
    folder = store / RECORDINGS / name
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}") from error
    return folder


def size_of(path: Path) -> int:
    """Return the bytes of a recording.

    Raises:
        OutputError: it is not there.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise OutputError(f"there is no recording {path}: {error.strerror}") from error


def why_not(store: Path, least_bytes: int) -> str:
    """Return why nothing may be recorded now, for people; empty when it may: a full disk stops recordings first."""
    free = shutil.disk_usage(store).free
    if free >= least_bytes:
        return ""
    return f"the disk of {store} has {free / 1e6:.0f} MB left, and recordings stop below {least_bytes / 1e6:.0f} MB"

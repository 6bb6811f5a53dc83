"""Checksums of files."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sha256_once(file: Path) -> str:
    """Return the SHA-256 of a file, calculated once in a process as long as its size and time stay the same."""
    state = file.stat()
    return _sha256_of_state(file, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256_of_state(file: Path, _size: int, _mtime_ns: int) -> str:
    return sha256_of(file)

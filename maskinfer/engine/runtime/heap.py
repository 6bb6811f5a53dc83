"""What the C library keeps of freed memory, bounded: for programs of many threads that run for months.

glibc gives each thread a heap of its own, up to eight for each core, and keeps in every one of them what was freed
between two blocks that are in use. Elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from time import monotonic
from typing import Any

# mallopt(3), from malloc.h.
_M_ARENA_MAX = -8
_MOST_HEAPS = 2
_EVERY_S = 60.0


def share_heaps() -> bool:
    """Let the threads that begin from now on share two heaps; returns whether the C library does so."""
    libc = _glibc()
    return libc is not None and libc.mallopt(_M_ARENA_MAX, _MOST_HEAPS) == 1


def give_back() -> None:
    """Give freed memory back to the system; takes some milliseconds."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


class GivingBack:
    """Gives freed memory back once a minute; for one thread."""

    def __init__(self) -> None:
        self._done_s = monotonic()

    def now_and_then(self) -> None:
        """Do it if it is time."""
        if monotonic() - self._done_s >= _EVERY_S:
            self._done_s = monotonic()
            give_back()


@cache
def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    if not (hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim")):  # musl
        return None
    libc.mallopt.argtypes, libc.malloc_trim.argtypes = [ctypes.c_int, ctypes.c_int], [ctypes.c_size_t]
    return libc

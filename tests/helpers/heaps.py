"""The heaps of glibc's threads, counted from outside."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

_MAPPING = re.compile(r"(?P<begin>\w+)-(?P<end>\w+) (?P<rights>\S+) \S+ 00:00 0\s*$")
_HEAP_BYTES = 64 << 20


def heaps_of(pid: int | None = None) -> int | None:
    """Return how many heaps a process has besides the first; of this one, or None where glibc does not run.

    Each lies in 64 MB of addresses that begin at a multiple of that; what is not needed yet may not be touched.
    """
    if platform.libc_ver()[0] != "glibc":
        return None
    lines = Path(f"/proc/{pid or os.getpid()}/maps").read_text().splitlines()
    places = {}
    for found in filter(None, map(_MAPPING.match, lines)):
        places[int(found["begin"], 16)] = int(found["end"], 16), found["rights"]
    return sum(
        1
        for begin, (end, rights) in places.items()
        if begin % _HEAP_BYTES == 0
        and rights == "rw-p"
        and (end == begin + _HEAP_BYTES or places.get(end, (0, ""))[1] == "---p")
    )

"""How much memory models may take on the CPU: a graph that wants more fails in one line, before the system kills.

All sessions of the process share one arena of onnxruntime, which has a limit.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_SHARE = 0.8
_SAME_AS_APART = {"arena_extend_strategy": 0, "initial_chunk_size_bytes": -1, "max_dead_bytes_per_chunk": -1}


def limit_memory(onnxruntime: Any, options: Any) -> None:
    """Let a session on the CPU allocate from the arena that has a limit; before it is opened.

    Args:
        onnxruntime: the module.
        options: its ``SessionOptions``.
    """
    if _register_arena(onnxruntime):
        options.add_session_config_entry("session.use_env_allocators", "1")


@cache
def _register_arena(onnxruntime: Any) -> bool:
    limit = int(_SHARE * available_bytes())
    if not limit:
        return False
    ort = onnxruntime
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    try:
        ort.create_and_register_allocator(place, ort.OrtArenaCfg({"max_mem": limit, **_SAME_AS_APART}))
    except Exception:  # onnxruntime's own: the program that we are a part of has an arena of its own
        return False
    return True


def available_bytes(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how much memory this process may take without others giving some back; 0 where the system does not say."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError, IndexError, StopIteration):
        lines = (proc / "meminfo").read_text(encoding="utf-8").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
        return min(free, *_cgroup_limits(cgroup))
    with suppress(OSError, ValueError):  # macOS says what there is in all
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


def _cgroup_limits(root: Path) -> list[int]:
    """Return the limits of control groups, version 2 and 1, as seen from inside a container."""
    limits = [sys.maxsize]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max"
            limits.append(int((root / name).read_text()))
    return limits

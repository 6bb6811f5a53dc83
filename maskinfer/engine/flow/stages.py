"""How long each stage of a job is busy. Nothing is measured unless ``record_stages`` is open."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class StageTimes:
    """Time that passed inside of each stage, in seconds; several threads add to it.

    Attributes:
        seconds: of each stage; a thread that waits for a core inside of a stage counts as busy.
        cpu_seconds: processor time of the threads that called, without that of threads that a library has of its own.
        threads: of each stage, the names of the threads that it ran in.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    threads: dict[str, set[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, seconds: float, cpu_seconds: float) -> None:
        """Add to a stage."""
        with self._lock:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.cpu_seconds[name] = self.cpu_seconds.get(name, 0.0) + cpu_seconds
            self.threads.setdefault(name, set()).add(threading.current_thread().name)


_recording: list[StageTimes] = []


@contextmanager
def record_stages() -> Iterator[StageTimes]:
    """Measure all stages of this process until the block ends; for one benchmark at a time."""
    times = StageTimes()
    _recording.append(times)
    try:
        yield times
    finally:
        _recording.remove(times)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Name what happens in the block."""
    if not _recording:
        yield
        return
    began_s, cpu_s = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        _recording[-1].add(name, time.perf_counter() - began_s, time.thread_time() - cpu_s)


def staged(items: Iterable[T], name: str) -> Iterator[T]:
    """Yield items; the making of each is a stage."""
    iterator = iter(items)
    while True:
        with stage(name):
            item = next(iterator, _END)
        if item is _END:
            return
        yield item  # type: ignore[misc]


_END = object()

"""How far a job over many files is: files, hours of film, faces a second, time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from maskinfer.engine.flow.progress import Progress

_TELL_S = 0.2


@dataclass(slots=True)
class Meter:
    """Counts what several workers do.

    How long all videos are is known only when all have been opened; what is left is judged by the bytes of their files.

    Attributes:
        total_bytes: of all files.
        files: how many there are.
    """

    total_bytes: int
    files: int
    _done_bytes: int = 0
    _done_film_s: float = 0.0
    _done_faces: int = 0
    _begun: int = 0
    _told_s: float = 0.0
    _running: dict[int, tuple[int, float, int]] = field(default_factory=dict)
    _began_s: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reach(self, number: int, size: int, film_s: float, faces: int) -> None:
        """Note how far a file is.

        Args:
            number: its.
            size: in bytes.
            film_s: of film that was looked at, in seconds.
            faces: that were found in it.
        """
        with self._lock:
            self._running[number] = size, film_s, faces

    def finish(self, number: int, size: int, film_s: float, faces: int) -> None:
        """Note that a file is over; one that nobody looked at, as it was done before, is left out of account."""
        with self._lock:
            self._running.pop(number, None)
            if film_s <= 0:
                self.total_bytes -= size
                return
            self._done_bytes += size
            self._done_film_s += film_s
            self._done_faces += faces

    @contextmanager
    def file(self, size: int) -> Iterator[Callable[[float, int], None]]:
        """Give what takes the time of each frame of a file, in seconds, and how many faces it has.

        Args:
            size: in bytes.
        """
        with self._lock:
            self._begun += 1
            number = -self._begun
        reached_s, found = 0.0, 0

        def watch(time_s: float, faces: int) -> None:
            nonlocal reached_s, found
            reached_s, found = time_s, found + faces
            self.reach(number, size, reached_s, found)

        try:
            yield watch
        finally:
            self.finish(number, size, reached_s, found)

    def line(self, workers: str = "") -> str:
        """Return how far the job is, in one line.

        >>> meter = Meter(4000, 4, _began_s=time.monotonic() - 60)
        >>> meter.finish(0, 1000, 1800.0, 1200)
        >>> meter.line("2 workers")
        '30 min of about 2.0 h of film, 20 faces/s, 3 min left, 2 workers'
        """
        with self._lock:
            running = list(self._running.values())
            passed_s = max(time.monotonic() - self._began_s, 1e-3)
            film_s = self._done_film_s + sum(one[1] for one in running)
            faces = self._done_faces + sum(one[2] for one in running)
            share = self._share(running)
        parts = [f"{_rounded(film_s)} of film"]
        if share:
            parts = [f"{_rounded(film_s)} of about {_rounded(film_s / share)} of film"]
        parts.append(f"{faces / passed_s:.0f} faces/s")
        if share:
            parts.append(f"{_rounded(passed_s * (1 - share) / share)} left")
        return ", ".join([*parts, *([workers] if workers else [])])

    def tell(self, progress: Progress, workers: str = "") -> None:
        """Show how far the job is."""
        show, now_s = getattr(progress, "show", None), time.monotonic()
        if show is not None and now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            show(self.line(workers))

    def _share(self, running: list[tuple[int, float, int]]) -> float:
        """Return the share of the bytes that is done, of files that are not over by their film."""
        if not self._done_bytes or not self._done_film_s or not self.total_bytes:
            return 0.0
        # Bytes of a second of film, as in those that are over.
        rate = self._done_bytes / self._done_film_s
        begun = sum(min(size, film_s * rate) for size, film_s, _ in running)
        return min(1.0, (self._done_bytes + begun) / self.total_bytes)


def _rounded(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

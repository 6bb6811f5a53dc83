"""Counts what happens, for the figures that Prometheus asks for."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from threading import Lock

from maskinfer.control.room.state import CameraCounters, Distribution
from maskinfer.control.watch.watching import Counted
from maskinfer.engine.results import FrameResult
from maskinfer.engine.visits.visit import VisitChange

_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class _Times:
    def __init__(self) -> None:
        self._counts, self._sum_s = [0] * (len(_BOUNDS_S) + 1), 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def seen(self) -> Distribution:
        return Distribution(_BOUNDS_S, tuple(self._counts), self._sum_s)


@dataclass(slots=True)
class _Camera:
    frames: int = 0
    dropped: int = 0
    returns: int = 0
    faces: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    violations: Counter[tuple[str, str]] = field(default_factory=Counter)
    ages: _Times = field(default_factory=_Times)
    fed: tuple[int, int] = (0, 0)  # dropped frames and returns, as the feed said last

    def seen(self) -> CameraCounters:
        return CameraCounters(
            self.frames,
            self.dropped,
            self.returns,
            dict(self.faces),
            dict(self.visits),
            dict(self.violations),
            self.ages.seen(),
        )


class Tally:
    """Figures since the start; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._cameras: dict[str, _Camera] = defaultdict(_Camera)
        self._models = _Times()

    def batch(self, seconds: float) -> None:
        """Count a run of the models."""
        with self._lock:
            self._models.add(seconds)

    def frame(self, camera: str, result: FrameResult, age_s: float) -> None:
        """Count a frame that got its result ``age_s`` after it came."""
        with self._lock:
            mine = self._cameras[camera]
            mine.frames += 1
            mine.faces.update(result.counts())
            mine.ages.add(age_s)

    def fed(self, camera: str, *, dropped: int, returns: int) -> None:
        """Count what a feed has counted since its own start; a feed that began anew counts from 0 again."""
        with self._lock:
            mine = self._cameras[camera]
            mine.dropped += dropped - (mine.fed[0] if dropped >= mine.fed[0] else 0)
            mine.returns += returns - (mine.fed[1] if returns >= mine.fed[1] else 0)
            mine.fed = (dropped, returns)

    def changed(self, change: VisitChange) -> None:
        """Count a visit that ended, or a violation that began."""
        visit = change.visit
        with self._lock:
            mine = self._cameras[visit.camera]
            if change.kind == "ended":
                mine.visits[visit.label] += 1
            elif change.kind == "violation" and visit.violations:
                latest = visit.violations[-1]
                mine.violations[latest.zone or "", latest.label] += 1

    def seen(self) -> Counted:
        """Return all figures as they are now."""
        with self._lock:
            return Counted({name: camera.seen() for name, camera in self._cameras.items()}, self._models.seen())

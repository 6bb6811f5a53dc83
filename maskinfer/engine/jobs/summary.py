"""What a job did."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from maskinfer.engine.results import FrameResult

OnResult = Callable[[FrameResult], None]


@dataclass(slots=True)
class JobSummary:
    """What a job did.

    Attributes:
        frames: frames or images done.
        faces: of each label, over all frames.
        seconds: wall-clock time.
        problems: one line for each thing that could not be done; empty when all went well.
        skipped: videos that were done before.
        signal: number of the signal that ended it, SIGINT or SIGTERM; 0 when none did.
    """

    frames: int = 0
    faces: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    skipped: int = 0
    signal: int = 0
    _started: float = field(default_factory=time.perf_counter)

    def add(self, result: FrameResult) -> None:
        """Count a result."""
        self.frames += 1
        self.faces.update(result.counts())
        self.seconds = time.perf_counter() - self._started

    def merge(self, other: JobSummary) -> None:
        """Count what another job did, which was part of this one."""
        self.frames += other.frames
        self.faces.update(other.faces)
        self.problems += other.problems
        self.skipped += other.skipped
        self.seconds = time.perf_counter() - self._started

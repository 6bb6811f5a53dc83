"""What a job did."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from maskinfer.engine.results import FrameResult


def number_of(count: int, things: str) -> str:
    """Return a number with what it counts.

    Args:
        count: how many.
        things: the plural, which ends in "s".

    >>> number_of(1, "images"), number_of(2, "images")
    ('1 image', '2 images')
    """
    return f"{count} {things.removesuffix('s') if count == 1 else things}"


OnResult = Callable[[FrameResult], None]


@dataclass(slots=True)
class JobSummary:
    """What a job did.

    Attributes:
        frames: number of frames or images processed.
        faces: number of faces for each label, over all frames.
        seconds: wall-clock time.
        problems: one line for each thing that could not be done; empty if everything worked.
        skipped: number of videos that an earlier job had finished.
        signal: number of the signal that ended the job, SIGINT or SIGTERM; 0 if none did.
        film_s: presentation time of the last frame, in seconds; of several videos, the sum.
    """

    frames: int = 0
    faces: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    skipped: int = 0
    signal: int = 0
    film_s: float = 0.0
    _started: float = field(default_factory=time.perf_counter)

    def add(self, result: FrameResult) -> None:
        """Count a result."""
        self.frames += 1
        self.faces.update(result.counts())
        self.film_s = result.time_s
        self.seconds = time.perf_counter() - self._started

    def merge(self, other: JobSummary) -> None:
        """Add the summary of a job that was part of this one."""
        self.frames += other.frames
        self.faces.update(other.faces)
        self.problems += other.problems
        self.skipped += other.skipped
        self.film_s += other.film_s
        self.seconds = time.perf_counter() - self._started

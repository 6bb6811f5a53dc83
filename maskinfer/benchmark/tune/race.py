"""Two ways that run in turn, A B B A, until it is clear which is faster, or that it will not become clear."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Less is not worth a file that has to be looked after.
LEAST_GAIN = 0.03
_ROUNDS_TO_LOSE, _ROUNDS_TO_WIN, _MOST_ROUNDS = 3, 5, 9
_RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Race:
    """How a way did against another.

    Attributes:
        base_s, other_s: time of each run in seconds; those of one place were neighbours.
    """

    base_s: tuple[float, ...]
    other_s: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Of each round: so many times as fast was the other."""
        return tuple(base / other for base, other in zip(self.base_s, self.other_s, strict=True))

    @property
    def speedup(self) -> float:
        """Their median; 1 without rounds."""
        return float(np.median(self.ratios)) if self.base_s else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the median lies with 95 % (bootstrap over rounds); anywhere with fewer than three."""
        if len(self.base_s) < _ROUNDS_TO_LOSE:
            return 0.0, float("inf")
        drawn = np.random.default_rng(0).choice(self.ratios, (_RESAMPLES, len(self.ratios)))
        low, high = np.percentile(np.median(drawn, 1), [2.5, 97.5])
        return float(low), float(high)

    @property
    def is_faster(self) -> bool:
        """Whether the other is faster beyond the noise, and by enough."""
        is_clear = len(self.base_s) >= _ROUNDS_TO_WIN and self.interval[0] > 1
        return is_clear and self.speedup >= 1 + LEAST_GAIN

    @property
    def is_slower(self) -> bool:
        """Whether the other is slower beyond the noise."""
        return self.interval[1] < 1

    @property
    def is_over(self) -> bool:
        """Whether more rounds would change nothing, or there were enough."""
        low, high = self.interval
        rounds = len(self.base_s)
        if rounds >= _ROUNDS_TO_LOSE and max(self.ratios) < 1:
            return True
        return rounds >= _MOST_ROUNDS or (rounds >= _ROUNDS_TO_WIN and (low > 1 + LEAST_GAIN or high < 1 + LEAST_GAIN))


def race(base: Callable[[], object], other: Callable[[], object], until_s: float) -> Race:
    """Run two ways in turn.

    Args:
        base, other: run them once; both are warm.
        until_s: ``time.monotonic()`` at which no further round begins.
    """
    times: tuple[list[float], list[float]] = ([], [])
    found = Race((), ())
    while not found.is_over and time.monotonic() < until_s:
        order = (0, 1) if len(times[0]) % 2 == 0 else (1, 0)
        for which in order:
            began_s = time.perf_counter()
            (base, other)[which]()
            times[which].append(time.perf_counter() - began_s)
        found = Race(tuple(times[0]), tuple(times[1]))
    return found

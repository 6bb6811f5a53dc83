"""Times of several things that are run in turn, so that the drift of a noisy machine hits all alike."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from maskinfer.engine.flow.progress import SILENT, Progress

K = TypeVar("K", bound=Hashable)
Run = Callable[[], object]
# Of a visit the first run is not counted: it finds the caches full of its neighbour's data.
_TIMED_A_VISIT = 3
_MIN_VISITS = 5
_WARM_UP_RUNS = 2
# More says that another benchmark, a minute later, may find a median that is a tenth off.
NOISY_FROM = 0.05
_RESAMPLES = 400
_YARDSTICK_BYTES = bytes(400_000)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one thing took, over all its runs.

    Attributes:
        runs: that were counted.
        p50_ms, p90_ms, p99_ms, mean_ms: of a run, in milliseconds.
        noise: how far the median may be off, over the median: the largest difference of the medians of two halves of
            the visits (first and second, every other one), or half of the median's 95 % interval (bootstrap over
            visits) if that is more. What differs by less between two benchmarks is no difference.
    """

    runs: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    noise: float

    @property
    def is_noisy(self) -> bool:
        """Whether the median is not to be trusted to a tenth."""
        return self.noise > NOISY_FROM


def time_in_turn(runs: Mapping[K, Run], seconds_each: float, progress: Progress = SILENT) -> dict[K, Timing]:
    """Time things in rounds, each round in another order, until every one had its share of the time.

    Args:
        runs: what to run, by name.
        seconds_each: for each of them, in the mean.
        progress: told how many per cent of the time have passed.
    """
    for run in runs.values():
        for _ in range(_WARM_UP_RUNS):
            run()
    times: dict[K, list[list[float]]] = {key: [] for key in runs}
    order, shuffler = list(runs), random.Random(0)
    began_s, total_s = time.perf_counter(), seconds_each * len(runs)
    visits = shown = 0
    progress.set_total(100)
    while visits < _MIN_VISITS or time.perf_counter() - began_s < total_s:
        shuffler.shuffle(order)
        for key in order:
            times[key].append(_visit(runs[key]))
        visits += 1
        passed = min(100, round(100 * (time.perf_counter() - began_s) / total_s)) if total_s > 0 else 100
        progress.advance(passed - shown)
        shown = passed
    return {key: summarize(visits_ms) for key, visits_ms in times.items()}


def _visit(run: Run) -> list[float]:
    run()
    times = []
    for _ in range(_TIMED_A_VISIT):
        began_s = time.perf_counter()
        run()
        times.append((time.perf_counter() - began_s) * 1e3)
    return times


def summarize(visits_ms: list[list[float]]) -> Timing:
    """Return the median of all runs, in milliseconds, with how far the visits differ."""
    medians = np.array([np.median(visit) for visit in visits_ms])
    every = np.concatenate([np.array(visit) for visit in visits_ms])
    middle, high, highest = (float(value) for value in np.percentile(every, [50, 90, 99]))
    halves = [(medians[: len(medians) // 2], medians[len(medians) // 2 :]), (medians[::2], medians[1::2])]
    drawn = np.median(np.random.default_rng(0).choice(medians, (_RESAMPLES, len(medians))), 1)
    low, up = np.percentile(drawn, [2.5, 97.5])
    noise = max(*(abs(float(np.median(a) - np.median(b))) for a, b in halves), float(up - low) / 2) / middle
    return Timing(len(every), middle, high, highest, float(every.mean()), noise)


def yardstick() -> None:
    """Do a fixed work on one core: how long it takes tells how fast the machine is just now."""
    hashlib.sha256(_YARDSTICK_BYTES).digest()

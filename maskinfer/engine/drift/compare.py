"""Whether a camera still sees what it saw: the population stability index of two histograms, and when it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from math import log, sqrt
from typing import Literal

from maskinfer.engine.drift.counts import BOUNDS, OF_PICTURES, WHATS, Counts, What, added, median, no_counts

# From this on an index is called a significant shift since Siddiqi, "Credit Risk Scorecards" (2006).
LEAST_PSI = 0.25
LEAST_PEOPLE, LEAST_PICTURES = 100, 100
# How far days differ is estimated of few days, and what makes them differ moves several bins at once.
_SAFETY = 3.0
_Z_999 = 3.0902323061678132
_HALF = 0.5

DriftState = Literal["learning", "too little", "as before", "moved"]


@dataclass(frozen=True, slots=True)
class Shift:
    """What of a camera no longer looks as it did.

    Attributes:
        what: of which histogram.
        psi: the population stability index.
        before, now: the median; of labels the share, and of places the share of the one that changed most, 0 to 1.
        which: that label or place; empty for numbers.
    """

    what: What
    psi: float
    before: float
    now: float
    which: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """Whether a camera looks as it did when its reference was taken.

    Attributes:
        state: ``learning``: the reference is not complete; ``too little``: too few people and pictures since;
            ``as before``; or ``moved``.
        since: when the reference began.
        people: of the reference while it is learnt, otherwise of the latest week that counts.
        shifts: what moved, most of all first.
    """

    state: DriftState
    since: datetime
    people: int
    shifts: tuple[Shift, ...] = ()


def psi(before: Mapping[str, int], now: Mapping[str, int]) -> float:
    """Return the population stability index of two histograms: the sum of (q - p) ln(q / p) over their bins.

    It is Jeffreys' divergence, 0 for equal shares. Half a count is added to each bin that either has, so that an empty
    one is no infinity.

    >>> round(psi({"a": 90, "b": 10}, {"a": 700, "b": 300}), 2), psi({"a": 5, "b": 5}, {"a": 5, "b": 5})
    (0.26, 0.0)
    """
    bins = {key for counts in (before, now) for key, count in counts.items() if count}
    if not bins:
        return 0.0
    p, q = (_shares(counts, bins) for counts in (before, now))
    return float(sum((q[key] - p[key]) * log(q[key] / p[key]) for key in bins))


def _shares(counts: Mapping[str, int], bins: Collection[str]) -> dict[str, float]:
    total = sum(counts.values()) + _HALF * len(bins)
    return {key: (counts.get(key, 0) + _HALF) / total for key in bins}


def by_chance(bins: int, before: int, now: int, alike: float = 1.0) -> float:
    """Return the index that two samples of one population exceed once in a thousand times.

    It is distributed as (1 / n + 1 / m) times chi-squared with one degree of freedom less than there are bins (Yurdakul
    and Naranjo, "Statistical properties of the population stability index", J. Risk Model Validation 14, 2020), whose
    quantile is that of Wilson and Hilferty (1931).

    Args:
        bins: that are not empty.
        before, now: sizes of the samples.
        alike: so many of a sample count as one that is independent.
    """
    free = max(1, bins - 1)
    quantile = free * (1 - 2 / (9 * free) + _Z_999 * sqrt(2 / (9 * free))) ** 3
    return float(quantile * alike * (1 / before + 1 / now))


def find_shifts(before: Sequence[Counts], now: Sequence[Counts]) -> tuple[Shift, ...]:
    """Return what differs, most of all first: by an effect that matters, and more than chance explains.

    Args:
        before, now: histograms of days. How far days of one period differ among themselves tells how many people or
            pictures count as one that is independent: all of a dark day are dark.
    """
    found = [shift for what in WHATS if (shift := _shift(what, _of(what, before), _of(what, now))) is not None]
    return tuple(sorted(found, key=lambda shift: -shift.psi))


def total(days: Sequence[Counts]) -> Counts:
    """Return the histograms of days together."""
    return reduce(added, days, no_counts())


def is_enough(what: What, counts: Mapping[str, int]) -> bool:
    """Tell whether there is enough of a histogram to compare."""
    return sum(counts.values()) >= (LEAST_PICTURES if what in OF_PICTURES else LEAST_PEOPLE)


def dispersion(*periods: Sequence[Mapping[str, int]]) -> float:
    """Return how many people count as one that is independent, at least 1, by how far days of a period differ.

    No day may be empty. It is Pearson's chi-squared of each day against its period, over its degrees of freedom
    (McCullagh and Nelder, "Generalized Linear Models", 1989, section 4.5).

    >>> dispersion([{"a": 10}, {"b": 10}]), dispersion([{"a": 5, "b": 5}, {"a": 5, "b": 5}])
    (20.0, 1.0)
    """
    squared, free = 0.0, 0
    for days in periods:
        whole = sum((Counter(day) for day in days), Counter[str]())
        size = whole.total()
        shares = {key: count / size for key, count in whole.items()}
        for people, day in ((sum(day.values()), day) for day in days):
            squared += sum((day.get(key, 0) - people * share) ** 2 / (people * share) for key, share in shares.items())
        free += (len(shares) - 1) * (len(days) - 1)
    return max(1.0, squared / free) if free > 0 else 1.0


def _of(what: What, days: Sequence[Counts]) -> list[Counter[str]]:
    return [day[what] for day in days if day[what]]


def _shift(what: What, before_days: Sequence[Counter[str]], now_days: Sequence[Counter[str]]) -> Shift | None:
    before, now = (sum(days, Counter[str]()) for days in (before_days, now_days))
    if not (is_enough(what, before) and is_enough(what, now)):
        return None
    index, sizes = psi(before, now), (before.total(), now.total())
    bins = len({*before, *now})
    if index < LEAST_PSI or index < by_chance(bins, *sizes, _SAFETY * dispersion(before_days, now_days)):
        return None
    if what in BOUNDS:
        return Shift(what, index, median(what, before), median(what, now))
    shares = {key: (before[key] / sizes[0], now[key] / sizes[1]) for key in {*before, *now}}
    which = max(shares, key=lambda key: (abs(shares[key][1] - shares[key][0]), key))
    return Shift(what, index, *shares[which], which)

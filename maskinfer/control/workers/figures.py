"""Figures of several processes together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

from maskinfer.control.room.state import CameraCounters, Distribution
from maskinfer.control.watch.watching import Counted

_K = TypeVar("_K")


def added(one: Counted, other: Counted) -> Counted:
    """Return the figures of two processes as those of one."""
    cameras = dict(one.cameras)
    for name, counters in other.cameras.items():
        cameras[name] = _added_cameras(cameras[name], counters) if name in cameras else counters
    return Counted(cameras, _added_times(one.models, other.models))


def _added_cameras(one: CameraCounters, other: CameraCounters) -> CameraCounters:
    return CameraCounters(
        frames=one.frames + other.frames,
        dropped=one.dropped + other.dropped,
        returns=one.returns + other.returns,
        faces=_sum(one.faces, other.faces),
        visits=_sum(one.visits, other.visits),
        violations=_sum(one.violations, other.violations),
        ages=_added_times(one.ages, other.ages),
    )


def _added_times(one: Distribution, other: Distribution) -> Distribution:
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return Distribution(one.bounds_s, counts, one.sum_s + other.sum_s)


def _sum(one: Mapping[_K, int], other: Mapping[_K, int]) -> dict[_K, int]:
    return dict(Counter(one) + Counter(other))

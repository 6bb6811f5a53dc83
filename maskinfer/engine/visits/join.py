"""Which of the people who went out of sight a new face may be, by place, time and size. Nobody is recognized."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.visits.person import Box, Motion

# In sizes of the face: how far from where it was, or would have gone, it may come back at once ...
_NEAR = 0.7
# ... and how much farther for each second, up to the most.
_FARTHER_PER_S = 0.7
_FARTHEST = 2.0
# How much larger or smaller it may be.
_RATIO = 1.6


def join(gone: Sequence[Motion], new: Sequence[tuple[Box, float]], gap_s: float) -> list[int | None]:
    """Return for each new face which of those who are gone it is; None for somebody else.

    The nearest pairs come first, and nobody comes back twice.

    Args:
        gone: where they were seen last.
        new: where and when each new face was seen first.
        gap_s: who is gone for longer does not come back.
    """
    costs = np.array([[cost(one, *face, gap_s) for face in new] for one in gone]).reshape(len(gone), len(new))
    found: list[int | None] = [None] * len(new)
    while costs.size and math.isfinite(best := float(costs.min())):
        row, column = (int(i[0]) for i in np.nonzero(costs == best))
        found[column] = row
        costs[row, :] = costs[:, column] = math.inf
    return found


def cost(gone: Motion, box: Box, first_s: float, gap_s: float) -> float:
    """Return how unlike two sights of one person they are, 0 to 1; infinite if they cannot be."""
    away_s = first_s - gone.last_s
    before_px, now_px = _size_px(gone.box), _size_px(box)
    if not 0 < away_s <= gap_s or min(before_px, now_px) <= 0:
        return math.inf
    ratio = max(before_px, now_px) / min(before_px, now_px)
    size_px = (before_px + now_px) / 2
    far = min(_distance_px(place, box) for place in (gone.box, gone.at(first_s))) / size_px
    most = min(_FARTHEST, _NEAR + _FARTHER_PER_S * away_s)
    if far > most or ratio > _RATIO:
        return math.inf
    return 0.5 * far / most + 0.5 * math.log(ratio) / math.log(_RATIO)


def _size_px(box: Box) -> float:
    sides: NDArray[np.float32] = np.maximum(box[2:] - box[:2], 0)
    return math.sqrt(float(sides[0] * sides[1]))


def _distance_px(one: Box, other: Box) -> float:
    return float(np.hypot(*((one[:2] + one[2:] - other[:2] - other[2:]) / 2)))

"""Which boxes of a frame may be those of the frame before: pairs, the best first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import FloatArray

# A face that was seen once may be so many of its sides farther in the next frame, and so much larger or smaller.
_LEAP, _LEAP_RATIO = 1.5, 1.3


def nearness(before: FloatArray, now: FloatArray) -> FloatArray:
    """Return how near boxes are to others, (N, M): 1 at the same place, 0 at ``_LEAP`` or with another size."""
    sides = [np.sqrt(np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1e-3), axis=1)) for xyxy in (before, now)]
    middles = [(xyxy[:, :2] + xyxy[:, 2:]) / 2 for xyxy in (before, now)]
    away = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=2)
    larger, smaller = np.maximum(sides[0][:, None], sides[1]), np.minimum(sides[0][:, None], sides[1])
    near = np.maximum(0, 1 - away / (_LEAP * smaller))
    return np.asarray(np.where(larger <= _LEAP_RATIO * smaller, near, 0), np.float32)


def best_first(overlaps: FloatArray, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return pairs of row and column, each row and each column once at most, the best overlaps first."""
    pairs: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for i in np.argsort(-overlaps, kind="stable"):
        row, column = int(rows[i]), int(columns[i])
        if row in taken[0] or column in taken[1]:
            continue
        taken[0].add(row)
        taken[1].add(column)
        pairs.append((row, column))
    return pairs

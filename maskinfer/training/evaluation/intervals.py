"""95 % intervals: how far a figure that was measured on so few faces or images may lie from the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.intervals import wilson

RESAMPLES = 1000
# Rows of resampled counts that are held at once.
_CHUNK = 100
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the interval that covers the true one 95 times in 100.

    Attributes:
        value: the figure.
        low, high: ends of the interval.
        n: how many faces or images it was measured on; 0 if it could not be.
    """

    value: float
    low: float
    high: float
    n: int


def share(count: int, total: int) -> Estimate:
    """Return a share of independent trials with Wilson's interval.

    Args:
        count: successes, 0 to ``total``.
        total: trials; of none the share is 0 and the interval 0 to 1.
    """
    if not total:
        return Estimate(0.0, 0.0, 1.0, 0)
    return Estimate(count / total, *wilson(count, total), total)


def bootstrap(counts: Floats, figure: Callable[[Floats], Floats], *, seed: int = 0) -> Estimate:
    """Return a figure of summed counts with the percentile interval of resampled images (Efron 1979).

    Faces of one image are alike, so images are drawn with replacement, not faces.

    Args:
        counts: (images, columns), what was counted on each image.
        figure: of sums (n, columns) -> (n,); nan where a sum allows none.
        seed: of the resampling, so that the same data gives the same interval.
    """
    value = float(np.nan_to_num(figure(counts.sum(0, keepdims=True))[0]))
    if not len(counts):
        return Estimate(value, value, value, 0)
    resampled = figure(_resampled_sums(counts, np.random.default_rng(seed)))
    kept = resampled[np.isfinite(resampled)]
    low, high = np.percentile(kept, [2.5, 97.5]) if len(kept) else (value, value)
    return Estimate(value, float(low), float(high), len(counts))


def _resampled_sums(counts: Floats, rng: np.random.Generator) -> Floats:
    images = len(counts)
    equal = np.full(images, 1 / images)
    chunks = [rng.multinomial(images, equal, size=_CHUNK) @ counts for _ in range(RESAMPLES // _CHUNK)]
    return np.concatenate(chunks)


def rate(per_image: Floats) -> Estimate:
    """Return the mean of a count per image with its bootstrapped interval.

    Where nothing was counted, resampling sees no spread; the high end is then the exact one of a Poisson count of
    none, 3.7 over all images (Garwood 1936).

    Args:
        per_image: (images,).
    """
    counts = np.stack([per_image, np.ones(len(per_image))], axis=1)
    found = bootstrap(counts, lambda sums: sums[:, 0] / np.maximum(sums[:, 1], 1))
    if found.n and not per_image.any():
        return Estimate(0.0, 0.0, -math.log(0.025) / found.n, found.n)
    return found

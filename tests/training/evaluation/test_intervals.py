"""95 % intervals: shares, resampled figures, rates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maskinfer.training.evaluation.intervals import bootstrap, rate, share


def test_wilsons_interval_against_the_values_in_print() -> None:
    # Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29.
    known = ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718))
    for count, total, low, high in known:
        found = share(count, total)
        assert (found.value, found.n) == (count / total, total)
        assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize("total", [1, 7, 300])
def test_none_and_all_lie_in_their_own_interval(total: int) -> None:
    assert share(0, total).low == 0
    assert share(total, total).high == 1
    assert share(total, total).low == pytest.approx(1 - share(0, total).high)


def test_a_share_of_nothing_is_unknown() -> None:
    nothing = share(0, 0)
    assert (nothing.value, nothing.low, nothing.high, nothing.n) == (0, 0, 1, 0)


def test_the_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = bootstrap(np.stack([values, np.ones(400)], axis=1), lambda sums: sums[:, 0] / sums[:, 1])
    half = 1.96 * values.std() / math.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.25 * half)
    assert found == bootstrap(np.stack([values, np.ones(400)], axis=1), lambda sums: sums[:, 0] / sums[:, 1])


def test_a_rate_of_none_is_not_certainly_none() -> None:
    found = rate(np.zeros(100))
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(3.689 / 100, abs=1e-4)

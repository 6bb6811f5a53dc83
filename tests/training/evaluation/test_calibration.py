"""Calibration and selective labelling, against values that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maskinfer.engine.errors import RequestError
from maskinfer.training.evaluation.calibration import (
    apply_temperature,
    binomial_upper,
    calibration_error_by_chance,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    risk_coverage,
    threshold_for_error,
)


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three labels, and truths drawn with these very probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, 3))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (p.cumsum(1) < rng.random((count, 1))).sum(1)
    return p, np.minimum(truth, 2)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    p, truth = drawn(20_000)
    distorted = apply_temperature(p, 1 / temperature)
    assert fit_temperature(distorted, truth) == pytest.approx(temperature, rel=0.04)


def test_no_other_temperature_is_likelier() -> None:
    p, truth = drawn(500, seed=3)
    best = fit_temperature(p, truth)
    likelihood = negative_log_likelihood(apply_temperature(p, best), truth)
    for other in (best * 0.97, best * 1.03, 1.0):
        assert likelihood <= negative_log_likelihood(apply_temperature(p, other), truth)


def test_a_temperature_keeps_the_label_and_the_sum() -> None:
    p, _ = drawn(200)
    scaled = apply_temperature(p, 3.0)
    assert (scaled.argmax(1) == p.argmax(1)).all()
    assert scaled.sum(1) == pytest.approx(1)
    assert apply_temperature(p, 1.0) == pytest.approx(p)
    # softmax(log(.8) / 2, log(.2) / 2) = sqrt(.8) : sqrt(.2) = 2 : 1
    assert apply_temperature([[0.8, 0.2]], 2.0)[0] == pytest.approx([2 / 3, 1 / 3])


def test_sure_and_always_right_or_wrong_stays_within_bounds() -> None:
    p = np.tile([0.99, 0.01], (50, 1))
    assert 1 / 20 <= fit_temperature(p, np.zeros(50)) < 0.2
    assert fit_temperature(p, np.ones(50)) == pytest.approx(20, rel=1e-3)
    assert math.isfinite(negative_log_likelihood([[1.0, 0.0]], [1]))


def test_truths_without_a_label_are_left_out_of_the_fit() -> None:
    p, truth = drawn(300)
    more = np.concatenate([p, [[0.9, 0.05, 0.05]] * 40])
    with_foreign = np.concatenate([truth, np.full(40, -1)])
    assert fit_temperature(more, with_foreign) == fit_temperature(p, truth)
    with pytest.raises(RequestError, match="at least one face"):
        fit_temperature(p, np.full(300, -1))


def test_calibration_error_by_hand() -> None:
    p = [[0.6, 0.4]] * 10 + [[0.1, 0.9]] * 10
    truth = [0] * 5 + [1] * 5 + [1] * 10  # right: 5 of 10 at 60 %, 10 of 10 at 90 %
    assert expected_calibration_error(p, truth, bins=2) == pytest.approx((0.1 + 0.1) / 2)
    low, high = reliability(p, truth, bins=2)
    assert (low.confidence, low.right.value, low.right.n) == pytest.approx((0.6, 0.5, 10))
    assert (high.confidence, high.right.value) == pytest.approx((0.9, 1.0))


def test_true_probabilities_err_by_chance_only() -> None:
    p, truth = drawn(3000)
    chance = calibration_error_by_chance(p)
    assert 0 < chance < 0.03
    assert expected_calibration_error(p, truth) < 2 * chance
    assert expected_calibration_error(apply_temperature(p, 0.4), truth) > 5 * chance


def test_fewer_faces_than_bins() -> None:
    assert len(reliability([[0.7, 0.3], [0.6, 0.4]], [0, 1])) == 2


def test_risk_and_coverage_by_hand() -> None:
    p = [[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]]
    curve = risk_coverage(p, [0, 0, 1, -1])
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.6]
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 1 / 3, 0.5])
    assert curve.area() == pytest.approx(0.5 / 3 + 0.25 * 0.5)


@pytest.mark.parametrize(("errors", "total"), [(0, 10), (0, 300), (3, 40), (25, 1000), (40, 40)])
def test_the_binomial_bound_is_the_exact_one(errors: int, total: int) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    expected = 1.0 if errors == total else scipy_stats.beta.ppf(0.95, errors + 1, total - errors)
    assert binomial_upper(errors, total, 0.05) == pytest.approx(expected, abs=1e-6)


def test_the_bound_of_none_is_the_rule_of_three() -> None:
    assert binomial_upper(0, 300, 0.05) == pytest.approx(1 - 0.05 ** (1 / 300), abs=1e-9)


def test_a_threshold_for_an_error_rate() -> None:
    p, truth = drawn(4000)
    found = threshold_for_error(p, truth, 0.05)
    assert found is not None
    chosen = p.max(1) >= found.value
    wrong = p.argmax(1) != truth
    assert found.coverage == pytest.approx(chosen.mean())
    assert found.error == pytest.approx(wrong[chosen].mean())
    assert found.error <= found.error_bound <= 0.05 < wrong.mean()
    # The labels of as many faces that it never saw.
    others, other_truth = drawn(4000, seed=9)
    labelled = others.max(1) >= found.value
    assert (others.argmax(1) != other_truth)[labelled].mean() <= 0.05


def test_the_promise_is_kept_nineteen_times_in_twenty() -> None:
    big, big_truth = drawn(100_000, seed=100)
    broken = 0
    for seed in range(60):
        found = threshold_for_error(*drawn(600, seed=seed), 0.1)
        if found is not None:
            labelled = big.max(1) >= found.value
            broken += int((big.argmax(1) != big_truth)[labelled].mean() > 0.1)
    assert broken <= 3


def test_where_nothing_can_be_promised() -> None:
    assert threshold_for_error([[0.9, 0.1]] * 5, [0] * 5, 0.01) is None
    assert threshold_for_error([[0.9, 0.1]] * 500, [1] * 500, 0.05) is None


def test_all_right_and_many_means_no_threshold_above_the_least() -> None:
    p = [[0.9, 0.1], [0.7, 0.3]] * 500
    found = threshold_for_error(p, [0] * 1000, 0.02)
    assert found is not None
    assert (found.value, found.coverage, found.error) == (0.7, 1.0, 0.0)


@pytest.mark.parametrize("wrong", [0.0, 1.0, 2.0])
def test_an_impossible_error_rate(wrong: float) -> None:
    with pytest.raises(RequestError, match="between 0 and 1"):
        threshold_for_error([[0.9, 0.1]], [0], wrong)


def test_shapes_and_temperatures_that_do_not_fit() -> None:
    with pytest.raises(RequestError, match=r"expected \(N, K\)"):
        expected_calibration_error([0.5, 0.5], [0, 1])
    with pytest.raises(RequestError, match="N over 0"):
        fit_temperature(np.zeros((0, 3)), [])
    with pytest.raises(RequestError, match="over 0"):
        apply_temperature([[0.5, 0.5]], 0)

"""Timing in turn, and what noise is."""

from __future__ import annotations

import time

import pytest

from maskinfer.benchmark.timing import summarize, time_in_turn


def test_things_are_timed_in_turn_and_the_slow_one_is_slower() -> None:
    order: list[str] = []

    def slow() -> None:
        order.append("slow")
        time.sleep(0.01)

    times = time_in_turn({"slow": slow, "fast": lambda: order.append("fast")}, 0.2)
    assert times["slow"].p50_ms >= 10 > times["fast"].p50_ms
    assert times["slow"].p50_ms <= times["slow"].p90_ms <= times["slow"].p99_ms
    assert times["slow"].runs == times["fast"].runs >= 15
    assert 0 < order.index("fast", 4) < len(order) - order[::-1].index("slow")  # neither is through before the other


def test_a_machine_that_changes_is_noisy() -> None:
    calls = 0

    def slower_and_slower() -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.0005 * calls)

    assert time_in_turn({"drifting": slower_and_slower}, 0.2)["drifting"].is_noisy


def test_a_machine_that_leaps_is_noisy_though_both_halves_are_alike() -> None:
    visits = [[ms] * 3 for ms in (1.0, 1.0, 1.5, 1.5, 1.0, 1.0, 1.5, 1.5)]
    assert summarize(visits).noise == pytest.approx(0.25, abs=0.1)
    assert summarize([[1.0, 1.01, 0.99]] * 8).noise == 0

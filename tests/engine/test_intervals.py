from __future__ import annotations

import pytest

from maskinfer.engine.intervals import wilson


def test_an_interval_as_published() -> None:
    """R's ``prop.test(x, n, correct = FALSE)``."""
    assert wilson(15, 148) == pytest.approx((0.06238, 0.16058), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.16113), abs=1e-4)
    assert wilson(20, 20) == pytest.approx((0.83887, 1.0), abs=1e-4)


def test_of_nobody_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)

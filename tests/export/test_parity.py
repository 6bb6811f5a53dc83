"""Pictures to compare models on, and how far their outputs are from each other."""

from __future__ import annotations

import numpy as np
import pytest

from maskinfer.export.parity import largest_difference, sample_pictures


def test_pictures_are_noise_gradients_black_and_white() -> None:
    pictures = sample_pictures(5, (32, 24))
    assert (pictures.shape, pictures.dtype) == ((5, 24, 32, 3), np.uint8)
    assert pictures[0].std() > 50
    assert (np.diff(pictures[1, :, :, 0].astype(int), axis=0) > 0).all()
    assert (np.diff(pictures[1, :, :, 1].astype(int), axis=1) > 0).all()
    assert ((pictures[2] == 0).all(), (pictures[3] == 255).all()) == (True, True)
    assert (pictures[4] != pictures[0]).any()
    assert (pictures == sample_pictures(5, (32, 24))).all()


def test_the_largest_difference_of_any_output_counts() -> None:
    a, b = np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32)
    off = b.copy()
    off[1, 2] = -0.25
    assert largest_difference([([a, b], [a, b]), ([a, off], [a, b])]) == 0.25
    with pytest.raises(ValueError, match="zip"):
        largest_difference([([a], [a, b])])


def test_what_is_not_a_number_is_never_near() -> None:
    broken = np.array([0.0, np.nan], np.float32)
    assert np.isnan(largest_difference([([np.zeros(2, np.float32)], [broken]), ([broken[:1]], [broken[:1]])]))

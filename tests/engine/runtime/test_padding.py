"""Batches that are filled up say the same of what was asked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.runtime.padding import CUDA_SIZES, padded, sizes_for
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.engine.runtime.session import run_session


@pytest.mark.parametrize(("count", "filled"), [(0, 0), (1, 1), (2, 4), (4, 4), (5, 16), (17, 32), (32, 32), (40, 40)])
def test_a_batch_is_filled_up_to_the_next_size(count: int, filled: int) -> None:
    batch = np.arange(count * 2, dtype=np.uint8).reshape(count, 2)
    given = padded(batch, CUDA_SIZES)
    assert given.shape == (filled, 2)
    assert np.array_equal(given[:count], batch)
    assert (given[count:] == batch[-1:]).all()


def test_the_cpu_gets_batches_as_they_are() -> None:
    assert sizes_for(load_classifier("mobilenetv2-128", provider="cpu").session) == ()


@pytest.mark.parametrize("name", ["mobilenetv2-128", "retinaface-mask"])
def test_a_filled_batch_says_the_same(name: str, portrait: BGRFrame) -> None:
    """On real graphs, of which every output has a row for each item."""
    model = load_classifier(name, provider="cpu") if name.startswith("mobile") else load_detector(name, provider="cpu")
    side = model.contract.size_wh[0]
    picture = cv2.resize(portrait, (side, side))
    batch = to_input(np.stack([np.roll(picture, 9 * n, axis=1) for n in range(3)]), model.contract.input)
    filled = run_session(model.session, batch, name, CUDA_SIZES)
    as_it_is = run_session(model.session, batch, name, ())
    assert [output.shape for output in filled] == [output.shape for output in as_it_is]
    for one, other in zip(filled, as_it_is, strict=True):
        assert len(one) == 3
        assert np.allclose(one, other, atol=1e-4)

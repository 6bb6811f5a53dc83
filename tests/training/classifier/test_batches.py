"""What a training draws is the same, whoever draws it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from maskinfer.engine.errors import RequestError  # noqa: E402
from maskinfer.training.classifier.batches import Draws, drawn_ahead  # noqa: E402
from maskinfer.training.classifier.dataset import Pictures  # noqa: E402
from maskinfer.training.classifier.recipe import load_recipe  # noqa: E402
from maskinfer.training.optim import training_device  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def draws() -> Draws:
    rng = np.random.default_rng(0)
    windows = rng.integers(0, 256, (6, 192, 192, 3), np.uint8)
    no = np.zeros(6, np.bool_)
    pictures = Pictures(windows, np.array([0, 1, 2, -1, 0, 1]), ("a",) * 6, ("",) * 6, no, no)
    recipe = load_recipe("standard")
    small = replace(recipe, schedule=replace(recipe.schedule, batch=4))
    return Draws(pictures, rng.integers(0, 6, 18), small, 48)


@pytest.mark.parametrize("first", [0, 2])
def test_many_threads_draw_what_one_does(draws: Draws, first: int) -> None:
    drawn = []
    for device in ("cpu", "cuda"):
        with drawn_ahead(draws, first, torch.device(device)) as batches:
            drawn.append(list(batches))
    assert [len(images) for images, _ in drawn[0]] == [4, 4, 4, 4, 2][first:]
    for (images, labels), (others, other_labels) in zip(*drawn, strict=True):
        assert images.shape[1:] == (48, 48, 3)
        assert torch.equal(images, others)
        assert torch.equal(labels, other_labels)
    assert (
        torch.cat([labels for _, labels in drawn[0]]).tolist()
        == draws.pictures.labels[draws.order[4 * first :]].tolist()
    )


def test_a_device_that_is_not_there_is_said() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert training_device("auto").type == "cpu"
    with pytest.raises(RequestError, match="finds no CUDA device: install a build for your GPU"):
        training_device("cuda")

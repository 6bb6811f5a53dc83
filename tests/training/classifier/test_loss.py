from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from maskinfer.training.classifier.loss import accuracy_of, loss_of  # noqa: E402
from maskinfer.training.classifier.recipe import load_recipe  # noqa: E402
from maskinfer.training.classifier.windows.faces import NO_FACE  # noqa: E402

RECIPE = load_recipe("standard")
PLAIN = replace(RECIPE, sampling=replace(RECIPE.sampling, no_face_share=0.0))


def test_what_is_no_face_says_nothing_of_the_labels() -> None:
    logits = torch.tensor([[3.0, 0, 0, 4], [9.0, -9, -9, -4]])
    targets = torch.tensor([0, NO_FACE])
    loss = loss_of(logits, targets, None, RECIPE)
    logits[1, :3] = torch.tensor([-9.0, 9, 9])
    assert loss_of(logits, targets, None, RECIPE) == loss
    assert accuracy_of(logits, targets, RECIPE) == 1
    logits[1, 3] = 4
    assert loss_of(logits, targets, None, RECIPE) > loss + 1


def test_a_recipe_without_such_draws_has_no_such_loss() -> None:
    logits, targets = torch.tensor([[3.0, 0, 0], [0, 1, 0]]), torch.tensor([0, 1])
    smoothing = RECIPE.schedule.label_smoothing
    expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    assert loss_of(logits, targets, None, PLAIN) == expected
    assert (RECIPE.outputs, PLAIN.outputs) == (4, 3)


def test_a_batch_without_faces_has_a_loss() -> None:
    logits = torch.zeros(2, 4, requires_grad=True)
    loss_of(logits, torch.tensor([NO_FACE, NO_FACE]), None, RECIPE).backward()
    assert float(logits.grad[0, 3]) > 0
    assert accuracy_of(logits, torch.tensor([NO_FACE, NO_FACE]), RECIPE) == 0

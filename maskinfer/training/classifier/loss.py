"""What a step of the training makes less: wrong labels of faces, and faces taken for none or the other way."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from maskinfer.training.classifier.recipe import Recipe
from maskinfer.training.classifier.windows.faces import NO_FACE


def loss_of(logits: Tensor, targets: Tensor, taught: Tensor | None, recipe: Recipe) -> Tensor:
    """Return the loss of a batch, a number.

    Args:
        logits: float32 (N, labels), and a further column, that it is a face, if the recipe has it.
        targets: int64 (N,), indices of labels, or ``NO_FACE``; what is no face says nothing of the labels.
        taught: float32 (N, labels), the teachers' probabilities, if there are teachers.
        recipe: its labels and how the parts are weighed.
    """
    count, schedule = len(recipe.labels), recipe.schedule
    faces = targets != NO_FACE
    loss = logits.sum() * 0
    if faces.any():
        said = logits[faces, :count]
        loss = cross_entropy(said, targets[faces], label_smoothing=schedule.label_smoothing)
        if taught is not None:
            share = schedule.teacher_share
            loss = share * cross_entropy(said, taught[faces]) + (1 - share) * loss
    if recipe.tells_faces:
        loss = loss + binary_cross_entropy_with_logits(logits[:, count], faces.float())
    return loss


def accuracy_of(logits: Tensor, targets: Tensor, recipe: Recipe) -> float:
    """Return the share of a batch's faces whose label is right; 0 of no faces."""
    faces = targets != NO_FACE
    right = logits[faces, : len(recipe.labels)].argmax(1) == targets[faces]
    return float(right.float().sum() / max(1, int(faces.sum())))

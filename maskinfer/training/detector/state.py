"""A detector's training under way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch.optim.lr_scheduler import LambdaLR

from maskinfer.training.detector.model import RetinaFace, freeze
from maskinfer.training.detector.recipe import DetectorRecipe
from maskinfer.training.optim import average_of, parameter_groups
from maskinfer.training.state import TrainingState, Weights, copy_weights


@dataclass(frozen=True, slots=True)
class LossRecord:
    """Mean losses of some steps.

    Attributes:
        step: the last of them, from 1.
        loss: what is minimised.
        faces, boxes, landmarks: its parts, unweighted.
        seconds: the training took so far.
    """

    step: int
    loss: float
    faces: float
    boxes: float
    landmarks: float
    seconds: float

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        parts = f"faces {self.faces:.4f} boxes {self.boxes:.4f} landmarks {self.landmarks:.4f}"
        return f"step {self.step}: loss {self.loss:.4f} ({parts}), {self.seconds:.0f} s"


@dataclass(slots=True)
class DetectorTraining(TrainingState[LossRecord]):
    """A detector's training under way.

    Attributes:
        start: the weights that it began with.
    """

    model: RetinaFace
    start: Weights = field(default_factory=dict)

    def kept(self, recipe: DetectorRecipe) -> Weights:
        """Return the weights to keep: the average, and a share of those at the start."""
        return {name: value.lerp(self.start[name], recipe.start_share) for name, value in self.averaged().items()}


def begin(model: RetinaFace, recipe: DetectorRecipe) -> DetectorTraining:
    """Prepare the training of a network, which is set to be trained."""
    # Numbers too small to matter are calculated ten times slower than zeros.
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze(model, recipe.frozen_blocks)
    optimizer, scheduler = _optimizer(model, recipe)
    average = average_of(model, recipe.average_decay)
    return DetectorTraining(model, optimizer, scheduler, average, start=copy_weights(model))


def _optimizer(model: RetinaFace, recipe: DetectorRecipe) -> tuple[torch.optim.Optimizer, LambdaLR]:
    optimizer = torch.optim.AdamW(parameter_groups(model, recipe.weight_decay), lr=recipe.learning_rate)
    warmup = max(1, round(recipe.warmup_share * recipe.steps))

    def rate(step: int) -> float:
        return min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(1.0, step / recipe.steps))))

    return optimizer, LambdaLR(optimizer, rate)

"""A detector's training under way, and its state in a file."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from maskinfer.engine.errors import ModelError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.training.detector.model import RetinaFace, freeze
from maskinfer.training.detector.recipe import DetectorRecipe
from maskinfer.training.optim import average_of, count_steps, parameter_groups

Weights = dict[str, Tensor]


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
class TrainingState:
    """A training under way; all that the next step follows from, besides the pictures and the recipe.

    Attributes:
        model: trained in place.
        start: the weights that it began with.
        average: moving average of its weights.
        step: how many were taken.
        history: mean losses so far.
    """

    model: RetinaFace
    optimizer: torch.optim.Optimizer
    scheduler: LambdaLR
    start: Weights
    average: AveragedModel
    step: int = 0
    history: list[LossRecord] = field(default_factory=list)

    def kept(self, recipe: DetectorRecipe) -> Weights:
        """Return the weights to keep: the average, and a share of those at the start."""
        averaged = self.average.module.state_dict()
        return {name: value.lerp(self.start[name], recipe.start_share) for name, value in averaged.items()}


def begin(model: RetinaFace, recipe: DetectorRecipe) -> TrainingState:
    """Prepare the training of a network, which is set to be trained."""
    # Numbers too small to matter are calculated ten times slower than zeros.
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze(model, recipe.frozen_blocks)
    optimizer, scheduler = _optimizer(model, recipe)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    return TrainingState(model, optimizer, scheduler, start, average_of(model, recipe.average_decay))


def _optimizer(model: RetinaFace, recipe: DetectorRecipe) -> tuple[torch.optim.Optimizer, LambdaLR]:
    optimizer = torch.optim.AdamW(parameter_groups(model, recipe.weight_decay), lr=recipe.learning_rate)
    warmup = max(1, round(recipe.warmup_share * recipe.steps))

    def rate(step: int) -> float:
        return min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(1.0, step / recipe.steps))))

    return optimizer, LambdaLR(optimizer, rate)


def save_state(state: TrainingState, file: Path) -> None:
    """Write all that ``load_state`` needs to go on as if nothing had happened."""
    content = {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "average": state.average.module.state_dict(),
        "step": state.step,
        "history": [asdict(line) for line in state.history],
    }
    with atomic_write(file) as partial:
        torch.save(content, partial)


def load_state(state: TrainingState, file: Path) -> None:
    """Bring a training that has just begun to where another one stood; nothing in the file is executed.

    Raises:
        ModelError: the file is not the state of such a training.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        state.model.load_state_dict(content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.scheduler.load_state_dict(content["scheduler"])
        state.average.module.load_state_dict(content["average"])
        state.step = content["step"]
        count_steps(state.average, state.step)
        state.history = [LossRecord(**line) for line in content["history"]]
    except Exception as error:  # torch raises whatever the broken file leads it to
        raise ModelError(f"{file} is not the state of this training: {str(error).strip()[:120]}") from error

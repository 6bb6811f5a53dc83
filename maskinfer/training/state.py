"""A training under way, and its state in a file, from which it goes on as if nothing had happened."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from maskinfer.engine.errors import ModelError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.training.optim import count_steps

Weights = dict[str, Tensor]
Record = TypeVar("Record")


@dataclass(slots=True)
class TrainingState(Generic[Record]):
    """All that the next step of a training follows from, besides the data and the recipe.

    Attributes:
        model: trained in place.
        optimizer, scheduler: of its weights.
        average: moving average of its weights.
        step: how many were taken.
        history: figures so far.
        best: the averaged weights that were best on the pictures kept out; None without such.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler
    average: AveragedModel
    step: int = 0
    history: list[Record] = field(default_factory=list)
    best: Weights | None = None

    def averaged(self) -> Weights:
        """Return the averaged weights."""
        weights: Weights = self.average.module.state_dict()
        return weights


def copy_weights(model: nn.Module) -> Weights:
    """Return a copy of a network's weights and statistics."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def save_state(state: TrainingState[Any], file: Path) -> None:
    """Write all that ``load_state`` needs."""
    content = {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "scheduler": state.scheduler.state_dict(),
        "average": state.averaged(),
        "best": state.best,
        "step": state.step,
        "history": [asdict(record) for record in state.history],
        "generator": torch.get_rng_state(),
    }
    with atomic_write(file) as partial:
        torch.save(content, partial)


def load_state(state: TrainingState[Record], file: Path, kind: type[Record]) -> None:
    """Bring a training that has just begun to where ``save_state`` left it; nothing in the file is executed.

    Args:
        state: of the training that has just begun.
        file: from ``save_state``.
        kind: of the records in its history.

    Raises:
        ModelError: the file is not the state of such a training.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        state.model.load_state_dict(content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.scheduler.load_state_dict(content["scheduler"])
        state.average.module.load_state_dict(content["average"])
        state.best, state.step = content["best"], content["step"]
        count_steps(state.average, state.step)
        state.history = [kind(**record) for record in content["history"]]
        torch.set_rng_state(content["generator"])
    except Exception as error:  # torch raises whatever the broken file leads it to
        raise ModelError(f"{file} is not the state of this training: {str(error).strip()[:120]}") from error

"""A trained detector in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from maskinfer.engine.errors import ModelError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.checks import sha256_of
from maskinfer.training.classifier.checkpoint import why_unreadable
from maskinfer.training.detector.model import RetinaFace
from maskinfer.training.detector.recipe import DetectorRecipe, from_dict, to_dict

CHECKPOINT_FORMAT = "maskinfer-detector-1"


@dataclass(frozen=True, slots=True)
class DetectorCheckpoint:
    """A trained detector and how it came about.

    Attributes:
        recipe: it was trained with.
        weights: the network's state.
        training_data: names of the data sets.
        sha256: of the file.
    """

    recipe: DetectorRecipe
    weights: Mapping[str, Tensor]
    training_data: tuple[str, ...]
    sha256: str


def save_checkpoint(file: Path, recipe: DetectorRecipe, model: RetinaFace, training_data: tuple[str, ...]) -> None:
    """Write a checkpoint that ``load_checkpoint`` reads; an earlier file stays whole until this one is.

    Raises:
        OutputError: it cannot be written.
    """
    content = {
        "format": CHECKPOINT_FORMAT,
        "recipe": to_dict(recipe),
        "training_data": list(training_data),
        "weights": model.state_dict(),
    }
    with atomic_write(file) as partial:
        torch.save(content, partial)


def load_checkpoint(file: Path) -> DetectorCheckpoint:
    """Read a checkpoint; nothing in it is executed.

    Raises:
        ModelError: the file is no checkpoint of a detector.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        if content["format"] != CHECKPOINT_FORMAT:
            raise ValueError(f"format {content['format']!r}, expected {CHECKPOINT_FORMAT!r}")
        data = tuple(content["training_data"])
        return DetectorCheckpoint(from_dict(content["recipe"]), content["weights"], data, sha256_of(file))
    except FileNotFoundError as error:
        raise ModelError(f"{file} does not exist: expected a checkpoint of a detector's training") from error
    except Exception as error:  # torch raises whatever the broken file leads it to
        reason = why_unreadable(error)
        raise ModelError(f"{file} is not a checkpoint of a detector's training: {reason}") from error


def restore(checkpoint: DetectorCheckpoint) -> RetinaFace:
    """Return the trained network, ready to predict.

    Raises:
        ModelError: the weights do not fit.
    """
    model = RetinaFace()
    try:
        model.load_state_dict(dict(checkpoint.weights))
    except RuntimeError as error:
        raise ModelError(f"the checkpoint's weights do not fit: {str(error).splitlines()[0]}") from error
    return model.eval()

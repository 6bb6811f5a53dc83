"""Checkpoints of a classifier: its weights with the recipe they came from."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from maskinfer.engine.errors import ModelError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.training.classifier.network import build
from maskinfer.training.classifier.recipe import Recipe, from_dict, to_dict

CHECKPOINT_FORMAT = "maskinfer-classifier-1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network and how it came about.

    Attributes:
        recipe: it was trained with.
        weights: the network's state.
        training_data: names of the data sets.
        sha256: of the file.
    """

    recipe: Recipe
    weights: Mapping[str, Tensor]
    training_data: tuple[str, ...]
    sha256: str


def save_checkpoint(file: Path, recipe: Recipe, weights: Mapping[str, Tensor], training_data: tuple[str, ...]) -> None:
    """Write a checkpoint that ``load_checkpoint`` reads; an earlier file stays whole until this one is.

    Raises:
        OutputError: it cannot be written.
    """
    content = {
        "format": CHECKPOINT_FORMAT,
        "recipe": to_dict(recipe),
        "training_data": list(training_data),
        "weights": dict(weights),
    }
    with atomic_write(file) as partial:
        torch.save(content, partial)


def load_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is executed.

    Raises:
        ModelError: the file is no checkpoint of maskinfer's.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        if content["format"] != CHECKPOINT_FORMAT:
            raise ValueError(f"format {content['format']!r}, expected {CHECKPOINT_FORMAT!r}")
        recipe = from_dict(content["recipe"])
        data = tuple(content["training_data"])
        return Checkpoint(recipe, content["weights"], data, hashlib.sha256(file.read_bytes()).hexdigest())
    except FileNotFoundError as error:
        raise ModelError(f"{file} does not exist: expected a checkpoint that `maskinfer train` wrote") from error
    except Exception as error:  # torch raises whatever the broken file leads it to
        reason = why_unreadable(error)
        raise ModelError(f"{file} is not a checkpoint that `maskinfer train` wrote: {reason}") from error


def why_unreadable(error: Exception) -> str:
    """Return in one line why torch did not read a checkpoint, without its advice to unpickle what a stranger wrote."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds more than weights, which is never unpickled"
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else repr(error)


def restore(checkpoint: Checkpoint) -> nn.Module:
    """Return the trained network, ready to predict.

    Raises:
        ModelError: the weights do not fit the recipe.
    """
    network = replace(checkpoint.recipe.network, weights="none")
    model = build(network, checkpoint.recipe.outputs)
    try:
        model.load_state_dict(dict(checkpoint.weights))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"the checkpoint's weights do not fit its recipe: {str(error).splitlines()[0]}") from error
    return model.eval()

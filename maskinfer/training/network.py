"""The network: torchvision's MobileNetV2 and a head."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from maskinfer.engine.errors import ModelError, ModelNotFoundError
from maskinfer.training.recipe import Network, Recipe, from_dict, to_dict
from maskinfer.training.slim import slim

CHECKPOINT_FORMAT = "maskinfer-classifier-1"
FEATURES = 1280
# Of ImageNet, in RGB, on the 0-255 scale; what torchvision's weights expect.
MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)


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


def build(network: Network, classes: int) -> nn.Module:
    """Return the network: float32 (N, 3, side, side), RGB, normalised, in; logits (N, classes) out.

    The ImageNet weights come from torch's hub folder, or are fetched into it. A machine without the internet takes
    the file ``mobilenet_v2-b0353104.pth`` in ``$TORCH_HOME/hub/checkpoints``.

    Raises:
        ModelNotFoundError: the ImageNet weights are neither there nor to be fetched.
    """
    model = mobilenet_v2(width_mult=network.width)
    if network.weights == "imagenet":
        slim(_imagenet_network(), model)
    if network.head == "dense128":
        layers = [nn.Linear(FEATURES, 128), nn.ReLU(), nn.Dropout(network.dropout), nn.Linear(128, classes)]
        model.classifier = nn.Sequential(*layers)
    else:
        model.classifier = nn.Sequential(nn.Dropout(network.dropout), nn.Linear(FEATURES, classes))
    model.features[: network.frozen_blocks].requires_grad_(False)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _imagenet_network() -> nn.Module:
    weights = MobileNet_V2_Weights.IMAGENET1K_V1
    try:
        return mobilenet_v2(weights=weights)
    except OSError as error:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        raise ModelNotFoundError(f"cannot fetch {weights.url} ({error}): lay it into {file}") from error


def train_mode(model: nn.Module, network: Network) -> None:
    """Set the network to training; frozen blocks keep their batch statistics too."""
    model.train()
    features: Any = model.features
    features[: network.frozen_blocks].eval()


def to_network_input(bgr: Tensor) -> Tensor:
    """Return float32 (N, 3, H, W), RGB, normalised, for uint8 (N, H, W, 3), BGR."""
    rgb = bgr.permute(0, 3, 1, 2).flip(1).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN_RGB, STD_RGB))
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)


def save_checkpoint(file: Path, recipe: Recipe, weights: Mapping[str, Tensor], training_data: tuple[str, ...]) -> None:
    """Write a checkpoint that ``load_checkpoint`` reads."""
    content = {
        "format": CHECKPOINT_FORMAT,
        "recipe": to_dict(recipe),
        "training_data": list(training_data),
        "weights": dict(weights),
    }
    torch.save(content, file)


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
    model = build(network, len(checkpoint.recipe.labels))
    try:
        model.load_state_dict(dict(checkpoint.weights))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"the checkpoint's weights do not fit its recipe: {str(error).splitlines()[0]}") from error
    return model.eval()

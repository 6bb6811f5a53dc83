"""The network: torchvision's MobileNetV2 and a head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from maskinfer.engine.errors import ModelNotFoundError
from maskinfer.training.classifier.prune import slim
from maskinfer.training.classifier.recipe import Network

FEATURES = 1280
# Of ImageNet, in RGB, on the 0-255 scale; what torchvision's weights expect.
MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)


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
    mean, std = (torch.tensor(values, device=bgr.device).view(1, 3, 1, 1) for values in (MEAN_RGB, STD_RGB))
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)

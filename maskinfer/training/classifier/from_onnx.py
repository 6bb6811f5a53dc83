"""A network with the weights of an exported classifier, to go on training from or to learn from.

An exported graph holds no batch norms: they are folded into the convolutions. Here each gets the statistics that its
convolution's outputs have on some pictures, and the scale and shift with which it then does what the graph does.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from maskinfer.engine.contract import ClassifierContract, from_metadata
from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import BGRFrame
from maskinfer.training.classifier.network import STD_RGB, build, to_network_input
from maskinfer.training.classifier.recipe import Recipe

_HALF = "_half"
# Of MobileNetV2 at its full width.
_STEM_CHANNELS = 32


def begin_from(model: Any, file: Path, recipe: Recipe, crops: BGRFrame) -> None:
    """Give a network the weights of an exported one with the same labels, in place.

    Args:
        model: from ``network.build``; an output for faces that the file lacks keeps its own weights.
        file: an ONNX file that ``maskinfer export`` wrote, in float32 or with weights in float16.
        recipe: that the network was built for.
        crops: uint8 (N, side, side, 3), BGR, some hundred faces for the statistics of the batch norms.

    Raises:
        ContractError: the file carries no contract. RequestError: its labels or its layers are others.
    """
    contract, weights = _read(file, recipe)
    try:
        with torch.no_grad():
            _load_features(model, weights)
            _load_head(model.classifier[-1], weights, contract, recipe)
            _measure(model, crops)
    except (KeyError, RuntimeError) as error:
        raise RequestError(f"{file} has other layers than the recipe {recipe.name}: {error}") from error


def exported_network(file: Path, recipe: Recipe) -> tuple[nn.Module, float, int]:
    """Return the network of an exported file with the recipe's labels, ready to predict, its width, and its side in px.

    Args:
        file: an ONNX file that ``maskinfer export`` wrote, in float32 or with weights in float16.
        recipe: of the training that learns from it.

    Raises:
        ContractError: the file carries no contract. RequestError: its labels are others, or it is no MobileNetV2.
    """
    contract, weights = _read(file, recipe)
    try:
        width = len(weights["features.0.0.weight"]) / _STEM_CHANNELS
        head = next(w for n, w in weights.items() if n.startswith("classifier.") and n.endswith(".weight"))
        model: Any = build(replace(recipe.network, weights="none", width=width, head="linear"), len(head))
        with torch.no_grad():
            _load_features(model, weights)
            _load_head(model.classifier[-1], weights, contract, recipe)
    except (KeyError, RuntimeError, StopIteration) as error:
        raise RequestError(f"{file} is no MobileNetV2 with a linear layer, which could teach: {error}") from error
    return model.eval(), width, contract.size_wh[0]


def _read(file: Path, recipe: Recipe) -> tuple[ClassifierContract, dict[str, Tensor]]:
    """Return a file's contract and its weights by name."""
    graph = onnx.load(str(file))
    contract = from_metadata({entry.key: entry.value for entry in graph.metadata_props}, str(file))
    if not isinstance(contract, ClassifierContract) or contract.labels != recipe.labels:
        raise RequestError(f"{file} is no classifier of {', '.join(recipe.labels)}: the training cannot begin from it")
    return contract, {
        entry.name.removesuffix(_HALF): torch.from_numpy(numpy_helper.to_array(entry).astype(np.float32))
        for entry in graph.graph.initializer
    }


def _pairs(model: Any) -> list[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """Return the convolutions, with their names, and the batch norms that follow them."""
    modules = [(n, m) for n, m in model.features.named_modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    return [
        (f"features.{name}", conv, norm)
        for (name, conv), (_, norm) in zip(modules[::2], modules[1::2], strict=True)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]


def _load_features(model: Any, weights: dict[str, Tensor]) -> None:
    for i, (name, conv, norm) in enumerate(_pairs(model)):
        weight = weights[f"{name}.weight"]
        if i == 0:  # the graph takes BGR that is not divided by the standard deviation
            weight = weight.flip(1) * torch.tensor(STD_RGB).view(1, 3, 1, 1)
        conv.weight.copy_(weight)
        norm.weight.fill_(1.0)
        norm.bias.copy_(weights[f"{name}.bias"])
        norm.running_mean.zero_()  # type: ignore[union-attr]
        norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]


def _load_head(layer: nn.Linear, weights: dict[str, Tensor], contract: ClassifierContract, recipe: Recipe) -> None:
    """Load the last layer, without temperature, and with the recipe's shares of the labels in place of priors."""
    name = next(name for name in weights if name.startswith("classifier.") and name.endswith(".weight"))
    rows, labels = min(len(layer.weight), len(weights[name])), len(contract.labels)
    layer.weight[:rows] = weights[name][:rows]
    layer.bias[:rows] = weights[name.replace(".weight", ".bias")][:rows]
    drawn = recipe.sampling.class_shares
    if contract.priors and all(drawn.get(label, 0) > 0 for label in contract.labels):
        layer.bias[:labels] += torch.tensor([drawn[n] / contract.priors[n] for n in contract.labels]).log()
    layer.weight[:labels] *= contract.temperature
    layer.bias[:labels] *= contract.temperature


def _measure(model: Any, crops: BGRFrame) -> None:
    """Let each batch norm, which so far only shifts, have the statistics of what comes into it."""
    seen: dict[nn.Module, Tensor] = {}
    hooks = [
        norm.register_forward_pre_hook(lambda module, args: seen.__setitem__(module, args[0]))
        for _, _, norm in _pairs(model)
    ]
    model.eval()
    model(to_network_input(torch.from_numpy(np.ascontiguousarray(crops))))
    for hook in hooks:
        hook.remove()
    for _, _, norm in _pairs(model):
        values = seen[norm]
        # The biased variance, which is what a batch norm divides by in training.
        mean, var = values.mean((0, 2, 3)), values.var((0, 2, 3), correction=0)
        norm.bias.add_(mean)
        norm.weight.copy_((var + norm.eps).sqrt())
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(var)  # type: ignore[union-attr]

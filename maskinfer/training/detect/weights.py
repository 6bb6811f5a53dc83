"""Weights to start from: published ones, and the shipped detector's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from maskinfer.engine.errors import ModelError, ModelNotFoundError
from maskinfer.training.detect.model import SMALL, WIDE, RetinaFace

_EPSILON = 1e-5  # of torch's batch normalisation
_Folded = tuple[Tensor, Tensor]


def load_weights(file: Path) -> RetinaFace:
    """Return the network with the weights of a file.

    Args:
        file: the shipped detector's ONNX file, or the torch weights ``mobilenet0.25_Final.pth`` of
            github.com/biubug6/Face-Detector-1MB-with-landmark; both are under the MIT licence.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is neither.
    """
    if not file.is_file():
        raise ModelNotFoundError(f"{file} does not exist: expected RetinaFace-0.25 weights, .onnx or .pth")
    model = RetinaFace(WIDE if file.suffix == ".onnx" else SMALL)
    try:
        folded = list(_from_graph(file) if file.suffix == ".onnx" else _from_state(file))
        convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
        with torch.no_grad():
            for module, (weight, bias) in zip(convolutions, folded, strict=True):
                _copy(module.weight, weight)
                _copy(module.bias, bias)
    except Exception as error:  # torch and protobuf raise whatever the broken file leads them to
        raise ModelError(f"{file} holds no RetinaFace-0.25 weights: {str(error).strip()[:120]}") from error
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _copy(parameter: Tensor | None, value: Tensor) -> None:
    if parameter is None or parameter.shape != value.shape:
        raise ValueError(f"a layer has shape {tuple(value.shape)}")
    parameter.copy_(value)


def _from_graph(file: Path) -> Iterator[_Folded]:
    """Yield each convolution of a graph in order; one that is run twice has the second time a copy for a weight."""
    graph = onnx.load(str(file)).graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in values:
            weight, bias = (np.array(numpy_helper.to_array(values[name])) for name in node.input[1:3])
            yield torch.from_numpy(weight), torch.from_numpy(bias)


def _from_state(file: Path) -> Iterator[_Folded]:
    """Yield each convolution of biubug6's torch weights, in the order of ours, batch normalisation folded in."""
    state: Mapping[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    state = {name.removeprefix("module."): value for name, value in state.items()}
    names = [name.removesuffix(".weight") for name, value in state.items() if value.ndim == 4]
    # Ours runs from coarse to fine, as the pyramid does.
    first, second = names.index("fpn.merge1.0"), names.index("fpn.merge2.0")
    names[first], names[second] = names[second], names[first]
    for name in names:
        yield _fold(state, name)


def _fold(state: Mapping[str, Tensor], name: str) -> _Folded:
    weight = state[f"{name}.weight"]
    if f"{name}.bias" in state:
        return weight, state[f"{name}.bias"]
    block, _, index = name.rpartition(".")
    gain, shift, mean, variance = (
        state[f"{block}.{int(index) + 1}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / torch.sqrt(variance + _EPSILON)
    return weight * scale.view(-1, 1, 1, 1), shift - mean * scale

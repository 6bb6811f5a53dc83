"""Weights to start from: those of a shipped or exported detector, or of an earlier training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from maskinfer.engine.errors import ModelError, ModelNotFoundError
from maskinfer.training.detector.checkpoint import load_checkpoint, restore
from maskinfer.training.detector.model import STRIDES, VALUES, RetinaFace

_JOINED = "heads.{level}.{part}"
_ANCHORS_A_CELL = 2


def load_weights(file: Path) -> RetinaFace:
    """Return the network with the weights of a file.

    Args:
        file: the ONNX file of a shipped detector in float32, or of one that ``maskinfer export`` wrote; or a checkpoint
            of an earlier training.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is neither.
    """
    if not file.is_file():
        raise ModelNotFoundError(f"{file} does not exist: expected RetinaFace-0.25 weights, .onnx or a checkpoint")
    if file.suffix != ".onnx":
        return restore(load_checkpoint(file))
    model = RetinaFace()
    try:
        graph = onnx.load(str(file)).graph
        with torch.no_grad():
            if any(tensor.name == _JOINED.format(level=0, part="weight") for tensor in graph.initializer):
                _load_exported(model, graph)
            else:
                _load_published(model, graph)
    except Exception as error:  # protobuf raises whatever the broken file leads it to
        raise ModelError(f"{file} holds no RetinaFace-0.25 weights: {str(error).strip()[:120]}") from error
    return model.eval()


def _load_published(model: RetinaFace, graph: onnx.GraphProto) -> None:
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for module, (weight, bias) in zip(convolutions, _from_graph(graph), strict=True):
        _copy(module.weight, weight)
        _copy(module.bias, bias)


def _load_exported(model: RetinaFace, graph: onnx.GraphProto) -> None:
    """Take the weights that an export wrote: by the modules' names, but for the heads, of which a level has one."""
    values = {
        tensor.name: torch.from_numpy(np.array(numpy_helper.to_array(tensor)).astype(np.float32))
        for tensor in graph.initializer
    }
    biases = _biases(graph, values)
    heads = {f"{name}.{level}" for name in VALUES for level in range(len(STRIDES))}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and name not in heads:
            weight = f"model.{name}.weight"
            _copy(module.weight, values[weight])
            _copy(module.bias, biases[weight])
    for level in range(len(STRIDES)):
        weight = _JOINED.format(level=level, part="weight")
        for part, rows in (("weight", values[weight]), ("bias", biases[weight])):
            # A row an output, by anchor: two of them, each with all kinds of outputs after one another.
            kinds = rows.reshape(_ANCHORS_A_CELL, -1, *rows.shape[1:])
            parts = torch.split(kinds, list(VALUES.values()), 1)
            for kind, value in zip(VALUES, parts, strict=True):
                _copy(getattr(getattr(model, kind)[level], part), value.flatten(0, 1))


def _biases(graph: onnx.GraphProto, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the bias of each weight: equal ones may be one tensor, and two layers that see the same one node."""
    joined = {node.output[0]: list(node.input) for node in graph.node if node.op_type == "Concat"}
    found: dict[str, Tensor] = {}
    for node in graph.node:
        if node.op_type == "Conv":
            weights, parts = (joined.get(name, [name]) for name in node.input[1:3])
            rows = torch.cat([values[name] for name in parts])
            found |= zip(weights, torch.split(rows, [len(values[name]) for name in weights]), strict=True)
    return found


def _copy(parameter: Tensor | None, value: Tensor) -> None:
    if parameter is None or parameter.shape != value.shape:
        raise ValueError(f"a convolution has the shape {tuple(value.shape)}")
    parameter.copy_(value)


def _from_graph(graph: onnx.GraphProto) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each convolution of a graph in order; one that is run twice has the second time a copy for a weight."""
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in values:
            weight, bias = (np.array(numpy_helper.to_array(values[name])) for name in node.input[1:3])
            yield torch.from_numpy(weight), torch.from_numpy(bias)

"""Weights to start from: those of the shipped detector, or of an earlier training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from maskinfer.engine.errors import ModelError, ModelNotFoundError
from maskinfer.training.detector.checkpoint import load_checkpoint, restore
from maskinfer.training.detector.model import RetinaFace


def load_weights(file: Path) -> RetinaFace:
    """Return the network with the weights of a file.

    Args:
        file: the ONNX file of the shipped detector ``retinaface``, or a checkpoint of an earlier training.

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
        convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
        with torch.no_grad():
            for module, (weight, bias) in zip(convolutions, _from_graph(file), strict=True):
                _copy(module.weight, weight)
                _copy(module.bias, bias)
    except Exception as error:  # protobuf raises whatever the broken file leads it to
        raise ModelError(f"{file} holds no RetinaFace-0.25 weights: {str(error).strip()[:120]}") from error
    return model.eval()


def _copy(parameter: Tensor | None, value: Tensor) -> None:
    if parameter is None or parameter.shape != value.shape:
        raise ValueError(f"a convolution has the shape {tuple(value.shape)}")
    parameter.copy_(value)


def _from_graph(file: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each convolution of a graph in order; one that is run twice has the second time a copy for a weight."""
    graph = onnx.load(str(file)).graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in values:
            weight, bias = (np.array(numpy_helper.to_array(values[name])) for name in node.input[1:3])
            yield torch.from_numpy(weight), torch.from_numpy(bias)

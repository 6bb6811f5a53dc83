"""PyTorch modules as ONNX graphs, and what all exports share."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from maskinfer.engine.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

INPUT = "bgr"
# The newest that onnxruntime 1.20, the oldest supported one, runs in full, is 21; the exporter's graphs need no more.
OPSET = 20
# Of any output from torch's; with more, nothing is written.
MAX_DIFFERENCE = 1e-4
# Of the probabilities, when weights are stored in float16.
MAX_HALF_DIFFERENCE = 5e-2
# Smaller tensors, such as biases, are not worth a node.
_LEAST_HALVED = 1024
RIGHTS = "no training set has clean rights in its images: check before you use them for more than research"


def to_graph(
    module: nn.Module, example: Tensor, dynamic_axes: Mapping[int, Any], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Export a module of one input, ``bgr``, whose dynamic axes are named by ``torch.export.Dim``.

    Raises:
        ModelError: torch cannot export it.
    """
    # Here, so that what needs only the rest of this file does without torch.
    import torch

    with quiet():
        program = torch.onnx.export(
            module.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_shapes=(dict(dynamic_axes),),
        )
    if program is None:
        raise ModelError("torch gave no graph: expected its current exporter, of torch 2.6 or later")
    model: onnx.ModelProto = program.model_proto
    _strip(model)
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' own messages from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "absl")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes of its own run, such as stack traces with paths."""
    for item in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        del item.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]


def halve_weights(model: onnx.ModelProto) -> None:
    """Store large float32 weights in float16, in place; a cast before their use keeps the calculation in float32.

    The file shrinks to half. Runtimes fold the cast when they load it.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LEAST_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    ordered = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(ordered)

"""A network with the weights of an exported classifier, rebuilt from its ONNX file node by node.

It computes what the file does, so it is where fine-tuning begins, and trained weights go back into the same file: what
else the file gives (whether a crop shows a face, what a mask leaves bare) and its contract stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from maskinfer.engine.contract import BARE_OUTPUT, FACE_OUTPUT, ClassifierContract, from_metadata
from maskinfer.engine.errors import ModelError

_WEIGHTED = ("Conv", "Gemm")
# The last layer for what a mask leaves bare was fitted by itself; what it reads is kept as it was instead.
_FIXED = f"{BARE_OUTPUT}_head."


@dataclass(frozen=True, slots=True)
class Said:
    """What the network says of N crops, before softmax and sigmoid.

    Attributes:
        logits: float32 (N, labels).
        others: float32 (N,) each, logits of ``face`` and ``bare``, those that the file has.
        features: float32 (N, features), what the last layer reads.
    """

    logits: Tensor
    others: Mapping[str, Tensor]
    features: Tensor


class GraphNetwork(nn.Module):
    """An exported classifier as a network of torch's.

    Attributes:
        contract: the file's.
        names: of the initializers that are trained, in the order of the parameters.
    """

    def __init__(self, graph: onnx.ModelProto, file: str) -> None:
        super().__init__()
        self.contract = contract_of(graph, file)
        self._file = file
        self._nodes = list(graph.graph.node)
        self._input = graph.graph.input[0].name
        unknown = sorted({node.op_type for node in self._nodes} - _OPERATIONS.keys())
        if unknown:
            raise ModelError(
                f"{file} has layers that no training goes on from ({', '.join(unknown)}): name a float32 or float16 "
                "file that `maskinfer export` wrote, not one in int8"
            )
        values = {entry.name: numpy_helper.to_array(entry) for entry in graph.graph.initializer}
        self.names = tuple(_trained(self._nodes, values))
        self.weights = nn.ParameterList([torch.from_numpy(values[name].astype(np.float32)) for name in self.names])
        self._fixed = {n: torch.from_numpy(np.array(v)) for n, v in values.items() if n not in self.names}
        # What was fitted by itself stands behind it.
        self._head_input = next(
            node.input[0]
            for node in reversed(self._nodes)
            if node.op_type in _WEIGHTED and not node.input[1].startswith(_FIXED)
        )
        self._last = {node.output[0]: node.input[0] for node in self._nodes if node.op_type in ("Softmax", "Sigmoid")}

    def forward(self, bgr: Tensor) -> Said:
        """Return what it says of crops, uint8 (N, height, width, 3), BGR."""
        values = dict(self._fixed)
        values.update(zip(self.names, self.weights, strict=True))
        values[self._input] = bgr
        for node in self._nodes:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = _OPERATIONS[node.op_type]([values[n] for n in node.input], attributes)
        others = {name: values[self._last[name]] for name in (FACE_OUTPUT, BARE_OUTPUT) if name in self._last}
        labels = next(name for name in self._last if name not in others)
        return Said(values[self._last[labels]], others, values[self._head_input])


def load_network(file: Path) -> GraphNetwork:
    """Return the network of an ONNX file that ``maskinfer export`` wrote.

    Raises:
        ModelError: the file cannot be read, or holds layers that cannot be trained. ContractError.
    """
    return GraphNetwork(read_graph(file), str(file))


def contract_of(graph: onnx.ModelProto, file: str) -> ClassifierContract:
    """Return what a classifier's graph says of itself.

    Raises:
        ContractError: it says nothing. ModelError: it is no classifier.
    """
    contract = from_metadata({entry.key: entry.value for entry in graph.metadata_props}, file)
    if not isinstance(contract, ClassifierContract):
        raise ModelError(f"{file} is a face detector, expected a mask classifier")
    return contract


def read_graph(file: Path) -> onnx.ModelProto:
    """Return the graph of an ONNX file.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return onnx.load(str(file))
    except Exception as error:  # whatever protobuf raises
        raise ModelError(f"{file} is no ONNX file: {str(error).splitlines()[0][:120]}") from error


def _trained(nodes: list[Any], values: Mapping[str, Any]) -> list[str]:
    """Return the names of the weights and biases of the layers."""
    casts = {node.output[0]: node.input[0] for node in nodes if node.op_type == "Cast"}
    used = [casts.get(name, name) for node in nodes if node.op_type in _WEIGHTED for name in node.input[1:]]
    return [name for name in used if name in values and not name.startswith(_FIXED)]


def with_weights(graph: onnx.ModelProto, network: GraphNetwork) -> onnx.ModelProto:
    """Return a copy of the graph that a network was rebuilt from, with its weights of now, as precise as they were."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    new = dict(zip(network.names, network.weights, strict=True))
    for entry in copy.graph.initializer:
        if entry.name in new:
            was = numpy_helper.to_array(entry).dtype
            values = new[entry.name].detach().numpy().astype(was)
            entry.CopyFrom(numpy_helper.from_array(values, entry.name))
    return copy


_Inputs = list[Tensor]
_Attributes = Mapping[str, Any]
_TYPES = {onnx.TensorProto.FLOAT: torch.float32, onnx.TensorProto.INT64: torch.int64}


def _conv(inputs: _Inputs, attributes: _Attributes) -> Tensor:
    pads = attributes.get("pads", [0, 0, 0, 0])
    return functional.conv2d(
        inputs[0],
        inputs[1],
        inputs[2] if len(inputs) > 2 else None,
        stride=tuple(attributes.get("strides", (1, 1))),
        padding=(pads[0], pads[1]),
        groups=attributes.get("group", 1),
    )


def _gemm(inputs: _Inputs, attributes: _Attributes) -> Tensor:
    weight = inputs[1].T if attributes.get("transB", 0) else inputs[1]
    product = inputs[0] @ weight
    return product + inputs[2] if len(inputs) > 2 else product


def _slice(inputs: _Inputs, _attributes: _Attributes) -> Tensor:
    starts, ends, axes = (value.tolist() for value in inputs[1:4])
    found = inputs[0]
    for start, end, axis in zip(starts, ends, axes, strict=True):
        found = found.narrow(axis, start, min(end, found.shape[axis]) - start)
    return found


def _mean(inputs: _Inputs, attributes: _Attributes) -> Tensor:
    axes = inputs[1].tolist() if len(inputs) > 1 else attributes["axes"]
    return inputs[0].mean(axes, keepdim=bool(attributes.get("keepdims", 1)))


def _cast(inputs: _Inputs, attributes: _Attributes) -> Tensor:
    return inputs[0].to(_TYPES[attributes["to"]])


_OPERATIONS: dict[str, Callable[[_Inputs, _Attributes], Tensor]] = {
    "Add": lambda i, _: i[0] + i[1],
    "Cast": _cast,
    "Clip": lambda i, _: i[0].clamp(float(i[1]), float(i[2])),
    "Conv": _conv,
    "Gather": lambda i, a: i[0].select(a.get("axis", 0), int(i[1])),
    "Gemm": _gemm,
    "ReduceMean": _mean,
    "Relu": lambda i, _: i[0].relu(),
    "Sigmoid": lambda i, _: i[0].sigmoid(),
    "Slice": _slice,
    "Softmax": lambda i, a: i[0].softmax(a.get("axis", -1)),
    "Sub": lambda i, _: i[0] - i[1],
    "Transpose": lambda i, a: i[0].permute(*a["perm"]),
}

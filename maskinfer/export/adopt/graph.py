"""The graph work of an adoption: preprocessing before a foreign classifier, probabilities after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from maskinfer.engine.contract import CropRule, InputSpec
from maskinfer.engine.errors import ModelError
from maskinfer.engine.runtime.providers import reason_of
from maskinfer.export.parity import open_graph

INPUT, OUTPUT = "bgr", "probabilities"
OutputForm = Literal["probabilities", "logits", "sigmoid"]


@dataclass(frozen=True, slots=True)
class Description:
    """What the owner of a classifier says of it.

    Attributes:
        labels: one for each column of the output; of a ``sigmoid`` of one column, that of 0 and that of 1.
        input: what the graph takes now: layout, dtype, colour order, mean and std on the 0-255 scale.
        output: ``probabilities``, ``logits``, or ``sigmoid``: one column, the probability of the second label.
        size_wh: of a crop in pixels; None where the graph itself says it.
        crop: how a face is cut for it.
        name, version, licence, training_data, metrics: for the contract.
    """

    labels: tuple[str, ...]
    input: InputSpec
    output: OutputForm
    size_wh: tuple[int, int] | None = None
    crop: CropRule = field(default_factory=CropRule)
    name: str = "adopted"
    version: str = "1"
    licence: str = "not stated"
    training_data: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def input_of(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """Return the input that is no weight."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return next(value for value in model.graph.input if value.name not in weights)


def with_float32_ends(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph that calculates in float16 as one that takes and gives float32; others as they are."""
    graph = model.graph
    before, after, fed = [], [], input_of(model).name
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16 and value.name == fed:
            inner = f"adopted_half_{value.name}"
            _rename(graph, value.name, inner, is_given=False)
            before.append(helper.make_node("Cast", [value.name], [inner], to=TensorProto.FLOAT16))
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for value in graph.output:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            inner = f"adopted_half_{value.name}"
            _rename(graph, value.name, inner, is_given=True)
            after.append(helper.make_node("Cast", [inner], [value.name], to=TensorProto.FLOAT))
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    ordered = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(ordered)
    return model


def _rename(graph: onnx.GraphProto, name: str, other: str, *, is_given: bool) -> None:
    """Rename a tensor in all nodes: where it is taken and, of one that a node gives, where it is given."""
    for node in graph.node:
        node.input[:] = [other if one == name else one for one in node.input]
        if is_given:
            node.output[:] = [other if one == name else one for one in node.output]


def rebuilt(model: onnx.ModelProto, described: Description, size_wh: tuple[int, int]) -> onnx.ModelProto:
    """Return the graph with its preprocessing and softmax in it and a batch of any size."""
    adopted = onnx.ModelProto()
    adopted.CopyFrom(model)
    graph = adopted.graph
    fed, given = input_of(adopted), graph.output[0]
    before = preprocessing(graph, fed.name, described.input)
    after = _postprocessing(graph, given.name, described)
    weights = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.input if value.name in weights]
    ordered = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(ordered)
    pictures: list[str | int | None] = ["batch", size_wh[1], size_wh[0], 3]
    graph.input.extend([helper.make_tensor_value_info(INPUT, TensorProto.UINT8, pictures), *kept])
    rows: list[str | int | None] = ["batch", len(described.labels)]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, rows))
    return adopted


def preprocessing(graph: onnx.GraphProto, name: str, spec: InputSpec) -> list[onnx.NodeProto]:
    """Return nodes from ``bgr`` to the graph's own input; bytes are moved before they become floats."""
    steps: list[tuple[str, dict[str, Any], NDArray[Any] | None]] = []
    if spec.colour_order == "RGB":
        steps.append(("Gather", {"axis": 3}, np.array([2, 1, 0], np.int64)))
    if spec.layout == "NCHW":
        steps.append(("Transpose", {"perm": [0, 3, 1, 2]}, None))
    if spec.dtype == "float32":
        steps.append(("Cast", {"to": TensorProto.FLOAT}, None))
        shape = (1, 3, 1, 1) if spec.layout == "NCHW" else (1, 1, 1, 3)
        if any(spec.mean):
            steps.append(("Sub", {}, np.array(spec.mean, np.float32).reshape(shape)))
        if any(value != 1 for value in spec.std):
            steps.append(("Div", {}, np.array(spec.std, np.float32).reshape(shape)))
    return _chain(graph, steps or [("Identity", {}, None)], INPUT, name)


def _postprocessing(graph: onnx.GraphProto, name: str, described: Description) -> list[onnx.NodeProto]:
    """Return nodes from the graph's own output to probabilities (N, labels)."""
    columns = 1 if described.output == "sigmoid" else len(described.labels)
    steps: list[tuple[str, dict[str, Any], NDArray[Any] | None]] = [
        ("Reshape", {}, np.array([-1, columns], np.int64)),
    ]
    if described.output == "logits":
        steps.append(("Softmax", {"axis": 1}, None))
    if described.output != "sigmoid":
        return _chain(graph, steps, name, OUTPUT)
    nodes = _chain(graph, steps, name, "adopted_second")
    one = numpy_helper.from_array(np.array(1, np.float32), "adopted_one")
    graph.initializer.append(one)
    return [
        *nodes,
        helper.make_node("Sub", ["adopted_one", "adopted_second"], ["adopted_first"]),
        helper.make_node("Concat", ["adopted_first", "adopted_second"], [OUTPUT], axis=1),
    ]


def _chain(
    graph: onnx.GraphProto, steps: Sequence[tuple[str, dict[str, Any], NDArray[Any] | None]], first: str, last: str
) -> list[onnx.NodeProto]:
    """Return nodes one after the other; their constants go into the graph."""
    nodes = []
    for i, (kind, attributes, constant) in enumerate(steps):
        result = last if i == len(steps) - 1 else f"adopted_{last}_{i}"
        inputs = [first]
        if constant is not None:
            inputs.append(f"adopted_{last}_{i}_value")
            graph.initializer.append(numpy_helper.from_array(constant, inputs[-1]))
        nodes.append(helper.make_node(kind, inputs, [result], **attributes))
        first = result
    return nodes


def probabilities(given: NDArray[np.float32], described: Description) -> NDArray[np.float32]:
    """Return what the rebuilt graph should give, float32 (N, labels), for what the graph as it was gives."""
    if described.output == "sigmoid":
        second = given.reshape(-1, 1)
        return np.concatenate([1 - second, second], 1)
    rows = given.reshape(-1, len(described.labels))
    if described.output == "logits":
        exponentials = np.exp(rows - rows.max(1, keepdims=True))
        rows = exponentials / exponentials.sum(1, keepdims=True)
    return np.asarray(rows, np.float32)


def run_once(model: onnx.ModelProto, batch: NDArray[Any]) -> NDArray[np.float32]:
    """Return the first output of a graph on onnxruntime's CPU provider.

    Raises:
        ModelError: it does not run.
    """
    try:
        session = open_graph(model.SerializeToString())
        return np.asarray(session.run(None, {input_of(model).name: batch})[0])
    except Exception as error:  # onnxruntime's own exceptions have no common base but this
        raise ModelError(f"the model does not run: {reason_of(error)}") from error

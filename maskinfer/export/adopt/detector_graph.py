"""The graph work on foreign detectors: preprocessing before them, a batch and a size of any value through them.

insightface's SCRFD files lay the rows of all images of a batch into one axis, interleaved: their heads transpose to
(height, width, batch, channel) before they reshape. Here each image keeps a row of the first axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from maskinfer.engine.contract import InputSpec
from maskinfer.engine.errors import ModelError
from maskinfer.export.adopt.graph import INPUT, input_of, preprocessing

# As of our own exports: the oldest supported onnxruntime runs it, and int8 needs a later one than most files have.
OPSET = 20
_WIDTHS = (1, 4, 10)
_SHAPE_OPS = ("Reshape", "Transpose", "Sigmoid")


def free_scrfd(model: onnx.ModelProto, spec: InputSpec, levels: int, name: str) -> onnx.ModelProto:
    """Return an SCRFD that takes uint8 BGR (N, height, width, 3) of any N and any multiple of 32 pixels.

    Args:
        model: static or dynamic, with outputs of rank 2 or 3, in insightface's order.
        spec: what the graph takes now.
        levels: how many strides it has.
        name: of the file, for messages.

    Raises:
        ModelError: its heads are not made as an SCRFD's are.
    """
    freed = _converted(model, name)
    _free_resizes(freed, name)
    makers = {output: node for node in freed.graph.node for output in node.output}
    for i, value in enumerate(freed.graph.output):
        _free_head(freed.graph, makers, value.name, _WIDTHS[i // levels], name)
    _with_preprocessing(freed, spec)
    for i, value in enumerate(freed.graph.output):
        shape: list[str | int | None] = ["batch", f"rows_{i % levels}", _WIDTHS[i // levels]]
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape))
    return _pruned(freed)


def free_input(model: onnx.ModelProto, spec: InputSpec, name: str) -> onnx.ModelProto:
    """Return a detector whose outputs are right as they are, but that takes uint8 BGR, as ``free_scrfd``'s does."""
    freed = _converted(model, name)
    _with_preprocessing(freed, spec)
    for value in freed.graph.output:
        rank = len(value.type.tensor_type.shape.dim)
        width = value.type.tensor_type.shape.dim[rank - 1].dim_value or None
        shape: list[str | int | None] = ["batch", "rows", width][-rank:] if rank else [None, None, width]
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape))
    return _pruned(freed)


def _converted(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset >= OPSET:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        return copy
    try:
        return onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter raises RuntimeError and others
        raise ModelError(f"{name}: operator set {opset} cannot be raised to {OPSET}: {error}") from error


def _with_preprocessing(model: onnx.ModelProto, spec: InputSpec) -> None:
    graph = model.graph
    fed = input_of(model)
    weights = {tensor.name for tensor in graph.initializer}
    before = preprocessing(graph, fed.name, spec)
    kept = [value for value in graph.input if value.name in weights]
    ordered = [*before, *graph.node]
    del graph.node[:], graph.input[:], graph.value_info[:]
    graph.node.extend(ordered)
    frames: list[str | int | None] = ["batch", "height", "width", 3]
    graph.input.extend([helper.make_tensor_value_info(INPUT, TensorProto.UINT8, frames), *kept])


def _free_head(graph: onnx.GraphProto, makers: dict[str, onnx.NodeProto], output: str, width: int, name: str) -> None:
    """Make one output (N, rows, width): transpose to (N, height, width, channel), then reshape."""
    nodes: dict[str, onnx.NodeProto] = {}
    node = makers.get(output)
    while node is not None and node.op_type in _SHAPE_OPS and len(nodes) < len(_SHAPE_OPS):
        nodes[node.op_type] = node
        node = makers.get(node.input[0])
    if "Reshape" not in nodes or "Transpose" not in nodes:
        made = makers[output].op_type if output in makers else "nothing"
        raise ModelError(
            f"{name}: its output {output!r} is made by {made}, expected Transpose and Reshape as in an SCRFD's heads"
        )
    perm = next(attribute for attribute in nodes["Transpose"].attribute if attribute.name == "perm")
    if list(perm.ints) not in ([2, 3, 0, 1], [0, 2, 3, 1]):
        raise ModelError(f"{name}: its output {output!r} is transposed by {list(perm.ints)}, expected [2, 3, 0, 1]")
    perm.ints[:] = [0, 2, 3, 1]
    shape = f"{output}_rows"
    graph.initializer.append(numpy_helper.from_array(np.array([0, -1, width], np.int64), shape))
    nodes["Reshape"].input[1] = shape


def _free_resizes(model: onnx.ModelProto, name: str) -> None:
    """Turn sizes that a static export fixed into factors."""
    constants = _constants(model)
    shapes: dict[str, list[int]] | None = None
    for node in model.graph.node:
        if node.op_type != "Resize" or len(node.input) < 4 or node.input[3] not in constants:
            continue
        shapes = shapes if shapes is not None else _shapes(model)
        before = np.array(shapes.get(node.input[0], []), np.float32)
        after = constants[node.input[3]].astype(np.float32)
        if before.size != after.size or not before.all() or (after % before).any():
            raise ModelError(
                f"{name}: {node.name or 'a Resize'} makes {after.tolist()} of {before.tolist()}: no factor"
            )
        scales = f"{node.output[0]}_scales"
        model.graph.initializer.append(numpy_helper.from_array(after / before, scales))
        inputs = [node.input[0], "", scales]
        del node.input[:]
        node.input.extend(inputs)


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return values


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*inferred.value_info, *inferred.input]
    }


def _pruned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the nodes that nothing needs any more; a static file computes the shapes of its reshapes."""
    graph = model.graph
    needed = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(weights)
    return model

"""A classifier's graph with further labels, of which it knows nothing yet: what is written of the old ones stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from maskinfer.engine.contract import BARE_OUTPUT, FACE_OUTPUT, METADATA_KEY, ClassifierContract, Label, to_json
from maskinfer.engine.errors import ModelError, RequestError
from maskinfer.engine.results import UNCERTAIN
from maskinfer.engine.schema import FieldError, from_plain


@dataclass(frozen=True, slots=True)
class _Labels:
    """What labels may be."""

    labels: tuple[Label, ...]


# So much less likely than the least likely of the old labels is a new one before it is learnt.
_UNLIKELY = 2.0


def widened(graph: onnx.ModelProto, contract: ClassifierContract, added: Sequence[str]) -> onnx.ModelProto:
    """Return a copy of a graph that has further labels after its own, each with a probability near 0.

    Args:
        graph: of a classifier that ``maskinfer export`` wrote.
        contract: its.
        added: the labels, which it has not.

    Raises:
        RequestError: a label cannot be, or is there already. ModelError: the graph ends in layers that are not known.
    """
    labels = (*contract.labels, *added)
    try:
        checked = from_plain({"labels": list(labels)}, _Labels).labels
    except FieldError as error:
        raise RequestError(f"--label: {error}") from error
    twice = next((label for i, label in enumerate(labels) if label in labels[:i] or label == UNCERTAIN), None)
    if twice is not None:
        raise RequestError(f"--label {twice}: the model has this label already, or no label may be called so")
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    _widen(copy.graph, len(contract.labels), len(added), contract.name)
    # What the shares of labels are taken to be says nothing of new ones.
    wider = replace(contract, labels=checked, priors={})
    next(entry for entry in copy.metadata_props if entry.key == METADATA_KEY).value = to_json(wider)
    return copy


def _widen(graph: onnx.GraphProto, before: int, count: int, name: str) -> None:
    made = {node.output[0]: node for node in graph.node}
    output = next(o for o in graph.output if o.name not in (FACE_OUTPUT, BARE_OUTPUT))
    softmax = made.get(output.name)
    last = made.get(softmax.input[0]) if softmax is not None and softmax.op_type == "Softmax" else None
    cut = last if last is not None and last.op_type == "Slice" else None
    gemm = made.get(cut.input[0]) if cut is not None else last
    if gemm is None or gemm.op_type != "Gemm" or len(gemm.input) != 3:
        raise ModelError(f"{name} ends in layers to which no label can be added: expected a linear layer and softmax")
    cast = made.get(gemm.input[1])
    weights = _initializer(graph, cast.input[0] if cast is not None else gemm.input[1])
    bias = _initializer(graph, gemm.input[2])
    was, offsets = numpy_helper.to_array(weights), numpy_helper.to_array(bias)
    lowest = offsets[:before].min() - _UNLIKELY
    _set(weights, np.concatenate([was[:before], np.zeros((count, was.shape[1]), was.dtype), was[before:]]))
    _set(bias, np.concatenate([offsets[:before], np.full(count, lowest, offsets.dtype), offsets[before:]]))
    if cut is not None:
        _set(_own(graph, cut, 2), np.array([before + count], np.int64))
        _move_other_columns(graph, gemm.output[0], before, count)
    output.type.tensor_type.shape.dim[1].dim_value = before + count
    del graph.value_info[:]  # whose shapes are others now


def _move_other_columns(graph: onnx.GraphProto, logits: str, before: int, count: int) -> None:
    """Let what reads a column behind those of the labels read the same one."""
    for node in graph.node:
        if node.op_type == "Gather" and node.input[0] == logits:
            index = _own(graph, node, 1)
            column = numpy_helper.to_array(index)
            if int(column) >= before:
                _set(index, np.asarray(column + count, column.dtype))


def _own(graph: onnx.GraphProto, node: Any, place: int) -> onnx.TensorProto:
    """Return an input of a node as an initializer that no other node has."""
    shared = _initializer(graph, node.input[place])
    own = graph.initializer.add()
    own.CopyFrom(shared)
    own.name = f"{node.output[0]}.{place}"
    node.input[place] = own.name
    return own


def _initializer(graph: onnx.GraphProto, name: str) -> onnx.TensorProto:
    found = next((entry for entry in graph.initializer if entry.name == name), None)
    if found is None:
        raise ModelError(f"no label can be added: the graph computes {name}, expected weights")
    return found


def _set(tensor: onnx.TensorProto, values: NDArray[Any]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

"""Tells an exported classifier how often each label occurs where it is used.

By Bayes' rule the probabilities are multiplied by the ratio of the new and the old shares: Saerens et al., "Adjusting
the Outputs of a Classifier to New a Priori Probabilities", Neural Computation 14, 2002.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import FloatArray

_LAST_LAYER = "classifier."
_QUANTIZED = "_quantized"


def change_priors(
    graph: onnx.ModelProto, contract: ClassifierContract, priors: Mapping[str, float]
) -> ClassifierContract:
    """Move the bias of a classifier's last layer by new priors, in place, and return the contract that says so.

    Args:
        graph: a classifier that ``maskinfer export`` wrote, in float32, float16 or int8.
        contract: the graph's.
        priors: of each label, to sum to any positive number.

    Raises:
        RequestError: the contract has no priors, a label has none or one that is not over 0, or the graph is another.
    """
    if not contract.priors:
        raise RequestError(
            f"{contract.name} does not say which priors it has: give them to `maskinfer export`, or tune it on "
            "faces of every label"
        )
    if set(priors) != set(contract.labels) or not all(0 < share < np.inf for share in priors.values()):
        labels = ", ".join(contract.labels)
        raise RequestError(f"priors are {dict(priors)}, expected a share over 0 of each of {labels}")
    old, new = (np.array([shares[label] for label in contract.labels]) for shares in (contract.priors, priors))
    _shift(graph, np.asarray(np.log(new / new.sum()) - np.log(old / old.sum()), np.float32))
    return replace(contract, priors=dict(priors))


def _shift(graph: onnx.ModelProto, shift: FloatArray) -> None:
    values = {entry.name: entry for entry in graph.graph.initializer}
    layers = [node for node in graph.graph.node if node.op_type == "Gemm" and node.input[2].startswith(_LAST_LAYER)]
    name = layers[-1].input[2] if layers else ""
    bias = values.get(name) or values.get(name + _QUANTIZED)
    if bias is None:
        raise RequestError("the classifier has no last layer whose bias could be moved: train one of ours")
    numbers = numpy_helper.to_array(bias).copy()
    if bias.data_type == TensorProto.INT32:
        scales = numpy_helper.to_array(values[bias.name + "_scale"])
        shift = np.round(shift / scales[: len(shift)])
    numbers[: len(shift)] += shift.astype(numbers.dtype)
    bias.CopyFrom(numpy_helper.from_array(numbers, bias.name))

"""Graphs that calculate in float16, for providers that run it fast (CUDA, TensorRT); a CPU gains nothing."""

from __future__ import annotations

import warnings

import onnx

from maskinfer.engine.errors import ModelError


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with weights and activations in float16; inputs and outputs keep their types.

    Raises:
        ModelError: onnxruntime's converter cannot.
    """
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    try:
        with warnings.catch_warnings():
            # It tells of every weight too small for float16; what that costs is measured.
            warnings.simplefilter("ignore")
            converted = ONNXModel(convert_float_to_float16(copy, keep_io_types=True))
            converted.topological_sort()
    except Exception as error:  # the converter raises whatever the graph leads it to
        raise ModelError(f"the graph cannot be turned into float16: {error}") from error
    halved: onnx.ModelProto = converted.model
    # They still hold the types from before.
    del halved.graph.value_info[:]
    return halved

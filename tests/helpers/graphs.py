"""Tiny real ONNX graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from maskinfer.engine.contract import Contract
from maskinfer.export.metadata import write_contract

OPSET = 17


def save_colour_classifier(
    path: Path, contract: Contract | None, *, softmax: bool = True, columns: int = 3, scale: float = 0.1
) -> Path:
    """Write a graph: uint8 (N, 16, 16, 3) BGR in, softmax of the mean colours, scaled, out."""
    weights = np.eye(3, columns, dtype=np.float32) * np.float32(scale)
    nodes = [
        helper.make_node("Cast", ["bgr"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
        helper.make_node("Softmax" if softmax else "Identity", ["logits"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("bgr", TensorProto.UINT8, ["batch", 16, 16, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", columns])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return save_model(path, graph, contract)


def save_greedy_classifier(path: Path, contract: Contract) -> Path:
    """Write a graph of a few hundred bytes that wants four terabytes when it is run."""
    side = numpy_helper.from_array(np.array([1_000_000, 1_000_000], np.int64), "side")
    nodes = [
        helper.make_node("Cast", ["bgr"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], keepdims=0),
        helper.make_node("Expand", ["mean", "side"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["middle"], keepdims=0),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Add", ["means", "middle"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "greedy",
        [helper.make_tensor_value_info("bgr", TensorProto.UINT8, ["batch", 16, 16, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])],
        [side],
    )
    return save_model(path, graph, contract)


def save_checking_classifier(path: Path, contract: Contract) -> Path:
    """Write a colour classifier with a second output, that a crop shows a face: the greener, the likelier."""
    nodes = [
        helper.make_node("Cast", ["bgr"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"]),
        helper.make_node("MatMul", ["means", "green"], ["greens"]),
        helper.make_node("Sub", ["greens", "middle"], ["face_logits"]),
        helper.make_node("Sigmoid", ["face_logits"], ["face"]),
    ]
    graph = helper.make_graph(
        nodes,
        "checking",
        [helper.make_tensor_value_info("bgr", TensorProto.UINT8, ["batch", 16, 16, 3])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("face", TensorProto.FLOAT, ["batch"]),
        ],
        [
            numpy_helper.from_array(np.eye(3, dtype=np.float32) / 10, "weights"),
            numpy_helper.from_array(np.array([0, 0.04, 0], np.float32), "green"),
            numpy_helper.from_array(np.array(5, np.float32), "middle"),
        ],
    )
    return save_model(path, graph, contract)


def save_model(path: Path, graph: onnx.GraphProto, contract: Contract | None) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    if contract is not None:
        write_contract(model, contract)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def save_scrfd(path: Path, *, landmarks: bool, levels: int, side: int | str = 64) -> Path:
    """Write a graph with an SCRFD's input and outputs, all zero but one face in the first cell of stride 8.

    The face scores .9, lies 1, 2, 3, 4 strides around the cell's point, and its landmarks are at 0.5 strides.
    """
    strides = (8, 16, 32, 64, 128)[:levels]
    per_cell = 2 if levels == 3 else 1
    widths = (1, 4, 10)[: 2 + landmarks]
    nodes, outputs, constants = [], [], []
    for width in widths:
        for stride in strides:
            name = f"out_{width}_{stride}"
            values = np.zeros(((64 // stride) ** 2 * per_cell, width), np.float32)
            if stride == 8:
                values[0] = {1: [0.9], 4: [1, 2, 3, 4], 10: [0.5] * 10}[width]
            constants.append(numpy_helper.from_array(values, name + "_value"))
            nodes.append(helper.make_node("Add", [name + "_value", "nothing"], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [len(values), width]))
    first = numpy_helper.from_array(np.array(0, np.float32), "zero")
    nodes.insert(0, helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0))
    nodes.insert(1, helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    graph = helper.make_graph(
        nodes,
        "scrfd",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])],
        outputs,
        [*constants, first],
    )
    return save_model(path, graph, None)

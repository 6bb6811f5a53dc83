"""Static int8 quantisation of ONNX graphs: QDQ form, a scale for each output channel, uint8 activations.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
2018. The ranges of the activations are those that real inputs reach, or a share of them: what is cut off is rare, and
the rest has finer steps (Nagel et al., "A White Paper on Neural Network Quantization", 2021). Which nodes' rounding
costs most is found by quantising all but one, for each; how many of the first layers are faster in float, by running
them both ways.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from maskinfer.engine.errors import ModelError
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.export.parity import open_graph
from maskinfer.export.quantize.side_by_side import times_in_turn

Inputs = Sequence[NDArray[np.uint8]]
_OPS = [
    "Conv",
    "Gemm",
    "MatMul",
    "Relu",
    "Clip",
    "Add",
    "Concat",
    "MaxPool",
    "Resize",
    "ReduceMean",
    "GlobalAveragePool",
]
# The nodes whose own rounding is looked at; the others follow them.
_WEIGHTED = ("Conv", "Gemm", "MatMul")
# The shipped models are fastest with 3 to 10 of them in float.
_MOST_FIRST_IN_FLOAT = 12
_EQUALLY_FAST = 0.01


@dataclass(frozen=True, slots=True)
class Prepared:
    """A float graph ready to be quantised.

    Attributes:
        model: with shapes inferred and constants folded.
        ranges: of every activation, those on the calibration inputs or a share of them; onnxruntime's TensorsData.
        inputs: some of the calibration inputs, by which the rounding is judged.
        expected: the float graph's outputs on each of them.
    """

    model: onnx.ModelProto
    ranges: Any
    inputs: Inputs
    expected: Sequence[Sequence[NDArray[np.float32]]]


def prepare(file: Path, calibration: Inputs, judged: int) -> Prepared:
    """Measure the ranges of a graph's activations.

    Args:
        file: of a graph whose one input is uint8.
        calibration: batches of it.
        judged: how many of them the rounding is judged by.

    Raises:
        ModelError: onnxruntime cannot prepare the graph.
    """
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _quiet():
        clean, augmented = Path(folder) / "clean.onnx", Path(folder) / "augmented.onnx"
        try:
            quant_pre_process(str(file), str(clean), skip_symbolic_shape=True)
            calibrator = create_calibrator(
                clean, _OPS, augmented_model_path=str(augmented), calibrate_method=CalibrationMethod.MinMax
            )
            model = onnx.load(str(clean))
            calibrator.collect_data(_Reader(model.graph.input[0].name, calibration))
            ranges = calibrator.compute_data()
        except Exception as error:  # onnxruntime's tools raise whatever the graph leads them to
            raise ModelError(f"{file} cannot be prepared for int8: {str(error).strip()[:160]}") from error
    inputs = calibration[:judged]
    return Prepared(model, ranges, inputs, [_run(model.SerializeToString(), batch) for batch in inputs])


class _Reader:
    """Hands batches to the calibrator, as its CalibrationDataReader does."""

    def __init__(self, name: str, batches: Inputs) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter([{name: batch} for batch in batches])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def quantized(prepared: Prepared, kept: Sequence[str] = ()) -> onnx.ModelProto:
    """Return the graph in int8, but for the nodes of these names."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    copy = onnx.ModelProto()
    copy.CopyFrom(prepared.model)
    with _quiet():
        quantizer = QDQQuantizer(
            copy,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=prepared.ranges,
            nodes_to_quantize=[],
            nodes_to_exclude=list(kept),
            op_types_to_quantize=_OPS,
            extra_options={},
        )
        quantizer.quantize_model()
        # onnxruntime needs no order, but the standard and other runtimes do.
        quantizer.model.topological_sort()
    model: onnx.ModelProto = quantizer.model.model
    return model


def weighted_nodes(prepared: Prepared) -> tuple[str, ...]:
    """Return the names of the nodes with weights, in the graph's order."""
    return tuple(node.name for node in prepared.model.graph.node if node.op_type in _WEIGHTED)


def fastest_start(
    prepared: Prepared,
    runner: Callable[[onnx.ModelProto], Callable[[], object]],
    *,
    seconds: float,
    progress: Progress = SILENT,
) -> tuple[str, ...]:
    """Return the names of the first nodes with weights that are best left in float for speed.

    A network's first layers have many pixels and few channels, which int8 kernels are slow with.

    Args:
        prepared: from ``prepare``.
        runner: gives a graph's run on the inputs that count.
        seconds: to run all graphs for, in turn.
        progress: told how many graphs there are and have been made.
    """
    names = weighted_nodes(prepared)
    starts = [names[:count] for count in range(min(_MOST_FIRST_IN_FLOAT + 1, len(names)))]
    runs = [runner(quantized(prepared, start)) for start in counted(starts, len(starts), progress)]
    times = np.median(times_in_turn(runs, seconds=seconds), 0)
    # Of those that are equally fast the one that rounds least.
    return starts[int(np.flatnonzero(times <= times.min() * (1 + _EQUALLY_FAST)).max())]


def output_nodes(prepared: Prepared) -> tuple[str, ...]:
    """Return the names of the last nodes with weights before each output, and of all nodes behind them."""
    graph = prepared.model.graph
    maker = {output: node for node in graph.node for output in node.output}
    weighted = set(weighted_nodes(prepared))
    found: set[str] = set()
    waiting, seen = [output.name for output in graph.output], set()
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and node.output[0] not in seen:
            seen.add(node.output[0])
            found.add(node.name)
            waiting += [] if node.name in weighted else list(node.input)
    return tuple(node.name for node in graph.node if node.name and node.name in found)


def narrowed(prepared: Prepared, share: float) -> Prepared:
    """Return the graph with the ranges of all activations cut to a share of theirs; what lies outside saturates."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import TensorsData

    ends = {
        name: tuple(np.asarray(end) * np.float32(share) for end in (one.lowest, one.highest))
        for name, one in prepared.ranges.items()
    }
    return replace(prepared, ranges=TensorsData(CalibrationMethod.MinMax, ends))


def rank_nodes(prepared: Prepared, kept: Sequence[str] = (), progress: Progress = SILENT) -> tuple[str, ...]:
    """Return the names of the nodes with weights, those first whose rounding costs most.

    Args:
        prepared: from ``prepare``.
        kept: nodes that are in float already; they are not among those returned.
        progress: told how many nodes there are and have been tried.
    """
    names = [name for name in weighted_nodes(prepared) if name not in kept]
    errors = [
        rounding_error(prepared, quantized(prepared, [*kept, name])) for name in counted(names, len(names), progress)
    ]
    return tuple(names[i] for i in np.argsort(errors))


def rounding_error(prepared: Prepared, model: onnx.ModelProto) -> float:
    """Return the mean squared difference of the outputs from the float graph's, each output by its own variance."""
    data = model.SerializeToString()
    errors = []
    for batch, expected in zip(prepared.inputs, prepared.expected, strict=True):
        for got, wanted in zip(_run(data, batch), expected, strict=True):
            errors.append(float(np.square(got - wanted).mean() / (wanted.var() + 1e-12)))
    return float(np.mean(errors))


def _run(model: bytes, batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    session = open_graph(model)
    return [np.asarray(output) for output in session.run(None, {session.get_inputs()[0].name: batch})]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tools' own messages from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

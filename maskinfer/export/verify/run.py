"""The same inputs through every runtime of a machine: do they say the same?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.catalog.contract_check import check_graph
from maskinfer.engine.catalog.find import ANY_TASK, find_model
from maskinfer.engine.contract import Contract, DetectorContract, from_metadata
from maskinfer.engine.errors import ModelError, RequestError
from maskinfer.engine.faces.boxes import iou_matrix, suppress
from maskinfer.engine.faces.detector import decode
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import BGRBatch
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.engine.runtime.session import create_session
from maskinfer.export.parity import sample_pictures
from maskinfer.export.verify.runtimes import Outputs, Runtime, installed_runtimes

# Of any output: of graphs in float, and of those in float16 and int8, whose roundings fall to one side or the other.
FLOAT_TOLERANCE = 1e-3
HALF_TOLERANCE = 0.05
INT8_TOLERANCE = 0.1
# Theirs are many more, of boxes in empty places too: the largest difference is that of the worst of thousands.
INT8_DETECTOR_TOLERANCE = 0.25
TIMED_RUNS = 3
DETECTOR_SIDE = 320
PICTURES = 4
_SAME_BOX_IOU = 0.95


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one runtime made of a model.

    Attributes:
        runtime: its name and version.
        problem: why it cannot run the graph; empty if it can.
        difference: largest difference of any output from the first runtime's, over the larger of 1 and the output's
            largest value.
        agreement: share of the pictures with the same label (classifier), or of the faces found alike (detector).
        latency_ms: of one batch, the best of some runs.
        tolerance: that the difference is held against.
    """

    runtime: str
    problem: str
    difference: float
    agreement: float
    latency_ms: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether it runs and its outputs are within the tolerance."""
        return not self.problem and self.difference <= self.tolerance


def verify(
    model: str,
    *,
    checkpoint: Path | None = None,
    images: Sequence[Path] = (),
    tolerance: float | None = None,
    progress: Progress = SILENT,
) -> tuple[Verdict, ...]:
    """Run a model with every runtime that is installed; all are held to the first, onnxruntime on the CPU.

    Args:
        model: a name or an ONNX file with a contract.
        checkpoint: of a classifier that the file was exported from, so that torch takes part.
        images: pictures to run on, scaled to the input; noise and gradients by default.
        tolerance: largest difference of an output; None for 1e-3 in float, 0.05 in float16, 0.1 in int8
            (detectors 0.25).
        progress: told how many runtimes there are and have been tried.

    Raises:
        ModelNotFoundError, ModelError, ContractError: the model cannot be used, or onnxruntime itself cannot run it.
        SourceError: a picture cannot be read. RequestError: the tolerance is negative.
    """
    if tolerance is not None and not tolerance >= 0:
        raise RequestError(f"the tolerance is {tolerance}, expected 0 or more")
    file = find_model(model, ANY_TASK)
    session = create_session(file, provider="cpu")
    outputs = [output.name for output in session.get_outputs()]
    contract = from_metadata(session.get_modelmeta().custom_metadata_map, str(file))
    check_graph(session, contract, str(file))
    batch = to_input(_pictures(contract, images), contract.input)
    allowed = _tolerance(file, contract) if tolerance is None else tolerance
    runtimes = list(installed_runtimes(checkpoint))
    expected: Outputs = []
    verdicts = []
    for runtime in counted(runtimes, len(runtimes), progress):
        verdict, found = _try(runtime, file, outputs, batch, expected, contract, allowed)
        if not expected:
            if verdict.problem:
                raise ModelError(f"{file} does not run: {verdict.problem}")
            expected = found
        verdicts.append(verdict)
    return tuple(verdicts)


def _tolerance(file: Path, contract: Contract) -> float:
    import onnx

    nodes = onnx.load(str(file)).graph.node
    if {"DequantizeLinear", "QLinearConv"} & {node.op_type for node in nodes}:
        return INT8_DETECTOR_TOLERANCE if isinstance(contract, DetectorContract) else INT8_TOLERANCE
    casts = (attribute.i for node in nodes if node.op_type == "Cast" for attribute in node.attribute)
    return HALF_TOLERANCE if onnx.TensorProto.FLOAT16 in casts else FLOAT_TOLERANCE


def _try(
    runtime: Runtime,
    file: Path,
    outputs: Sequence[str],
    batch: NDArray[Any],
    expected: Outputs,
    contract: Contract,
    tolerance: float,
) -> tuple[Verdict, Outputs]:
    name = f"{runtime.name} {runtime.version}".strip()
    try:
        run = runtime.open(file, outputs)
        found = run(batch)
        latency = min(_timed(run, batch) for _ in range(TIMED_RUNS))
    except Exception as error:  # each runtime has exceptions of its own
        reason = " ".join(str(error).split())[:160] or repr(error)
        return Verdict(name, reason, float("nan"), float("nan"), float("nan"), tolerance), []
    against = expected or found
    difference = _difference(found, against)
    agreement = _agreement(found, against, batch, contract) if np.isfinite(difference) else 0.0
    return Verdict(name, "", difference, agreement, latency, tolerance), found


def _timed(run: Callable[[NDArray[Any]], Outputs], batch: NDArray[Any]) -> float:
    begin = time.perf_counter()
    run(batch)
    return (time.perf_counter() - begin) * 1e3


def _difference(found: Outputs, expected: Outputs) -> float:
    if [o.shape for o in found] != [o.shape for o in expected]:
        return float("inf")
    # Distances and landmarks of detectors are in strides, not in 0 to 1.
    worst = max(float((np.abs(a - b) / max(1.0, np.abs(b).max())).max()) for a, b in zip(found, expected, strict=True))
    return float("inf") if np.isnan(worst) else worst


def _agreement(found: Outputs, expected: Outputs, batch: NDArray[Any], contract: Contract) -> float:
    if not isinstance(contract, DetectorContract):
        return float((found[0].argmax(1) == expected[0].argmax(1)).mean())
    height, width = batch.shape[1:3] if contract.input.layout == "NHWC" else batch.shape[2:]
    boxes = [_boxes(outputs, (int(width), int(height)), contract) for outputs in (found, expected)]
    total = sum(max(len(a), len(b)) for a, b in zip(*boxes, strict=True))
    same = sum(int((iou_matrix(a, b) > _SAME_BOX_IOU).any(1).sum()) for a, b in zip(*boxes, strict=True) if len(b))
    return same / total if total else 1.0


def _boxes(outputs: Outputs, canvas_wh: tuple[int, int], contract: DetectorContract) -> list[NDArray[np.float32]]:
    return [
        xyxy[suppress(xyxy, scores, contract.nms_threshold)] for xyxy, scores, _ in decode(outputs, canvas_wh, contract)
    ]


def _pictures(contract: Contract, images: Sequence[Path]) -> BGRBatch:
    """Return a batch, uint8 (N, height, width, 3), BGR: pictures, or noise and gradients."""
    import cv2

    size_wh = contract.size_wh
    if isinstance(contract, DetectorContract) and not contract.fixed_size:
        size_wh = (DETECTOR_SIDE, DETECTOR_SIDE)
    count = PICTURES if not isinstance(contract, DetectorContract) or contract.batch else 1
    if images:
        kept = images if count > 1 else images[:1]
        return np.stack([np.asarray(cv2.resize(read_image(path), size_wh), np.uint8) for path in kept])
    return sample_pictures(count, size_wh)

"""Adoption of foreign face detectors: SCRFD and RetinaFace as files that take uint8 BGR, any batch, any size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from maskinfer.engine.contract import DetectorContract, DetectorKind, InputSpec
from maskinfer.engine.errors import ModelError, ParityError, RequestError
from maskinfer.engine.faces import scrfd
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.faces.retinaface import anchor_grid
from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.engine.files.images import read_image
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.engine.runtime.providers import reason_of
from maskinfer.engine.runtime.session import create_session
from maskinfer.export.adopt.classifier import AdoptSummary
from maskinfer.export.adopt.detector_graph import free_input, free_scrfd
from maskinfer.export.adopt.frameworks import read_foreign
from maskinfer.export.metadata import write_contract
from maskinfer.export.parity import open_graph, sample_pictures

# Of any output, over the larger of 1 and its value.
MAX_DIFFERENCE = 1e-4
BATCHES = (1, 3)
SIZES_WH = ((640, 640), (320, 192), (96, 160))
_RETINAFACE_WIDTHS = (4, 2, 10)
Run = Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class DetectorDescription:
    """What the owner of a face detector says of it.

    Attributes:
        kind: how its outputs are decoded.
        input: what the graph takes now; None for an SCRFD as insightface exports it.
        strides, anchors: of the feature maps, and the sides of a cell's square anchors in pixels (RetinaFace).
        det_threshold, nms_threshold: for the contract.
        name, version, licence, training_data, metrics: for the contract.
    """

    kind: DetectorKind
    input: InputSpec | None = None
    strides: tuple[int, ...] = (8, 16, 32)
    anchors: tuple[tuple[float, ...], ...] = ()
    det_threshold: float = 0.5
    nms_threshold: float = 0.4
    name: str = "adopted"
    version: str = "1"
    licence: str = "not stated"
    training_data: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def adopt_detector(
    model: Path, out: Path, described: DetectorDescription, golden: Sequence[tuple[Path, int]] = ()
) -> AdoptSummary:
    """Write a foreign face detector as a file that the engine runs: uint8 BGR in, any batch, any multiple of 32 px.

    Args:
        model: an ONNX file.
        out: the new one; it appears when it is whole.
        described: by its owner.
        golden: pictures, and how many faces the new file must find in each.

    Raises:
        ModelNotFoundError, ModelError: the file is no such detector.
        RequestError: what is said of it does not fit what it is.
        ParityError: the new graph disagrees with the model as it was, a batch with single frames, or a picture has
            another number of faces than it should.
    """
    refuse_overwriting([out], [model])
    check_writable(out)
    original = read_foreign(model, None)
    old = _contract_now(model, described)
    adopted = (
        free_scrfd(original, old.input, len(old.strides), model.name)
        if described.kind == "scrfd"
        else free_input(original, old.input, model.name)
    )
    contract = replace(old, input=InputSpec(), fixed_size=False, batch=True)
    write_contract(adopted, contract)
    parity = _parity(model, adopted, old)
    write_contract(adopted, replace(contract, parity=parity))
    onnx.checker.check_model(adopted, full_check=True)
    with atomic_write(out) as partial:
        partial.write_bytes(adopted.SerializeToString())
        found = _golden(partial, golden)
    return AdoptSummary(out, parity, found)


def _contract_now(model: Path, described: DetectorDescription) -> DetectorContract:
    """Return the contract of the file as it is."""
    said: dict[str, Any] = {
        "name": described.name,
        "version": described.version,
        "licence": described.licence,
        "det_threshold": described.det_threshold,
        "nms_threshold": described.nms_threshold,
        "training_data": described.training_data,
        "metrics": described.metrics,
        "source_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
    }
    session = create_session(model, provider="cpu", threads=None)
    if described.kind == "scrfd":
        contract = scrfd.insightface_contract(session, model.name)
        return replace(contract, input=described.input or contract.input, **said)
    widths = tuple(output.shape[-1] for output in session.get_outputs())
    if widths != _RETINAFACE_WIDTHS:
        raise ModelError(f"{model} has outputs of widths {list(widths)}, expected boxes 4, classes 2, landmarks 10")
    if described.input is None or not described.anchors:
        raise RequestError("nothing is guessed of a RetinaFace: say its layout, colour order, mean and anchors too")
    if len(described.anchors) != len(described.strides):
        raise RequestError(f"{len(described.anchors)} rows of anchors for {len(described.strides)} strides")
    shape = session.get_inputs()[0].shape
    sides = (2, 1) if described.input.layout == "NHWC" else (3, 2)
    own = tuple(shape[axis] for axis in sides)
    fixed = all(isinstance(side, int) for side in own)
    return DetectorContract(
        kind="retinaface",
        input=described.input,
        strides=described.strides,
        anchors=described.anchors,
        size_wh=own if fixed else (640, 640),
        fixed_size=fixed,
        **said,
    )


def _parity(model: Path, adopted: onnx.ModelProto, old: DetectorContract) -> float:
    """Return the largest difference between batches of the new graph and single runs of the old one."""
    before, after = _runner(model.read_bytes(), str(model)), _runner(adopted.SerializeToString(), "the new graph")
    worst = 0.0
    for size_wh in [old.size_wh] if old.fixed_size else SIZES_WH:
        for batch in BATCHES:
            frames = sample_pictures(batch, size_wh)
            wanted = [_rows(before(to_input(frame[None], old.input))) for frame in frames]
            _check_rows(wanted[0], old, size_wh)
            for i, given in enumerate(_rows(after(frames))):
                expected = np.concatenate([one[i] for one in wanted])
                if given.shape != expected.shape:
                    raise ParityError(
                        f"a batch of {batch} gives {given.shape} of output {i}, expected {expected.shape}"
                    )
                difference = np.abs(given - expected) / np.maximum(np.abs(expected), 1)
                worst = float(np.max([worst, difference.max()]))
    if not worst <= MAX_DIFFERENCE:
        raise ParityError(f"the new graph differs from the model as it was by {worst:.2g}, over {MAX_DIFFERENCE}")
    return worst


def _rows(outputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return outputs of rank 3; the foreign ones, of single frames, may lack the first axis."""
    return [output if output.ndim == 3 else output[None] for output in outputs]


def _check_rows(outputs: Sequence[NDArray[np.float32]], contract: DetectorContract, size_wh: tuple[int, int]) -> None:
    """Hold the number of predictions against the strides and anchors that are said."""
    rows = [output.shape[1] for output in outputs]
    if contract.kind == "retinaface":
        expected = [len(anchor_grid(size_wh, contract.strides, contract.anchors))] * 3
    else:
        cells = [size_wh[0] // stride * (size_wh[1] // stride) for stride in contract.strides]
        expected = [count * contract.anchors_per_cell for count in cells] * (3 if contract.landmarks else 2)
    if rows != expected:
        raise RequestError(f"it gives {rows} predictions for {size_wh[0]}x{size_wh[1]}, expected {expected}")


def _runner(model: bytes, name: str) -> Run:
    try:
        session = open_graph(model)
    except Exception as error:  # onnxruntime's own exceptions have no common base but this
        raise ModelError(f"{name} does not run: {reason_of(error)}") from error

    def run(batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        try:
            return [np.asarray(output) for output in session.run(None, {session.get_inputs()[0].name: batch})]
        except Exception as error:
            raise ModelError(f"{name} does not run: {reason_of(error)}") from error

    return run


def _golden(file: Path, golden: Sequence[tuple[Path, int]]) -> dict[str, tuple[str, float]]:
    found = {}
    detector = load_detector(str(file)) if golden else None
    for path, count in golden:
        faces = detector([read_image(path)])[0] if detector else ()
        if len(faces) != count:
            raise ParityError(f"{len(faces)} faces are found in {path.name}, it should be {count}")
        found[path.name] = (f"{count} faces", 1.0)
    return found

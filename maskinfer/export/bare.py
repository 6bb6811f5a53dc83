"""Learns what a badly worn mask leaves uncovered, from the features that a classifier has already.

The features are the means over the picture on which the classifier's last layer works. A logistic regression on them
becomes one more output of the graph, ``bare``, so nothing else changes and it costs nothing. Drawn and real faces count
half each, and so do both answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from maskinfer.engine.contract import BARE_OUTPUT, ClassifierContract
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import NOSE_AND_MOUTH, BGRBatch, BGRFrame, FloatArray
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.export.parity import open_graph
from maskinfer.training.data.bare import BareFace
from maskinfer.training.data.main_face import find_main_face

# Of the names of what is added to the graph.
_PREFIX = f"{BARE_OUTPUT}_head."
_VIEWS = 4
# Of a box's sides: how far the edges of a face's further views are off.
_JITTER = 0.04
_MIN_MATCH_IOU = 0.35
# Inverse of the penalty on the squared weights, where all faces together weigh 1.
_STRENGTH = 60.0


def add_bare_output(
    graph: onnx.ModelProto,
    contract: ClassifierContract,
    detector: OnnxDetector,
    faces: Sequence[BareFace],
    progress: Progress = SILENT,
) -> None:
    """Give a classifier's graph the output ``bare``, or a new one instead of what it has, in place.

    Args:
        graph: a classifier whose last layer works on means over the picture; in float32, float16 or int8.
        contract: the classifier's.
        detector: finds the faces, so that they are cut as they will be.
        faces: to learn from.
        progress: told of each of them.

    Raises:
        RequestError: the graph is another one, or no face is found. SourceError: a picture cannot be read.
    """
    _remove(graph)
    features = _features_of(graph)
    crops, bare, drawn = _collect(detector, contract, faces, progress)
    values = _run(graph, features, contract, crops)
    _append(graph, features, *_fit(values, bare, drawn))


def _append(graph: onnx.ModelProto, features: str, weights: FloatArray, bias: float) -> None:
    """Append the output to the graph, in nodes that every runtime knows."""
    parts: dict[str, NDArray[Any]] = {
        f"{_PREFIX}weight": weights.reshape(-1, 1),
        f"{_PREFIX}bias": np.array([bias], np.float32),
        f"{_PREFIX}column": np.array(0, np.int64),
    }
    graph.graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in parts.items())
    names = [features, f"{_PREFIX}weight", f"{_PREFIX}bias"]
    graph.graph.node.extend(
        [
            helper.make_node("Gemm", names, [f"{_PREFIX}logits"], f"{_PREFIX}gemm"),
            helper.make_node(
                "Gather", [f"{_PREFIX}logits", f"{_PREFIX}column"], [f"{_PREFIX}logit"], f"{_PREFIX}gather", axis=1
            ),
            helper.make_node("Sigmoid", [f"{_PREFIX}logit"], [BARE_OUTPUT], f"{_PREFIX}sigmoid"),
        ]
    )
    graph.graph.output.append(helper.make_tensor_value_info(BARE_OUTPUT, TensorProto.FLOAT, ["batch"]))


def _remove(graph: onnx.ModelProto) -> None:
    for entries in (graph.graph.initializer, graph.graph.node, graph.graph.output):
        kept = [entry for entry in entries if entry.name != BARE_OUTPUT and not entry.name.startswith(_PREFIX)]
        del entries[:]
        entries.extend(kept)


def _features_of(graph: onnx.ModelProto) -> str:
    """Return the name of the means over the picture."""
    means = [node for node in graph.graph.node if node.op_type == "ReduceMean"]
    if not means:
        raise RequestError("the classifier's last layer does not work on means over the picture: train one of ours")
    return str(means[-1].output[0])


def _collect(
    detector: OnnxDetector, contract: ClassifierContract, faces: Sequence[BareFace], progress: Progress
) -> tuple[BGRBatch, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return views of the faces that are found, and of each whether the mouth is bare too, and whether it is drawn."""
    rng = np.random.default_rng(0)
    crops: list[BGRBatch] = []
    rows: list[tuple[bool, bool]] = []
    for face in counted(faces, len(faces), progress):
        image = read_image(face.path)
        box = _box(detector, image, face)
        if box is not None:
            crops.append(_views(image, box, contract, rng))
            rows += [(face.bare == NOSE_AND_MOUTH, face.drawn)] * _VIEWS
    if not crops:
        raise RequestError("no face was found in the pictures to learn from")
    table = np.array(rows, np.bool_)
    return np.concatenate(crops), table[:, 0], table[:, 1]


def _box(detector: OnnxDetector, image: BGRFrame, face: BareFace) -> FloatArray | None:
    """Return the detector's box of a face, float32 (4,): as annotated if it sees none there."""
    if face.xyxy is None:
        found = find_main_face(detector, image).xyxy
        return found[0] if len(found) else None
    found = detector([image])[0].xyxy
    overlaps = iou_matrix(found, face.xyxy[None])[:, 0]
    return found[overlaps.argmax()] if overlaps.max(initial=0) > _MIN_MATCH_IOU else face.xyxy


def _views(image: BGRFrame, box: FloatArray, contract: ClassifierContract, rng: np.random.Generator) -> BGRBatch:
    """Return crops of a face, with its box a little off but for the first; every other one is mirrored."""
    sides = np.tile(box[2:] - box[:2], 2)
    off = rng.normal(0, _JITTER, (_VIEWS, 4)) * sides
    off[0] = 0
    crops = cut_crops(image, (box + off).astype(np.float32), contract.crop, contract.size_wh)
    crops[1::2] = crops[1::2, :, ::-1].copy()
    return crops


def _run(graph: onnx.ModelProto, features: str, contract: ClassifierContract, crops: BGRBatch) -> FloatArray:
    """Return the features of crops, float32 (N, features)."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    copy.graph.output.append(helper.make_tensor_value_info(features, TensorProto.FLOAT, None))
    session = open_graph(copy.SerializeToString())
    name = session.get_inputs()[0].name
    parts = [to_input(crops[start : start + 32], contract.input) for start in range(0, len(crops), 32)]
    return np.concatenate([np.asarray(session.run([features], {name: part})[0], np.float32) for part in parts])


def _fit(values: FloatArray, bare: NDArray[np.bool_], drawn: NDArray[np.bool_]) -> tuple[FloatArray, float]:
    """Return the weights of the features, float32, and the bias."""
    from sklearn.linear_model import LogisticRegression

    weights = np.zeros(len(bare))
    groups = [members for kind in (drawn, ~drawn) for members in (kind & bare, kind & ~bare) if members.any()]
    for members in groups:
        weights[members] = 1 / len(groups) / members.sum()
    model = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(values.astype(np.float64), bare, sample_weight=weights)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])

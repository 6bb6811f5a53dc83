"""Whether a model says what the float model says on the CPU, on real pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.contract import METADATA_KEY, ClassifierContract, CropRule, from_metadata
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.classifier import OnnxClassifier
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import AUTO_DETECTOR, OnnxDetector, load_detector
from maskinfer.engine.files.images import read_image
from maskinfer.engine.results import BGRBatch, BGRFrame
from maskinfer.engine.runtime.session import create_session

FRAMES = Path(__file__).parent / "frames"
# Each face is also cut a little aside and turned over, as detectors' boxes and people are.
_JITTER = (-0.06, 0.0, 0.06)
_SAME_FACE_IOU = 0.5
# What the graph of a quantised model holds, and what onnxruntime's converter to float16 calls the casts at its end.
_MARKS = {"int8": b"QuantizeLinear", "fp16": b"graph_output_cast"}
Model = OnnxDetector | OnnxClassifier


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model says of some pictures.

    Attributes:
        said: of a classifier one array, the number of each face's label; of a detector an array for each frame, its
            faces' boxes, xyxy float32 (N, 4).
        accuracy: share of right labels, or of annotated faces that are found; None when nobody knows.
    """

    said: tuple[NDArray[Any], ...]
    accuracy: float | None = None


Predict = Callable[[Model], Predictions]


@lru_cache(maxsize=1)
def sample_frames() -> list[BGRFrame]:
    """Return the frames of the demo clip that the package holds: a public-domain portrait, masks drawn on some."""
    return [read_image(path) for path in sorted(FRAMES.glob("*.jpg"))]


@lru_cache(maxsize=8)
def _crops(crop: CropRule, size_wh: tuple[int, int]) -> BGRBatch:
    detector = load_detector(AUTO_DETECTOR, provider="cpu")
    crops = []
    for frame, found in zip(sample_frames(), detector(sample_frames()), strict=True):
        sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
        for dx in _JITTER:
            for dy in _JITTER:
                moved = found.xyxy + np.tile(sides * np.array([dx, dy], np.float32), 2)
                cut = cut_crops(frame, moved, crop, size_wh)
                crops += [cut, cut[:, :, ::-1]]
    return np.ascontiguousarray(np.concatenate(crops))


def sample_crops(contract: ClassifierContract) -> BGRBatch:
    """Return the faces of the sample frames, uint8 (N, height, width, 3), as a classifier takes them."""
    return _crops(contract.crop, contract.size_wh)


def predict_samples(model: Model) -> Predictions:
    """Return what a model says of the sample frames, or of their faces."""
    if isinstance(model, OnnxClassifier):
        return Predictions((model(sample_crops(model.contract)).argmax(1),))
    return Predictions(tuple(found.xyxy for found in model(sample_frames())))


def agreement(model: Model, one: Predictions, other: Predictions) -> float:
    """Return the share of faces that two models label alike, or the share of faces, of either, that both find (F1)."""
    if isinstance(model, OnnxClassifier):
        return float((one.said[0] == other.said[0]).mean())
    pairs = list(zip(one.said, other.said, strict=True))
    both = sum(int((iou_matrix(a, b) >= _SAME_FACE_IOU).any(1).sum()) for a, b in pairs)
    total = sum(len(a) + len(b) for a, b in pairs)
    return 2 * both / total if total else 1.0


def float_file(file: Path, model: Model, floats: Sequence[Path]) -> Path | None:
    """Return the float model of the same weights, which may be the file itself; None when it is not at hand.

    Args:
        file: the model's.
        model: it; its contract names the weights that it was made of.
        floats: files of float models to look among, before the shipped ones.
    """
    if precision_of(file) == "float":
        return file
    shipped = [MODELS_DIR / one.file for one in SHIPPED.values()]
    weights = model.contract.source_sha256
    others = (other for other in (*floats, *shipped) if precision_of(other) == "float")
    return next((other for other in others if weights and _weights_of(other) == weights), None)


def precision_of(file: Path) -> str:
    """Return ``int8`` for a graph with quantised products, ``fp16`` for one that calculates in it, else ``float``."""
    content = file.read_bytes()
    return next((precision for precision, mark in _MARKS.items() if mark in content), "float")


def _weights_of(file: Path) -> str:
    metadata = create_session(file, provider="cpu", threads=1).get_modelmeta().custom_metadata_map
    return from_metadata(metadata, str(file)).source_sha256 if METADATA_KEY in metadata else ""

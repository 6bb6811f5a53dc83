"""Whether a model says what the float model says on the CPU, on real pictures that the package holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.contract import METADATA_KEY, ClassifierContract, CropRule, from_metadata
from maskinfer.engine.detector import AUTO_DETECTOR, OnnxDetector, load_detector
from maskinfer.engine.geometry import FloatArray, cut_crops, iou_matrix
from maskinfer.engine.images import read_image
from maskinfer.engine.models import MODELS_DIR, SHIPPED
from maskinfer.engine.providers import create_session
from maskinfer.engine.results import BGRFrame

FRAMES = Path(__file__).parent / "frames"
# Each face is also cut a little aside and turned over, as detectors' boxes and people are.
_JITTER = (-0.06, 0.0, 0.06)
_SAME_FACE_IOU = 0.5

Model = OnnxDetector | OnnxClassifier
Reference = Callable[[Model], float]


@lru_cache(maxsize=1)
def sample_frames() -> list[BGRFrame]:
    """Return the frames of the demo clip that the package holds: a public-domain portrait, masks drawn on some."""
    return [read_image(path) for path in sorted(FRAMES.glob("*.jpg"))]


@lru_cache(maxsize=8)
def _crops(crop: CropRule, size_wh: tuple[int, int]) -> BGRFrame:
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


def sample_crops(contract: ClassifierContract) -> BGRFrame:
    """Return the faces of the sample frames, uint8 (N, height, width, 3), as a classifier takes them."""
    return _crops(contract.crop, contract.size_wh)


def reference_of(file: Path, model: Model, floats: Sequence[Path]) -> Reference:
    """Return what tells how well a model agrees with the float one of the same weights on the CPU.

    Args:
        file: the model's.
        model: it; its contract names the weights that it was made of.
        floats: files of float models to look among, before the shipped ones; without one of the same weights the model
            is compared with itself on the CPU.
    """
    load = load_classifier if isinstance(model, OnnxClassifier) else load_detector
    shipped = [MODELS_DIR / one.file for one in SHIPPED.values() if precision_of(MODELS_DIR / one.file) == "float"]
    weights = model.contract.source_sha256
    same = (other for other in (*floats, *shipped) if weights and _weights_of(other) == weights)
    truth = load(str(next(same, file)), provider="cpu")
    if isinstance(truth, OnnxClassifier):
        expected = truth(sample_crops(truth.contract)).argmax(1)
        return lambda other: _label_agreement(other, expected)
    boxes = [found.xyxy for found in truth(sample_frames())]
    return lambda other: _face_agreement(other, boxes)


def precision_of(file: Path) -> str:
    """Return ``int8`` for a graph with quantised products, else ``float``."""
    return "int8" if b"QuantizeLinear" in file.read_bytes() else "float"


def _weights_of(file: Path) -> str:
    metadata = create_session(file, provider="cpu", threads=1).get_modelmeta().custom_metadata_map
    return from_metadata(metadata, str(file)).source_sha256 if METADATA_KEY in metadata else ""


def _label_agreement(model: Model, expected: NDArray[np.intp]) -> float:
    assert isinstance(model, OnnxClassifier)
    return float((model(sample_crops(model.contract)).argmax(1) == expected).mean())


def _face_agreement(model: Model, expected: Sequence[FloatArray]) -> float:
    """Return the share of faces, of either, that both find (F1)."""
    assert isinstance(model, OnnxDetector)
    found = [detections.xyxy for detections in model(sample_frames())]
    both = sum(int((iou_matrix(a, b) >= _SAME_FACE_IOU).any(1).sum()) for a, b in zip(found, expected, strict=True))
    total = sum(map(len, found)) + sum(map(len, expected))
    return 2 * both / total if total else 1.0

"""Faces with a doubtful label are looked at again, as the classifier's contract says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskinfer.engine.contract import ClassifierContract, FaceCheck, SecondLook
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.face_check import face_score
from maskinfer.engine.faces.protocols import AroundClassifier, Look
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import AnyPicture, Picture
from maskinfer.engine.results import LABELS, BGRBatch, BGRFrame, Detections, FloatArray
from tests.helpers.graphs import save_model

BELOW, MARGIN = 0.8, 0.4
CONTRACT = ClassifierContract("left", "1", "MIT", LABELS, (16, 16), second_look=SecondLook(BELOW, MARGIN))
CHECK = FaceCheck(("any",), 0.1, 0.5, weight=1.0, detector_weight=1.0, bias=0.0)
BOXES: FloatArray = np.float32([[40, 30, 70, 60], [120, 30, 150, 60], [0, 80, 30, 118], [100, 80, 140, 118]])


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that sees the left quarter of a crop only, and takes for a face what is red there."""
    constants = {
        "from": np.array([0], np.int64), "to": np.array([4], np.int64), "axis": np.array([2], np.int64),
        "weights": np.eye(3, dtype=np.float32) * np.float32(0.05), "red": np.float32([[0], [0], [0.05]]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["bgr"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Slice", ["floats", "from", "to", "axis"], ["part"]),
        helper.make_node("ReduceMean", ["part"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"]),
        helper.make_node("MatMul", ["means", "red"], ["reds"]),
        helper.make_node("Sigmoid", ["reds"], ["face"]),
    ]
    graph = helper.make_graph(
        nodes, "left",
        [helper.make_tensor_value_info("bgr", TensorProto.UINT8, ["batch", 16, 16, 3])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("face", TensorProto.FLOAT, ["batch", 1]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    return save_model(tmp_path_factory.mktemp("models") / "left.onnx", graph, CONTRACT)


@dataclass(frozen=True, slots=True)
class _Noting(AroundClassifier):
    """Notes what it is asked about."""

    crops: list[BGRBatch] = field(default_factory=list)

    @property
    def asked(self) -> list[int]:
        return [len(crops) for crops in self.crops]

    def look(self, crops: BGRBatch, /) -> Look:
        self.crops.append(crops.copy())
        return self.model.look(crops)


def picture() -> BGRFrame:
    return np.random.default_rng(7).integers(0, 256, (120, 160, 3), np.uint8) // 4 + _slopes()


def _slopes() -> BGRFrame:
    """Colours that change from left to right, so that a mirror and a margin matter."""
    across = np.linspace(0, 120, 160)
    return np.broadcast_to(np.stack([across, 120 - across, across // 2], 1).astype(np.uint8), (120, 160, 3))


def detector(frames: Sequence[AnyPicture]) -> list[Detections]:
    return [Detections(BOXES, np.float32([0.9, 0.8, 0.7, 0.6]), None)] * len(frames)


def three_looks(model: OnnxClassifier) -> tuple[FloatArray, FloatArray]:
    """Return what the model says at first sight, and in the mean of three looks."""
    first = cut_crops(picture(), BOXES, CONTRACT.crop, (16, 16))
    wider = cut_crops(picture(), BOXES, replace(CONTRACT.crop, margin=MARGIN), (16, 16))
    looks = [model(crops) for crops in (first, first[:, :, ::-1].copy(), wider[:, :, ::-1].copy())]
    return looks[0], np.mean(looks, axis=0)


def test_only_doubtful_faces_have_the_mean_of_three_looks(left: Path) -> None:
    model = load_classifier(str(left))
    first, mean = three_looks(model)
    doubtful = first.max(1) < BELOW
    assert 0 < doubtful.sum() < len(BOXES)
    assert np.abs(first - mean)[doubtful].max() > 0.05
    noting = _Noting(model)
    result = Engine(detector, noting)(picture())
    said = np.array([list(face.scores.values()) for face in result.faces])
    np.testing.assert_allclose(said, np.where(doubtful[:, None], mean, first), atol=1e-5)
    assert noting.asked == [len(BOXES), 2 * doubtful.sum()]


def test_faces_of_several_pictures_are_cut_from_their_own(left: Path) -> None:
    engine = Engine(detector, load_classifier(str(left)))
    dark = picture() // 3
    together, alone = engine([picture(), dark]), [engine(picture()), engine(dark)]
    assert [one.faces for one in together] == [one.faces for one in alone]


def test_a_doubtful_face_that_is_followed_is_looked_at_in_three_ways_in_turn(left: Path) -> None:
    model = load_classifier(str(left))
    noting = _Noting(replace(model, contract=replace(model.contract, second_look=SecondLook(0.97, MARGIN))))
    engine = Engine(detector, noting)
    tracker = engine.tracker(TrackOptions(classify_every=1))
    for i in range(5):
        engine.infer([Frame("", i, i / 10, Picture(picture()))], [tracker])
    usual, wide = (
        cut_crops(picture(), BOXES, replace(CONTRACT.crop, margin=margin), (16, 16)) for margin in (0.15, MARGIN)
    )
    in_turn = [usual, usual[:, :, ::-1], wide[:, :, ::-1], usual, usual[:, :, ::-1]]
    said = [model(np.ascontiguousarray(crops)).max(1) for crops in in_turn]
    sure, unsure = said[0] >= 0.97, np.max(said, axis=0) < 0.97
    assert sure.sum() == 1
    assert unsure.sum() == 3
    for crops, expected in zip(noting.crops, in_turn, strict=True):
        np.testing.assert_array_equal(crops[sure], usual[sure])
        np.testing.assert_array_equal(crops[unsure], expected[unsure])


def test_what_is_no_face_is_not_looked_at_again(left: Path) -> None:
    model = load_classifier(str(left))
    said = model.look(cut_crops(picture(), BOXES, CONTRACT.crop, (16, 16)))
    assert said.face is not None
    odds = np.log(said.face / (1 - said.face))
    scores = [face_score(CHECK, float(a), float(b)) for a, b in zip(odds, (0.9, 0.8, 0.7, 0.6), strict=True)]
    doubtful = [i for i, row in enumerate(said.probabilities) if row.max() < BELOW]
    worst = min(doubtful, key=lambda i: scores[i])
    check = replace(CHECK, threshold=scores[worst] + 1e-3)
    faces = [i for i in doubtful if scores[i] >= check.threshold]
    noting = _Noting(model)
    Engine(detector, noting, face_check=check)(picture())
    assert noting.asked == [len(BOXES), *([2 * len(faces)] if faces else [])]
    assert len(faces) < len(doubtful)


def test_a_model_without_the_rule_looks_once(left: Path) -> None:
    model = load_classifier(str(left))
    noting = _Noting(replace(model, contract=replace(model.contract, second_look=None)))
    Engine(detector, noting)(picture())
    assert noting.asked == [len(BOXES)]

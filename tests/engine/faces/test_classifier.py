from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskinfer.engine.contract import InputSpec
from maskinfer.engine.errors import ContractError, ModelError, ModelNotFoundError
from maskinfer.engine.faces.classifier import MAX_BATCH, load_classifier
from maskinfer.engine.faces.face_check import logits
from maskinfer.engine.faces.protocols import label_of
from maskinfer.engine.results import UNCERTAIN, BGRFrame
from maskinfer.engine.runtime.preprocess import to_input
from tests.conftest import CONTRACT
from tests.helpers.graphs import save_colour_classifier, save_model


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)


def expected_scores(batch: np.ndarray) -> np.ndarray:
    exponentials = np.exp(batch.mean((1, 2)) / 10)
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))


@pytest.mark.parametrize("count", [0, 1, MAX_BATCH, 2 * MAX_BATCH + 3])
def test_all_crops_get_their_own_row(colour_classifier: Path, count: int) -> None:
    scores = load_classifier(str(colour_classifier))(crops(count))
    assert scores.shape == (count, 3)
    assert scores == pytest.approx(expected_scores(crops(count)), abs=1e-5)


def test_a_mirrored_look_is_the_mean_of_both(portrait: BGRFrame) -> None:
    crops = np.stack([cv2.resize(portrait[top : top + 160, 140:300], (128, 128)) for top in (30, 90, 150)])
    once = load_classifier("mobilenetv2-128")
    twice = replace(once, mirrored=True)
    first, second = once.look(crops), once.look(np.ascontiguousarray(crops[:, :, ::-1]))
    mean = twice.look(crops)
    assert not np.allclose(first.probabilities, second.probabilities, atol=1e-3)
    assert mean.probabilities == pytest.approx((first.probabilities + second.probabilities) / 2)
    assert twice(crops) == pytest.approx(mean.probabilities)
    for name in ("face", "bare"):
        both = [logits(getattr(one, name)) for one in (first, second)]
        assert logits(getattr(mean, name)) == pytest.approx(np.mean(both, axis=0), abs=1e-3)
    assert twice.look(crops[:0]).probabilities.shape == (0, 3)


def test_a_mirrored_look_of_a_model_that_says_no_more_than_labels(colour_classifier: Path) -> None:
    look = replace(load_classifier(str(colour_classifier)), mirrored=True).look(crops(3))
    assert look.probabilities == pytest.approx(expected_scores(crops(3)), abs=1e-5)
    assert look.face is None
    assert look.bare is None


def test_logits_become_probabilities(tmp_path: Path) -> None:
    file = save_colour_classifier(tmp_path / "x.onnx", replace(CONTRACT, output="logits"), softmax=False)
    assert load_classifier(str(file))(crops(5)) == pytest.approx(expected_scores(crops(5)), abs=1e-5)


def test_scores_that_are_no_numbers_are_refused_with_the_model(tmp_path: Path) -> None:
    file = save_colour_classifier(tmp_path / "x.onnx", CONTRACT, scale=float("nan"))
    with pytest.raises(ModelError, match=r"the model colour gives numbers that are not finite"):
        load_classifier(str(file))(crops(2))


def test_labels() -> None:
    assert label_of(CONTRACT, np.array([0.2, 0.7, 0.1], np.float32)) == ("without_mask", pytest.approx(0.7))
    assert label_of(CONTRACT, np.array([0.2, 0.7, 0.1], np.float32), 0) == ("with_mask", pytest.approx(0.2))


def test_the_threshold_of_the_contract() -> None:
    contract = replace(CONTRACT, uncertain_below=0.8)
    assert label_of(contract, np.array([0.2, 0.7, 0.1], np.float32)) == (UNCERTAIN, pytest.approx(0.7))
    assert label_of(contract, np.array([0.1, 0.9, 0.0], np.float32))[0] == "without_mask"


def test_a_file_without_a_contract_is_refused(tmp_path: Path) -> None:
    file = save_colour_classifier(tmp_path / "x.onnx", None)
    with pytest.raises(ContractError, match=r"carries no contract.*let maskinfer adopt write one"):
        load_classifier(str(file))


def test_a_graph_that_fails_or_gives_no_numbers_is_named(tmp_path: Path) -> None:
    shape = ["n", 16, 16, 3]
    for kind, said in (("Log", "gives numbers that are not finite"), ("Reshape", "fails when it is run")):
        # The logarithm of less than nothing; and a shape that no picture has.
        wrong = numpy_helper.from_array(np.array([7, 3], np.int64), "shape")
        nodes = [
            helper.make_node("Cast", ["bgr"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
            helper.make_node("Neg", ["means"], ["less"]),
            helper.make_node(kind, ["less", "shape"] if kind == "Reshape" else ["less"], ["probabilities"]),
        ]
        graph = helper.make_graph(
            nodes, "wrong", [helper.make_tensor_value_info("bgr", TensorProto.UINT8, shape)],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["m", 3])],
            [wrong] if kind == "Reshape" else [],
        )  # fmt: skip
        classifier = load_classifier(str(save_model(tmp_path / f"{kind}.onnx", graph, CONTRACT)))
        with pytest.raises(ModelError, match=f"the model colour {said}"):
            classifier(np.full((2, 16, 16, 3), 200, np.uint8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("a", "b")}, "gives 3 columns, its contract 2 labels"),
        ({"size_wh": (16, 24)}, r"its contract says \(N, 24, 16, 3\)"),
        ({"input": InputSpec(layout="NCHW")}, r"its contract says \(N, 3, 16, 16\)"),
        ({"input": InputSpec(dtype="float32")}, "takes tensor\\(uint8\\), its contract says float32"),
    ],
)
def test_a_contract_that_does_not_fit_its_graph(tmp_path: Path, change: dict[str, object], message: str) -> None:
    file = save_colour_classifier(tmp_path / "x.onnx", replace(CONTRACT, **change))  # type: ignore[arg-type]
    with pytest.raises(ContractError, match=message):
        load_classifier(str(file))


def test_a_detector_is_no_classifier() -> None:
    from maskinfer.engine.catalog.find import find_model

    with pytest.raises(ModelError, match="is a face detector"):
        load_classifier(str(find_model("retinaface", "detector")))


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000)])
def test_what_is_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.onnx"):
        load_classifier(str(file))


def test_an_unknown_classifier(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no classifier 'nobody'"):
        load_classifier("nobody")
    with pytest.raises(ModelError, match="is a folder"):
        load_classifier(str(tmp_path))


BATCH = np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3), np.uint8)


@pytest.mark.parametrize("colour_order", ["BGR", "RGB"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("std", [(2.0, 2.0, 2.0), (1.0, 2.0, 4.0)])
def test_preprocessing_is_what_the_contract_says(layout: str, colour_order: str, std: tuple[float, ...]) -> None:
    spec = InputSpec(layout, "float32", colour_order, (10.0, 20.0, 30.0), std)  # type: ignore[arg-type]
    picture = BATCH[..., ::-1] if colour_order == "RGB" else BATCH
    expected = (picture - np.array([10.0, 20.0, 30.0])) / np.array(std)
    if layout == "NCHW":
        expected = expected.transpose(0, 3, 1, 2)
    found = to_input(BATCH, spec)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found == pytest.approx(expected, abs=1e-4)


def test_uint8_bgr_goes_in_as_it_is() -> None:
    assert to_input(BATCH, InputSpec()) is BATCH

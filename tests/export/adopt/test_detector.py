"""Foreign face detectors become ones that take any batch and any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("onnx")
pytest.importorskip("torch")

import onnx
from onnx import TensorProto, helper, numpy_helper

from maskinfer.cli import main
from maskinfer.engine.contract import InputSpec
from maskinfer.engine.errors import ModelError, ParityError, RequestError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.detector import OnnxDetector, load_detector
from maskinfer.engine.results import BGRFrame
from maskinfer.export.adopt.detector import DetectorDescription, adopt_detector
from tests.conftest import shared
from tests.helpers.graphs import save_model

pytestmark = pytest.mark.train
SCRFD = DetectorDescription("scrfd", name="tiny")
STRIDES = (8, 16, 32)


def save_convolutional_scrfd(
    path: Path, *, side: int | str = "?", interleaved: bool = True, heads: str = "Transpose"
) -> Path:
    """Write an SCRFD of one convolution a stride, with heads as insightface exports them, and a Resize by size."""
    rng = np.random.default_rng(0)
    nodes, constants, outputs = [], [], []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    for stride in STRIDES:
        weight = constant(f"w{stride}", rng.normal(0, 0.1, (6, 3, stride, stride)).astype(np.float32))
        nodes.append(
            helper.make_node("Conv", ["x", weight], [f"f{stride}"], strides=[stride] * 2, kernel_shape=[stride] * 2)
        )
    features = {8: "f8", 16: "f16", 32: "f32"}
    if isinstance(side, int):
        # A path that a static export fixes: the deepest features, twice as large, added to those before.
        size = constant("size", np.array([1, 6, side // 16, side // 16], np.int64))
        nodes.append(helper.make_node("Resize", ["f32", "", "", size], ["up"], mode="nearest"))
        nodes.append(helper.make_node("Add", ["f16", "up"], ["sum"]))
        features[16] = "sum"
    for width in (1, 4, 10):
        for stride in STRIDES:
            out = f"o{width}_{stride}"
            weight = constant(f"w{out}", rng.normal(0, 0.3, (2 * width, 6, 1, 1)).astype(np.float32))
            nodes.append(helper.make_node("Conv", [features[stride], weight], [f"c{out}"]))
            how = {"perm": [2, 3, 0, 1] if interleaved else [0, 2, 3, 1]} if heads == "Transpose" else {}
            nodes.append(helper.make_node(heads, [f"c{out}"], [f"t{out}"], **how))
            shape = constant(f"s{out}", np.array([-1, width] if interleaved else [1, -1, width], np.int64))
            raw = f"r{out}" if width == 1 else out
            nodes.append(helper.make_node("Reshape", [f"t{out}", shape], [raw]))
            if width == 1:
                nodes.append(helper.make_node("Sigmoid", [raw], [out]))
            dims = [None, width] if interleaved else [1, None, width]
            outputs.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, dims))
    fed = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, side, side])
    return save_model(path, helper.make_graph(nodes, "scrfd", [fed], outputs, constants), None)


def check_batch_equals_singles(detector: OnnxDetector, frames: list[BGRFrame]) -> None:
    """Box by box; frames of one size, so that they share a run."""
    together = detector(frames)
    for frame, found in zip(frames, together, strict=True):
        alone = detector([frame])[0]
        assert len(found) == len(alone)
        np.testing.assert_allclose(found.xyxy, alone.xyxy, atol=0.05)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)
        assert found.landmarks is not None
        np.testing.assert_allclose(found.landmarks, alone.landmarks, atol=0.05)


@pytest.mark.parametrize(
    ("side", "interleaved"), [("?", True), (64, True), (64, False)], ids=["dynamic", "static, rank 2", "static, rank 3"]
)
def test_every_form_of_scrfd_takes_batches_of_any_size(tmp_path: Path, side: int | str, interleaved: bool) -> None:
    file = save_convolutional_scrfd(tmp_path / "theirs.onnx", side=side, interleaved=interleaved)
    summary = adopt_detector(file, tmp_path / "ours.onnx", SCRFD)
    detector = load_detector(str(summary.out), det_size_wh=(96, 96))
    contract = detector.contract
    assert (contract.batch, contract.fixed_size, contract.input) == (True, False, InputSpec())
    assert contract.parity == summary.parity < 1e-5
    frames = [np.random.default_rng(i).integers(0, 256, (96, 64, 3), np.uint8) for i in range(3)]
    assert any(len(found) for found in detector(frames))
    check_batch_equals_singles(detector, frames)
    if side == 64:
        theirs = load_detector(str(file), kind="scrfd")
        squares = [frame[:64] for frame in frames]
        ours = load_detector(str(summary.out), det_size_wh=(64, 64))(squares)
        for frame, found in zip(squares, ours, strict=True):
            np.testing.assert_allclose(found.xyxy, theirs([frame])[0].xyxy, atol=0.05)


@pytest.mark.parametrize("name", ["2.5g_kps_dynamic_hw", "2.5g_kps_static", "500m_kps_dynamic_hw", "500m_kps_static"])
def test_insightfaces_own_files(name: str, portrait: BGRFrame, tmp_path: Path) -> None:
    file = shared("models", f"scrfd_{name}.onnx")
    summary = adopt_detector(file, tmp_path / "ours.onnx", SCRFD)
    ours = load_detector(str(summary.out))
    turned = np.ascontiguousarray(portrait[:, ::-1])
    check_batch_equals_singles(ours, [portrait, turned, np.zeros_like(portrait), portrait // 2])
    theirs = load_detector(str(file), kind="scrfd")
    for frame in (portrait, turned):
        found, expected = ours([frame])[0], theirs([frame])[0]
        assert len(found) == len(expected) == 1
        assert iou_matrix(found.xyxy, expected.xyxy).min() > 0.98
    wide = np.concatenate([portrait, turned, portrait], axis=1)
    assert len(ours([wide])[0]) == 3


@pytest.fixture
def foreign_retinaface(tmp_path: Path) -> Path:
    weights = pytest.importorskip("retinaface.weights").WEIGHTS
    file = tmp_path / "retinaface.onnx"
    file.write_bytes(weights)
    return file


DESCRIPTION = """
task: detector
kind: retinaface
layout: NCHW
colour_order: BGR
mean: [104, 117, 123]
anchors: [[16, 32], [64, 128], [256, 512]]
name: theirs
licence: MIT
"""


def test_a_retinaface_from_the_command_line(
    foreign_retinaface: Path, portrait_jpg: Path, portrait: BGRFrame, tmp_path: Path
) -> None:
    (tmp_path / "d.yaml").write_text(DESCRIPTION, encoding="utf-8")
    arguments = [
        "adopt",
        str(foreign_retinaface),
        str(tmp_path / "ours.onnx"),
        "--description",
        str(tmp_path / "d.yaml"),
    ]
    done = CliRunner().invoke(main, [*arguments, "--golden", f"{portrait_jpg}=1"])
    assert done.exit_code == 0, done.output
    ours = load_detector(str(tmp_path / "ours.onnx"))
    assert (ours.contract.name, ours.contract.licence) == ("theirs", "MIT")
    np.testing.assert_allclose(ours([portrait])[0].xyxy, load_detector("retinaface")([portrait])[0].xyxy, atol=0.05)
    check_batch_equals_singles(ours, [portrait, np.ascontiguousarray(portrait[:, ::-1])])


def test_a_wrong_count_of_faces_writes_nothing(portrait_jpg: Path, tmp_path: Path, foreign_retinaface: Path) -> None:
    spec = InputSpec("NCHW", "float32", "BGR", (104, 117, 123))
    said = DetectorDescription("retinaface", spec, anchors=((16, 32), (64, 128), (256, 512)))
    with pytest.raises(ParityError, match=r"1 faces are found in portrait\.jpg, it should be 2"):
        adopt_detector(foreign_retinaface, tmp_path / "ours.onnx", said, [(portrait_jpg, 2)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["portrait.jpg", "retinaface.onnx"]


def test_heads_of_another_make_are_refused(tmp_path: Path) -> None:
    file = save_convolutional_scrfd(tmp_path / "theirs.onnx", heads="Identity")
    with pytest.raises(ModelError, match="expected Transpose and Reshape"):
        adopt_detector(file, tmp_path / "ours.onnx", SCRFD)


def test_a_resize_that_is_no_factor_is_refused(tmp_path: Path) -> None:
    file = save_convolutional_scrfd(tmp_path / "theirs.onnx", side=64)
    model = onnx.load(str(file))
    size = next(tensor for tensor in model.graph.initializer if tensor.name == "size")
    size.CopyFrom(numpy_helper.from_array(np.array([1, 6, 3, 3], np.int64), "size"))
    next(node for node in model.graph.node if node.op_type == "Add").input[:] = ["f16", "f16"]
    model.graph.node.append(helper.make_node("Identity", ["up"], ["spare"]))
    onnx.save(model, str(file))
    with pytest.raises(ModelError, match="no factor"):
        adopt_detector(file, tmp_path / "ours.onnx", SCRFD)


RETINAFACE = ["--task", "detector", "--kind", "retinaface", "--layout", "NCHW", "--colour-order", "BGR"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "detector"], "say --kind too"),
        (["--task", "detector", "--kind", "retinaface"], "say --layout, --colour-order too"),
        (["--task", "detector", "--kind", "scrfd", "--mean", "127.5"], "say --layout, --colour-order too"),
        (["--task", "detector", "--kind", "scrfd", "--label", "a"], "labels is not said of a detector"),
        (["--kind", "scrfd"], "kind is not said of a classifier"),
        (["--task", "detector", "--kind", "scrfd"], "an SCRFD has 6, 9, 10, 15 and 4"),
        (
            [*RETINAFACE, "--anchors", "16,32"],
            "1 rows of anchors for 3 strides",
        ),
        (
            [*RETINAFACE, "--anchors", "16", "--anchors", "64,128", "--anchors", "256,512"],
            "predictions for 640x640, expected",
        ),
    ],
)
def test_what_does_not_fit_is_said(
    foreign_retinaface: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = CliRunner().invoke(main, ["adopt", str(foreign_retinaface), str(tmp_path / "ours.onnx"), *arguments])
    assert done.exit_code != 0
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "ours.onnx").exists()


def test_what_is_no_detector_says_its_widths(tmp_path: Path, colour_classifier: Path) -> None:
    spec = InputSpec()
    with pytest.raises(ModelError, match="expected boxes 4, classes 2, landmarks 10"):
        adopt_detector(
            colour_classifier, tmp_path / "x.onnx", DetectorDescription("retinaface", spec, anchors=((1.0,),) * 3)
        )
    with pytest.raises(RequestError, match="is an input and would be overwritten"):
        adopt_detector(colour_classifier, colour_classifier, SCRFD)

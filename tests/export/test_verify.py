from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.contract import InputSpec
from maskinfer.engine.errors import ContractError, RequestError, SourceError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.results import BGRFrame
from maskinfer.export.metadata import write_contract
from maskinfer.export.verify.run import FLOAT_TOLERANCE, INT8_DETECTOR_TOLERANCE, INT8_TOLERANCE, Verdict, verify

pytest.importorskip("onnx.reference")

RUNTIMES = ["onnxruntime cpu", "openvino", "opencv dnn", "onnx reference"]


def by_runtime(verdicts: tuple[Verdict, ...]) -> dict[str, Verdict]:
    return {verdict.runtime.rsplit(" ", 1)[0]: verdict for verdict in verdicts}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_runtime_says_the_same_of_a_shipped_model(name: str) -> None:
    pytest.importorskip("openvino")
    found = by_runtime(verify(name))
    assert set(RUNTIMES) <= set(found)
    int8 = name.endswith("int8")
    # OpenCV 5.0 cannot run int8 with shared inputs, and runs leaky ReLUs in it wrong; then it has to say so.
    unable = {"opencv dnn"} if int8 and not found["opencv dnn"].agrees else set()
    of_detector = INT8_DETECTOR_TOLERANCE if SHIPPED[name].task == "detector" else INT8_TOLERANCE
    for runtime in set(RUNTIMES) - unable:
        verdict = found[runtime]
        assert verdict.agrees, verdict
        # Of four pictures without a face, whose labels are guesses.
        assert verdict.agreement >= (0.75 if int8 else 1)
        assert verdict.latency_ms > 0
        assert verdict.tolerance == (of_detector if int8 else FLOAT_TOLERANCE)
    assert found["onnxruntime cpu"].difference == 0 < found["onnx reference"].difference


def test_a_difference_over_the_tolerance_is_a_disagreement(colour_classifier: Path) -> None:
    verdicts = verify("mobilenetv2-128", tolerance=1e-12)
    assert verdicts[0].agrees
    assert not by_runtime(verdicts)["onnx reference"].agrees
    assert not replace(verdicts[0], difference=float("nan")).agrees
    assert not replace(verdicts[0], problem="no").agrees
    with pytest.raises(RequestError, match="tolerance is nan"):
        verify(str(colour_classifier), tolerance=float("nan"))


def test_pictures_of_ones_own(colour_classifier: Path, portrait_jpg: Path, tmp_path: Path, portrait: BGRFrame) -> None:
    other = tmp_path / "blue.png"
    cv2.imwrite(str(other), np.full((20, 30, 3), (250, 10, 10), np.uint8))
    assert all(v.agrees or v.problem for v in verify(str(colour_classifier), images=[portrait_jpg, other]))
    with pytest.raises(SourceError):
        verify(str(colour_classifier), images=[tmp_path / "none.png"])


def test_int8_may_differ_more(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime.quantization")
    model = onnx.load(str(MODELS_DIR / SHIPPED["mobilenetv2-128"].file))
    node = onnx.helper.make_node("DequantizeLinear", ["q", "s"], ["unused"])
    model.graph.initializer.extend(
        [
            onnx.numpy_helper.from_array(np.zeros(2, np.int8), "q"),
            onnx.numpy_helper.from_array(np.array(1, np.float32), "s"),
        ]
    )
    model.graph.node.insert(0, node)
    onnx.save(model, str(tmp_path / "int8.onnx"))
    assert verify(str(tmp_path / "int8.onnx"))[0].tolerance == INT8_TOLERANCE


@pytest.mark.train
def test_another_checkpoint_is_not_compared(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = by_runtime(verify("mobilenetv2-small-112", checkpoint=tmp_path / "none.pt"))
    assert "none.pt does not exist" in found["torch"].problem
    (tmp_path / "checkpoint.pt").write_bytes(b"none")
    found = by_runtime(verify("mobilenetv2-small-112", checkpoint=tmp_path / "checkpoint.pt"))
    assert "is not what the file was exported from" in found["torch"].problem
    assert not found["torch"].agrees


def test_a_contract_of_another_graph_is_refused(tmp_path: Path) -> None:
    """Not even what the runtimes agree on is run under wrong labels, another layout or fewer outputs."""
    file = MODELS_DIR / SHIPPED["mobilenetv2-small-112"].file
    contract = load_classifier(str(file)).contract
    for change, said in (
        ({"labels": ("a", "b")}, "the graph gives 3 columns, its contract 2 labels"),
        ({"input": InputSpec(layout="NCHW")}, r"the graph takes .*, its contract says \(N, 3, 112, 112\)"),
        ({"input": InputSpec(dtype="float32")}, r"takes tensor\(uint8\), its contract says float32"),
    ):
        model = onnx.load(str(file))
        write_contract(model, replace(contract, **change))
        onnx.save(model, str(tmp_path / "other.onnx"))
        with pytest.raises(ContractError, match=said):
            verify(str(tmp_path / "other.onnx"))
    model = onnx.load(str(file))
    del model.graph.output[1:]
    write_contract(model, replace(load_detector("retinaface").contract, size_wh=(112, 112), fixed_size=True))
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(ContractError, match="the graph has 1 outputs, a retinaface of its contract 3"):
        verify(str(tmp_path / "other.onnx"))
    model = onnx.load(str(MODELS_DIR / SHIPPED["retinaface"].file))
    write_contract(model, replace(load_detector("retinaface").contract, anchors=((16,), (64,), (256,))))
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(ContractError, match=r"gives \d+ boxes, its contract has \d+ anchors"):
        load_detector(str(tmp_path / "other.onnx"))([np.zeros((128, 128, 3), np.uint8)])

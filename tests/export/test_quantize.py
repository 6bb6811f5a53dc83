from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskinfer.engine.contract import ClassifierContract, InputSpec
from maskinfer.engine.errors import OutputError, RequestError, SourceNotFoundError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.results import LABELS, BGRFrame
from maskinfer.export.quantize.int8 import (
    fastest_start,
    output_nodes,
    prepare,
    quantized,
    rank_nodes,
    rounding_error,
    weighted_nodes,
)
from maskinfer.export.quantize.run import quantize
from maskinfer.export.quantize.side_by_side import compare_detectors, compare_speed
from maskinfer.training.data.scenes import read_scenes
from tests.helpers.graphs import save_model
from tests.helpers.progress import Watcher

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore::DeprecationWarning:onnxruntime.*")]

SIDE = 32
CONTRACT = ClassifierContract(name="tiny", version="1", licence="MIT", labels=LABELS, size_wh=(SIDE, SIDE))
FREELY = {"min_speedup": 0.0, "max_drop": 1.0, "batches": (2,), "seconds": 0.05}


def save_tiny(path: Path, contract: ClassifierContract = CONTRACT, spread: float = 10) -> Path:
    """Write a classifier of two convolutions; the second one's weights lie far apart within each channel."""
    rng = np.random.default_rng(0)
    even = rng.normal(0, 0.02, (8, 3, 3, 3)).astype(np.float32)
    uneven = rng.normal(0, 0.02, (8, 8, 3, 3)).astype(np.float32)
    uneven[:, 0] *= spread
    head = rng.normal(0, 2 / spread, (8, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["bgr"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["nchw"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["floats", "even"], ["a"], name="first", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "uneven"], ["c"], name="second", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "head"], ["g"], name="head"),
        helper.make_node("Softmax", ["g"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("bgr", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(a, n) for a, n in ((even, "even"), (uneven, "uneven"), (head, "head"))],
    )
    return save_model(path, graph, contract)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny.onnx")


@pytest.fixture
def scenes(tmp_path: Path, portrait: BGRFrame) -> Path:
    """Four scenes of one face each."""
    box = load_detector()([portrait])[0].xyxy[0].tolist()
    lines = []
    for n in range(4):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.clip(portrait * (0.7 + 0.15 * n), 0, 255).astype(np.uint8))
        lines.append({"image": f"{n}.png", "set": "one", "faces": [{"bbox": box, "label": LABELS[n % 2]}]})
    (tmp_path / "scenes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_the_int8_file_runs_as_the_float_one_does(tiny: Path, scenes: Path, tmp_path: Path, portrait: BGRFrame) -> None:
    out = tmp_path / "int8.onnx"
    summary = quantize(str(tiny), scenes, out, **FREELY)
    assert (summary.kept, summary.reasons) == (True, ())
    # What is faster in float here is for this machine to say; the first nodes alone may be.
    assert summary.in_float == ("first", "second", "head")[: len(summary.in_float)]
    assert summary.bytes == (tiny.stat().st_size, out.stat().st_size)
    kinds = {node.op_type for node in onnx.load(str(out)).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    old, new = load_classifier(str(tiny)), load_classifier(str(out))
    assert new.contract.name == "tiny-int8"
    assert new.contract.labels == LABELS
    crops = np.stack([cv2.resize(portrait[n:, n:], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for n in (0, 40, 80)])
    difference = np.abs(old(crops) - new(crops)).max()
    assert 0 < difference < 0.1
    assert new.contract.parity is not None
    assert 0 < new.contract.parity < 0.1
    assert new.contract.metrics == {"accuracy": round(summary.accuracy.new.value, 4)}


def test_half_of_the_scenes_measure_and_the_other_half_calibrates(tiny: Path, scenes: Path, tmp_path: Path) -> None:
    assert quantize(str(tiny), scenes, tmp_path / "a.onnx", **FREELY).accuracy.new.n == 2
    both = quantize(str(tiny), scenes, tmp_path / "b.onnx", calibration=scenes, **FREELY)
    assert both.accuracy.new.n == 4
    assert both.accuracy.what == "accuracy"


def test_what_does_not_pay_is_not_written(tiny: Path, scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    slow = quantize(str(tiny), scenes, out, **{**FREELY, "min_speedup": 1e4})
    assert not slow.kept
    assert "times as fast, under 10000" in slow.reasons[0]
    worse = quantize(str(tiny), scenes, out, **{**FREELY, "max_drop": -0.5})
    assert "accuracy is" in worse.reasons[0]
    # Everything that could be left in float was.
    assert set(worse.in_float) == {"first", "second", "head"}
    assert not out.exists()


def test_the_node_that_rounds_worst_comes_first(tmp_path: Path) -> None:
    tiny = save_tiny(tmp_path / "uneven.onnx", spread=40)
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, (4, SIDE, SIDE, 3), np.uint8) for _ in range(3)]
    prepared = prepare(tiny, batches, judged=2)
    watcher = Watcher()
    ranking = rank_nodes(prepared, progress=watcher)
    assert (watcher.totals, watcher.counts) == ([3], [3])
    assert set(rank_nodes(prepared, ["second"])) == {"first", "head"}
    errors = [rounding_error(prepared, quantized(prepared, [name])) for name in ranking]
    assert errors == sorted(errors)
    if not re.search("avx512_vnni|avx_vnni", Path("/proc/cpuinfo").read_text()):
        pytest.skip("without VNNI int8 products saturate, which hides what a node's rounding costs")
    assert errors[0] < rounding_error(prepared, quantized(prepared))
    assert rounding_error(prepared, quantized(prepared, ranking)) < errors[0]
    assert rounding_error(prepared, prepared.model) == 0


def test_the_share_of_the_ranges_may_be_named(tiny: Path, scenes: Path, tmp_path: Path) -> None:
    def steps(share: float) -> dict[str, float]:
        """Return the steps of the activations; those of weights are one for each channel."""
        out = tmp_path / f"{share}.onnx"
        quantize(str(tiny), scenes, out, ranges=share, **FREELY)
        values = {e.name: numpy_helper.to_array(e) for e in onnx.load(str(out)).graph.initializer}
        return {name: value.item() for name, value in values.items() if name.endswith("_scale") and value.size == 1}

    whole, half = steps(1.0), steps(0.5)
    # Which of the first nodes are in float is for this machine to say.
    common = whole.keys() & half.keys()
    assert common
    assert {name: half[name] for name in common} == pytest.approx({n: whole[n] / 2 for n in common}, rel=1e-3)


def test_the_nodes_before_outputs_are_the_last_with_weights_and_what_follows(tiny: Path) -> None:
    prepared = prepare(tiny, [np.zeros((2, SIDE, SIDE, 3), np.uint8)], judged=1)
    names = output_nodes(prepared)
    # What has no name, as the softmax here, cannot be named; torch names every node.
    assert names == ("head",)


def test_the_first_nodes_stay_in_float_where_that_is_faster(tiny: Path) -> None:
    batches = [np.zeros((2, SIDE, SIDE, 3), np.uint8)]
    prepared = prepare(tiny, batches, judged=1)

    def runner(floats_wanted: int) -> Callable[[onnx.ModelProto], Callable[[], object]]:
        """Take a graph's time from how many of its nodes are in float."""

        def run_of(graph: onnx.ModelProto) -> Callable[[], object]:
            kernels = {i.name for i in graph.graph.initializer if i.data_type == TensorProto.FLOAT}
            floats = len(kernels & {"even", "uneven", "head"})
            return lambda: time.sleep(0.002 if floats == floats_wanted else 0.01)

        return run_of

    watcher = Watcher()
    assert fastest_start(prepared, runner(1), seconds=0, progress=watcher) == ("first",)
    assert (watcher.totals, watcher.counts) == ([3], [3])
    assert fastest_start(prepared, runner(0), seconds=0) == ()
    # Something is always in int8.
    assert fastest_start(prepared, runner(2), seconds=0) == ("first", "second") == weighted_nodes(prepared)[:2]


def test_a_detector(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8.onnx"
    summary = quantize("retinaface-mask", scenes, out, **{**FREELY, "max_drop": 0.5, "batches": (1,)})
    assert summary.kept
    assert summary.accuracy.what == "recall"
    assert (summary.accuracy.old.value, summary.accuracy.new.value) == (1, 1)
    makers = {name: node for node in onnx.load(str(out)).graph.node for name in node.output}
    scores = makers["probabilities"]
    while scores.op_type != "Conv":
        assert scores.op_type not in {"QuantizeLinear", "DequantizeLinear"}
        scores = makers[scores.input[0]]
    assert scores.name in summary.in_float
    contract = load_detector(str(out)).contract
    assert contract.name == "retinaface-mask-int8"
    assert contract.metrics["recall"] == 1
    assert contract.parity is not None


@pytest.mark.parametrize("model", ["retinaface-mask", "mobilenetv2-small-112"])
def test_float16_calculates_in_halves_and_says_the_same(model: str, scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "half.onnx"
    summary = quantize(
        model, scenes, out, precision="fp16", min_speedup=0, max_drop=1, seconds=0, batches=(1,), provider="cpu"
    )
    assert summary.kept
    assert summary.accuracy.agreement == 1
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(out))).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    calculated = [types[node.output[0]] for node in graph.node if node.op_type == "Conv"]
    assert set(calculated) == {onnx.TensorProto.FLOAT16}
    find = load_detector if model == "retinaface-mask" else load_classifier
    assert find(str(out)).contract.name.endswith("-fp16")


def test_detectors_are_compared_face_by_face(scenes: Path) -> None:
    seen = compare_detectors(load_detector(), load_detector(det_threshold=0.9999), read_scenes(scenes))
    assert (seen.old.value, seen.new.value, seen.drop.value, seen.agreement) == (1, 0, 1, 0)
    assert (seen.old_false, seen.new_false) == (0, 0)


def test_the_speedup_is_that_of_pairs_of_runs() -> None:
    speed = compare_speed(lambda: time.sleep(0.008), lambda: time.sleep(0.002), "face", 4, seconds=0.1)
    assert speed.old_ms >= 2
    assert speed.new_ms >= 0.5
    assert speed.speedup.low <= speed.speedup.value <= speed.speedup.high
    assert speed.speedup.n >= 3


def test_what_cannot_be_quantised_is_said(tiny: Path, scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is an input and would be overwritten"):
        quantize(str(tiny), scenes, tiny)
    spec = ClassifierContract("x", "1", "MIT", LABELS, (SIDE, SIDE), input=InputSpec(mean=(1.0, 2.0, 3.0)))
    with pytest.raises(RequestError, match="does not take uint8 BGR"):
        quantize(str(save_tiny(tmp_path / "mean.onnx", spec)), scenes, tmp_path / "out.onnx")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "scenes.jsonl").write_text('{"image": "../0.png", "faces": []}\n')
    with pytest.raises(RequestError, match="no annotated face was found"):
        quantize(str(tiny), tmp_path / "none", tmp_path / "out.onnx", **FREELY)
    with pytest.raises(OutputError, match="there is no folder"):
        quantize(str(tiny), scenes, tmp_path / "no" / "out.onnx", **FREELY)
    with pytest.raises(SourceNotFoundError):
        quantize(str(tiny), tmp_path / "nowhere", tmp_path / "out.onnx")

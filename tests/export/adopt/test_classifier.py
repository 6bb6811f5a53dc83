from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from maskinfer.cli import main
from maskinfer.engine.contract import InputSpec
from maskinfer.engine.errors import MaskinferError, ModelError, ModelNotFoundError, ParityError, RequestError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.export.adopt.classifier import Golden, adopt_classifier
from maskinfer.export.adopt.graph import Description, OutputForm

LABELS = ("with_mask", "without_mask", "incorrect_mask")
IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
SIZE_WH = (12, 8)


def save_foreign(
    path: Path,
    spec: InputSpec,
    output: OutputForm = "logits",
    *,
    batch: int | str = "n",
    size_wh: tuple[int | str, int | str] = SIZE_WH,
    columns: int = 3,
    fixed_inside: bool = False,
) -> Path:
    """Write a classifier whose logits are its channels' means: the first channel speaks for the first label."""
    nhwc = spec.layout == "NHWC"
    shape = [batch, size_wh[1], size_wh[0], 3] if nhwc else [batch, 3, size_wh[1], size_wh[0]]
    kind = TensorProto.UINT8 if spec.dtype == "uint8" else TensorProto.FLOAT
    scale = np.array(0.02 if spec.dtype == "uint8" else 2, np.float32)
    weights = np.eye(3, columns, dtype=np.float32) * scale
    nodes = [
        helper.make_node("Cast", ["x"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2] if nhwc else [2, 3], keepdims=0),
        helper.make_node("Reshape", ["means", "shape"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["z"]),
        helper.make_node(
            {"logits": "Identity", "probabilities": "Softmax", "sigmoid": "Sigmoid"}[output], ["z"], ["y"]
        ),
    ]
    rows = np.array([1 if fixed_inside else -1, 3], np.int64)
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, columns])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(rows, "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def spec_of(layout: str, dtype: str, order: str, **more: Any) -> InputSpec:
    return InputSpec(layout, dtype, order, **(more if dtype == "float32" else {}))  # type: ignore[arg-type]


def plain(bgr: Sequence[int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((SIZE_WH[1], SIZE_WH[0], 3), bgr, np.uint8)


RED, BLUE = plain((20, 60, 240)), plain((240, 60, 20))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("batch", ["n", 1])
def test_every_form_becomes_one_that_the_engine_runs(
    tmp_path: Path, layout: str, dtype: str, order: str, output: OutputForm, batch: int | str
) -> None:
    spec = spec_of(layout, dtype, order, **IMAGENET)
    file = save_foreign(tmp_path / "foreign.onnx", spec, output, batch=batch)
    out = tmp_path / "adopted.onnx"
    summary = adopt_classifier(file, out, Description(LABELS, spec, output, licence="MIT"))
    assert summary.parity < 1e-5
    model = load_classifier(str(out))
    assert model.contract.input == InputSpec()
    assert (model.contract.size_wh, model.contract.licence, model.contract.labels) == (SIZE_WH, "MIT", LABELS)
    assert model.contract.parity == summary.parity
    found = model(np.stack([RED, BLUE, RED]))
    # The first channel that the graph was made for speaks for the first label.
    first, last = (0, 2) if order == "RGB" else (2, 0)
    assert found.argmax(1).tolist() == [first, last, first]
    assert np.allclose(found.sum(1), 1, atol=1e-5)


def test_a_sigmoid_tells_two_labels_apart(tmp_path: Path) -> None:
    spec = spec_of("NHWC", "float32", "RGB", mean=(127.5,) * 3, std=(127.5,) * 3)
    file = save_foreign(tmp_path / "foreign.onnx", spec, "sigmoid", columns=1)
    adopt_classifier(file, tmp_path / "out.onnx", Description(("bare", "masked"), spec, "sigmoid"))
    model = load_classifier(str(tmp_path / "out.onnx"))
    assert model(np.stack([RED, BLUE])).argmax(1).tolist() == [1, 0]


def test_golden_pictures_find_a_wrong_colour_order(tmp_path: Path) -> None:
    true = spec_of("NCHW", "float32", "RGB", **IMAGENET)
    file = save_foreign(tmp_path / "foreign.onnx", true)
    whole = np.array([[0, 0, *SIZE_WH]], np.float32)
    golden = [Golden(RED, whole, "with_mask", "red.png"), Golden(BLUE, whole, "incorrect_mask", "blue.png")]
    right = adopt_classifier(file, tmp_path / "right.onnx", Description(LABELS, true, "logits"), golden)
    assert {name: label for name, (label, _) in right.golden.items()} == {
        "red.png": "with_mask",
        "blue.png": "incorrect_mask",
    }
    assert str(right).endswith("as it should be on red.png, blue.png")
    wrong = replace(true, colour_order="BGR")
    with pytest.raises(ParityError, match=r"red\.png is labelled incorrect_mask .* it would be right for RGB with"):
        adopt_classifier(file, tmp_path / "wrong.onnx", Description(LABELS, wrong, "logits"), golden)
    assert not (tmp_path / "wrong.onnx").exists()
    with pytest.raises(RequestError, match="no label 'masked'"):
        adopt_classifier(
            file, tmp_path / "x.onnx", Description(LABELS, true, "logits"), [Golden(RED, whole, "masked", "a")]
        )


FLOAT = spec_of("NCHW", "float32", "RGB")


@pytest.mark.parametrize(
    ("foreign", "described", "error", "said"),
    [
        ({}, {"labels": LABELS[:2]}, RequestError, "gives .1, 3. for one picture, expected 2 columns"),
        ({}, {"output": "probabilities"}, RequestError, "no probabilities; say that they are logits"),
        ({"output": "probabilities"}, {}, RequestError, "they are probabilities already"),
        ({}, {"output": "sigmoid"}, RequestError, "two labels apart, not 3"),
        ({}, {"input": replace(FLOAT, layout="NHWC")}, RequestError, "which is not NHWC: its channels are not 3"),
        ({}, {"input": replace(FLOAT, dtype="uint8")}, RequestError, "takes float32, not uint8"),
        ({}, {"size_wh": (24, 24)}, RequestError, "which as NCHW is not 24x24"),
        ({"size_wh": ("w", "h")}, {}, RequestError, "say the size of a crop"),
        ({"batch": 1, "fixed_inside": True}, {}, ModelError, "takes no batch of 2"),
    ],
)
def test_what_does_not_fit_is_said(
    tmp_path: Path, foreign: dict[str, Any], described: dict[str, Any], error: type[MaskinferError], said: str
) -> None:
    file = save_foreign(tmp_path / "foreign.onnx", FLOAT, **foreign)
    with pytest.raises(error, match=said) as caught:
        adopt_classifier(file, tmp_path / "out.onnx", replace(Description(LABELS, FLOAT, "logits"), **described))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.onnx").exists()


def test_the_size_is_said_where_the_graph_takes_any(tmp_path: Path) -> None:
    file = save_foreign(tmp_path / "foreign.onnx", FLOAT, size_wh=("w", "h"))
    adopt_classifier(file, tmp_path / "out.onnx", Description(LABELS, FLOAT, "logits", size_wh=(10, 20)))
    assert load_classifier(str(tmp_path / "out.onnx")).contract.size_wh == (10, 20)


@pytest.mark.train
def test_torchscript(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(4, 3),
    ).eval()  # fmt: skip
    file = tmp_path / "network.anything"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, torch.zeros(1, 3, 8, 12)).save(str(file))
    spec = spec_of("NCHW", "float32", "RGB", **IMAGENET)
    described = Description(LABELS, spec, "logits", size_wh=SIZE_WH)
    with pytest.raises(RequestError, match="a program that can read and write files here: give --trust"):
        adopt_classifier(file, tmp_path / "out.onnx", described)
    assert adopt_classifier(file, tmp_path / "out.onnx", described, trust=True).parity < 1e-5
    with torch.inference_mode():
        expected = torch.softmax(network(torch.from_numpy(to_input(RED[None], spec))), 1).numpy()
    assert np.allclose(load_classifier(str(tmp_path / "out.onnx"))(RED[None]), expected, atol=1e-5)
    with pytest.raises(RequestError, match="does not say the size"):
        adopt_classifier(file, tmp_path / "other.onnx", replace(described, size_wh=None), trust=True)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="weights without a network"):
        adopt_classifier(tmp_path / "weights.pt", tmp_path / "other.onnx", described)


def test_a_graph_of_float16_is_adopted(tmp_path: Path) -> None:
    half = TensorProto.FLOAT16
    weights = numpy_helper.from_array(np.eye(3, dtype=np.float16) * 2, "weights")
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "half", [helper.make_tensor_value_info("x", half, ["n", 3, SIZE_WH[1], SIZE_WH[0]])],
        [helper.make_tensor_value_info("y", half, ["n", 3])], [weights],
    )  # fmt: skip
    file = tmp_path / "half.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    described = Description(LABELS, spec_of("NCHW", "float32", "RGB", std=(255.0,) * 3), "logits")
    assert adopt_classifier(file, tmp_path / "out.onnx", described).parity < 1e-4
    rows = load_classifier(str(tmp_path / "out.onnx"))(RED[None])
    assert rows.dtype == np.float32
    assert rows[0].argmax() == 0


KERAS = """
import sys, warnings
warnings.simplefilter("ignore")
import keras, numpy as np
keras.utils.set_random_seed(1)
base = keras.applications.MobileNetV2(weights=None, include_top=False, alpha=0.35, input_shape=(96, 96, 3))
x = keras.layers.AveragePooling2D((3, 3))(base.output)
x = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(x))
model = keras.Model(base.input, keras.layers.Dense(2, activation="softmax")(keras.layers.Dropout(0.5)(x)))
model.save(sys.argv[1])
model.save(sys.argv[2])
rows = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
np.savez(sys.argv[3], bgr=rows, expected=model.predict(rows[..., ::-1] / 127.5 - 1, verbose=0))
"""


@pytest.mark.train
def test_keras(tmp_path: Path) -> None:
    """The lecture's network, as Keras saves it in its two formats."""
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    files = [tmp_path / "network.keras", tmp_path / "network.h5", tmp_path / "rows.npz"]
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", KERAS, *map(str, files)], env=environment, check=True, capture_output=True)
    rows = np.load(files[2])
    for file in files[:2]:
        # Of any name: what it is, its bytes say.
        moved = file.rename(tmp_path / f"model-{file.suffix[1:]}")
        out = tmp_path / "out.onnx"
        command = [sys.executable, "-m", "maskinfer", "adopt", str(moved), str(out), "--label", "with_mask"]
        command += ["--label", "without_mask", "--layout", "NHWC", "--colour-order", "RGB", "--mean", "127.5"]
        command += ["--std", "127.5", "--output", "probabilities", "--licence", "MIT"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "largest difference from the model as it was" in done.stdout
        model = load_classifier(str(out))
        assert (model.contract.size_wh, model.contract.licence) == ((96, 96), "MIT")
        assert np.allclose(model(rows["bgr"]), rows["expected"], atol=1e-4)


def test_what_is_no_classifier_is_refused(tmp_path: Path, portrait_jpg: Path) -> None:
    described = Description(LABELS, FLOAT, "logits")
    with pytest.raises(ModelNotFoundError):
        adopt_classifier(tmp_path / "none.onnx", tmp_path / "out.onnx", described)
    with pytest.raises(ModelError, match="cannot be read as ONNX"):
        adopt_classifier(portrait_jpg, tmp_path / "out.onnx", described)
    file = save_foreign(tmp_path / "foreign.onnx", FLOAT)
    with pytest.raises(RequestError, match="is an input and would be overwritten"):
        adopt_classifier(file, file, described)
    model = onnx.load(str(file))
    model.graph.output.append(helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 3]))
    onnx.save(model, str(file))
    with pytest.raises(ModelError, match="1 inputs and 2 outputs"):
        adopt_classifier(file, tmp_path / "out.onnx", described)


def _external(file: Path) -> None:
    onnx.save(onnx.load(str(file)), str(file), save_as_external_data=True, location="weights.bin", size_threshold=0)
    (file.parent / "weights.bin").unlink()


def _too_new(file: Path) -> None:
    model = onnx.load(str(file))
    model.opset_import[0].version = 99
    file.write_bytes(model.SerializeToString())


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    ("degrade", "said"),
    [(_cut, "cannot be read as ONNX"), (_external, r"weights\.bin"), (_too_new, "(cannot be read as ONNX|Opset 99)")],
)
def test_spoilt_files_are_one_line_and_nothing_is_written(
    tmp_path: Path, degrade: Callable[[Path], None], said: str
) -> None:
    file = save_foreign(tmp_path / "foreign.onnx", FLOAT)
    degrade(file)
    arguments = ["--label", "a", "--label", "b", "--label", "c", "--layout", "NCHW", "--colour-order", "RGB"]
    done = CliRunner().invoke(
        main, ["adopt", str(file), str(tmp_path / "out.onnx"), "--output", "logits", "--size", "12x8", *arguments]
    )
    assert done.exit_code == 2
    assert re.match(f"Error: .*{said}.*\n$", done.output)
    assert "onnxruntime_src" not in done.output
    assert not (tmp_path / "out.onnx").exists()

"""The mean of classifiers, on the shipped models and changed copies of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.contract import ClassifierContract, from_metadata
from maskinfer.engine.errors import ModelError, RequestError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.results import FloatArray
from maskinfer.export.average import average
from maskinfer.export.metadata import write_contract
from tests.commands.test_run import check_error, maskinfer

SHIPPED = "mobilenetv2-128"
BIAS = "classifier.1.bias"
CROPS = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), np.uint8)


def contract_of(graph: onnx.ModelProto) -> ClassifierContract:
    contract = from_metadata({prop.key: prop.value for prop in graph.metadata_props}, "file")
    assert isinstance(contract, ClassifierContract)
    return contract


def changed(file: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    graph = onnx.load(str(find_model(SHIPPED, "classifier")))
    change(graph)
    onnx.save(graph, str(file))
    return file


def bias_of(file: Path) -> FloatArray:
    (entry,) = [entry for entry in onnx.load(str(file)).graph.initializer if entry.name == BIAS]
    return np.asarray(numpy_helper.to_array(entry), np.float32)


def moved(by: float) -> Callable[[onnx.ModelProto], None]:
    def change(graph: onnx.ModelProto) -> None:
        for entry in graph.graph.initializer:
            if entry.name == BIAS:
                value = numpy_helper.to_array(entry)
                entry.CopyFrom(numpy_helper.from_array((value + by).astype(value.dtype), BIAS))

    return change


def test_the_mean_of_a_network_with_itself_is_that_network(tmp_path: Path) -> None:
    said = average([SHIPPED, SHIPPED], tmp_path / "m.onnx", version="7")
    assert "the mean of 2 classifiers" in str(said)
    ours, shipped = load_classifier(str(said.out), provider="cpu"), load_classifier(SHIPPED, provider="cpu")
    for mine, theirs in zip(ours.look(CROPS), shipped.look(CROPS), strict=True):
        assert np.array_equal(mine, theirs)
    assert (ours.contract.name, ours.contract.version) == (SHIPPED, "7")
    assert ours.contract.training_data == tuple(sorted(shipped.contract.training_data))
    assert ours.contract.tells_bare
    assert (ours.contract.face_check, ours.contract.error_thresholds, ours.contract.metrics) == (None, (), {})
    assert ours.contract.parity is None
    assert ours.contract.source_sha256 != shipped.contract.source_sha256


def test_each_counts_as_often_as_it_is_named(tmp_path: Path) -> None:
    other = changed(tmp_path / "other.onnx", moved(0.5))
    average([SHIPPED, str(other)], tmp_path / "half.onnx", name="mine")
    average([SHIPPED, str(other), str(other), str(other)], tmp_path / "most.onnx")
    start = bias_of(find_model(SHIPPED, "classifier"))
    assert bias_of(tmp_path / "half.onnx") == pytest.approx(start + 0.25, abs=2e-3)
    assert bias_of(tmp_path / "most.onnx") == pytest.approx(start + 0.375, abs=2e-3)
    graph = onnx.load(str(tmp_path / "half.onnx"))
    assert contract_of(graph).name == "mine"
    kinds = {entry.name: entry.data_type for entry in graph.graph.initializer}
    assert kinds == {e.name: e.data_type for e in onnx.load(str(other)).graph.initializer}, "float16 stays float16"


def test_an_output_that_the_first_lacks_is_left_out(tmp_path: Path) -> None:
    def extend(graph: onnx.ModelProto) -> None:
        graph.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "more"))

    more = changed(tmp_path / "more.onnx", extend)
    average([SHIPPED, str(more)], tmp_path / "m.onnx")
    assert "more" not in {entry.name for entry in onnx.load(str(tmp_path / "m.onnx")).graph.initializer}
    with pytest.raises(
        RequestError, match=r"another network than .*more\.onnx: it has no such weights as more of \(3,\)"
    ):
        average([str(more), SHIPPED], tmp_path / "n.onnx")


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ((SHIPPED,), "no mean of 1 classifier: name two or more"),
        ((SHIPPED, f"{SHIPPED}-int8"), "is in int8: average the float files"),
        ((SHIPPED, "mobilenetv2-160"), "has another size_wh than"),
        (("retinaface-mask", SHIPPED), "retinaface-mask"),
    ],
)
def test_what_has_no_mean_is_refused_in_one_line(models: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = maskinfer("average", *models, "-o", tmp_path / "m.onnx")
    check_error(done, 2, said)
    assert list(tmp_path.iterdir()) == []


def test_priors_and_weights_have_to_be_alike(tmp_path: Path) -> None:
    def other_priors(graph: onnx.ModelProto) -> None:
        contract = contract_of(graph)
        write_contract(graph, replace(contract, priors={**contract.priors, "incorrect_mask": 0.2}))

    def narrower(graph: onnx.ModelProto) -> None:
        for entry in graph.graph.initializer:
            if entry.name == BIAS:
                entry.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(entry)[:-1], BIAS))

    for change, said in ((other_priors, "has another priors than"), (narrower, "it has weights of the shape")):
        with pytest.raises(RequestError, match=said):
            average([SHIPPED, str(changed(tmp_path / "other.onnx", change))], tmp_path / "m.onnx")
        assert not (tmp_path / "m.onnx").exists()


def test_files_that_are_no_models_and_outputs_that_are_inputs(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="is not an ONNX file"):
        average([SHIPPED, str(tmp_path / "no.onnx")], tmp_path / "m.onnx")
    copy = changed(tmp_path / "copy.onnx", lambda graph: None)
    before = copy.read_bytes()
    with pytest.raises(RequestError):
        average([str(copy), SHIPPED], copy)
    assert copy.read_bytes() == before
    done = maskinfer("average", SHIPPED, copy, "-o", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"wrote {tmp_path / 'm.onnx'}, the mean of 2 classifiers")

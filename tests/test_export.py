"""From a checkpoint to a file that the engine runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from maskinfer.engine.classifier import load_classifier  # noqa: E402
from maskinfer.engine.contract import InputSpec  # noqa: E402
from maskinfer.engine.errors import ParityError, RequestError  # noqa: E402
from maskinfer.export.classifier import OPSET, export_classifier  # noqa: E402
from maskinfer.training.network import build, load_checkpoint, restore, save_checkpoint, to_network_input  # noqa: E402
from maskinfer.training.recipe import Recipe, from_dict  # noqa: E402

pytestmark = pytest.mark.train


def _recipe(head: str, labels: list[str], crop: dict[str, Any]) -> Recipe:
    return from_dict(
        {
            "name": "tiny",
            "labels": labels,
            "pictures": "faces",
            "size_px": 48,
            "seed": 0,
            "test_share": 0.0,
            "network": {"weights": "none", "head": head},
            "schedule": {"epochs": 1},
            "crop": crop,
        }
    )


def _save(file: Path, recipe: Recipe, spoil: float = 0.0) -> Path:
    """Write a checkpoint with statistics and weights at random, as training would leave them."""
    torch.manual_seed(1)
    model = build(recipe.network, len(recipe.labels))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        model.classifier[-1].weight.mul_(20)
        model.classifier[-1].bias.add_(spoil)
    save_checkpoint(file, recipe, model.state_dict(), ("one", "two"))
    return file


THREE = _recipe("linear", ["with_mask", "without_mask", "incorrect_mask"], {"margin": 0.2})
TWO = _recipe("dense128", ["with_mask", "without_mask"], {"square": False, "margin": 0.0})


@pytest.fixture(scope="module", params=[THREE, TWO], ids=["linear", "dense128"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("export")
    checkpoint = _save(folder / "checkpoint.pt", request.param)
    summary = export_classifier(checkpoint, folder / "model.onnx", version="7")
    assert summary.parity < 1e-4
    assert str(folder / "model.onnx") in str(summary)
    return checkpoint, folder / "model.onnx"


@pytest.mark.parametrize("count", [1, 5, 33])
def test_the_engine_gives_torchs_probabilities(pair: tuple[Path, Path], count: int) -> None:
    checkpoint, file = pair
    crops = np.random.default_rng(count).integers(0, 256, (count, 48, 48, 3), np.uint8)
    with torch.inference_mode():
        logits = restore(load_checkpoint(checkpoint))(to_network_input(torch.from_numpy(crops)))
    expected = torch.softmax(logits, 1).numpy()
    assert expected.std() > 0.01
    got = load_classifier(str(file))(crops)
    assert np.abs(got - expected).max() < 1e-4
    assert got.sum(1) == pytest.approx(1, abs=1e-5)


def test_the_contract_says_what_the_checkpoint_is(pair: tuple[Path, Path]) -> None:
    checkpoint, file = pair
    trained = load_checkpoint(checkpoint)
    contract = load_classifier(str(file)).contract
    assert (contract.name, contract.version, contract.labels) == ("tiny", "7", trained.recipe.labels)
    assert (contract.size_wh, contract.crop, contract.input) == ((48, 48), trained.recipe.crop, InputSpec())
    assert contract.training_data == ("one", "two")
    assert contract.source_sha256 == trained.sha256
    assert contract.parity is not None
    assert 0 < contract.parity < 1e-4


def test_the_graph_is_one_lean_file(pair: tuple[Path, Path]) -> None:
    _, file = pair
    model = onnx.load(str(file), load_external_data=False)
    assert [opset.version for opset in model.opset_import] == [OPSET]
    assert {tensor.data_location for tensor in model.graph.initializer} == {onnx.TensorProto.DEFAULT}
    kinds = {node.op_type for node in model.graph.node}
    assert kinds <= {"Transpose", "Cast", "Sub", "Conv", "Clip", "Add", "ReduceMean", "Gemm", "Relu", "Softmax"}
    assert file.stat().st_size < 1.02 * sum(tensor.ByteSize() for tensor in model.graph.initializer) + 30_000
    assert b"site-packages" not in file.read_bytes()


def test_weights_that_do_not_survive_the_export_are_not_written(tmp_path: Path) -> None:
    checkpoint = _save(tmp_path / "checkpoint.pt", THREE, spoil=float("nan"))
    with pytest.raises(ParityError, match="is not written"):
        export_classifier(checkpoint, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_checkpoint_is_not_overwritten(tmp_path: Path) -> None:
    checkpoint = _save(tmp_path / "checkpoint.pt", THREE)
    with pytest.raises(RequestError, match="would be overwritten"):
        export_classifier(checkpoint, checkpoint)
    load_checkpoint(checkpoint)


def test_the_command_prints_the_parity_and_names_a_broken_checkpoint(tmp_path: Path) -> None:
    checkpoint = _save(tmp_path / "checkpoint.pt", THREE)
    command = [sys.executable, "-m", "maskinfer", "export"]
    done = subprocess.run([*command, checkpoint, tmp_path / "a.onnx"], capture_output=True, text=True, check=True)
    assert "largest difference from torch" in done.stdout
    assert done.stderr == ""
    checkpoint.write_text(json.dumps({"weights": 1}))
    broken = subprocess.run([*command, checkpoint, tmp_path / "b.onnx"], capture_output=True, text=True, check=False)
    assert broken.returncode == 2
    assert broken.stderr.startswith(f"Error: {checkpoint} is not a checkpoint")
    assert broken.stderr.count("\n") == 1

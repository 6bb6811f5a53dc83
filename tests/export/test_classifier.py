"""From a checkpoint to a file that the engine runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch")

from maskinfer.engine.contract import InputSpec  # noqa: E402
from maskinfer.engine.errors import ModelError, ParityError, RequestError  # noqa: E402
from maskinfer.engine.faces.classifier import load_classifier  # noqa: E402
from maskinfer.export.classifier import export_classifier, parity_with_torch  # noqa: E402
from maskinfer.export.torch_graph import MAX_DIFFERENCE, OPSET  # noqa: E402
from maskinfer.training.classifier.checkpoint import load_checkpoint, restore, save_checkpoint  # noqa: E402
from maskinfer.training.classifier.from_onnx import begin_from  # noqa: E402
from maskinfer.training.classifier.network import build, to_network_input  # noqa: E402
from maskinfer.training.classifier.recipe import Recipe, Sampling, from_dict, to_dict  # noqa: E402

pytestmark = pytest.mark.train

SIDE = 48
# The newest that onnxruntime 1.20 reads.
MAX_IR_VERSION = 10


def _recipe(head: str, labels: list[str], crop: dict[str, Any]) -> Recipe:
    return from_dict(
        {
            "name": "tiny",
            "labels": labels,
            "pictures": "faces",
            "size_px": SIDE,
            "seed": 0,
            "test_share": 0.0,
            "network": {"weights": "none", "head": head},
            "schedule": {"epochs": 1},
            "crop": crop,
        }
    )


def _crops(count: int) -> np.ndarray:
    """Return crops of various colours and textures, uint8 (N, SIDE, SIDE, 3)."""
    rng = np.random.default_rng(count)
    return (rng.uniform(0, 255, (count, 1, 1, 3)) * rng.uniform(0, 1, (count, SIDE, SIDE, 3))).astype(np.uint8)


def _save(file: Path, recipe: Recipe, degrade: float = 0.0) -> Path:
    """Write a checkpoint whose answers depend on the picture, with batch norms that are not the identity.

    The statistics are those of what flows through: with others the signal dies out on its way, every picture gets
    the same answer, and any graph agrees with any other.
    """
    torch.manual_seed(1)
    model = build(recipe.network, recipe.outputs)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(to_network_input(torch.from_numpy(_crops(64))))
        model.classifier[-1].weight.mul_(10)
        model.classifier[-1].bias.add_(degrade)
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
    crops = _crops(count)
    with torch.inference_mode():
        logits = restore(load_checkpoint(checkpoint))(to_network_input(torch.from_numpy(crops)))
    expected = torch.softmax(logits, 1).numpy()
    assert count == 1 or expected.std(0).min() > 0.02, "the answer has to depend on the picture"
    got = load_classifier(str(file))(crops)
    assert np.abs(got - expected).max() < 1e-4
    assert got.sum(1) == pytest.approx(1, abs=1e-5)


def test_the_contract_says_what_the_checkpoint_is(pair: tuple[Path, Path]) -> None:
    checkpoint, file = pair
    trained = load_checkpoint(checkpoint)
    contract = load_classifier(str(file)).contract
    assert (contract.name, contract.version, contract.labels) == ("tiny", "7", trained.recipe.labels)
    assert (contract.size_wh, contract.crop, contract.input) == ((SIDE, SIDE), trained.recipe.crop, InputSpec())
    assert contract.training_data == ("one", "two")
    assert contract.source_sha256 == trained.sha256
    assert contract.parity is not None
    assert 0 < contract.parity < 1e-4


def test_the_graph_is_one_lean_file(pair: tuple[Path, Path]) -> None:
    checkpoint, file = pair
    model = onnx.load(str(file), load_external_data=False)
    assert [opset.version for opset in model.opset_import] == [OPSET]
    assert model.ir_version <= MAX_IR_VERSION
    assert {tensor.data_location for tensor in model.graph.initializer} == {onnx.TensorProto.DEFAULT}
    kinds = {node.op_type for node in model.graph.node}
    assert kinds <= {"Transpose", "Cast", "Sub", "Conv", "Clip", "Add", "ReduceMean", "Gemm", "Relu", "Softmax"}
    held = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    assert 0 <= held - _folded_weights(checkpoint) <= 16, "weights twice, or not folded"
    assert file.stat().st_size < 4 * held + 60_000
    assert b"site-packages" not in file.read_bytes()


def test_halved_weights_halve_the_file_and_change_little(pair: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, file = pair
    half = tmp_path / "half.onnx"
    summary = export_classifier(checkpoint, half, half_weights=True)
    assert 0.45 < half.stat().st_size / file.stat().st_size < 0.6
    crops = np.random.default_rng(1).integers(0, 256, (4, 48, 48, 3), np.uint8)
    difference = np.abs(load_classifier(str(file))(crops) - load_classifier(str(half))(crops)).max()
    assert 0 < difference < 5e-2
    assert load_classifier(str(half)).contract.parity == summary.parity < 5e-2


FACES = from_dict(to_dict(THREE) | {"sampling": {"no_face_share": 0.1}})


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint that tells faces, and its export."""
    folder = tmp_path_factory.mktemp("telling")
    checkpoint = _save(folder / "checkpoint.pt", FACES)
    export_classifier(checkpoint, folder / "model.onnx", temperature=0.5)
    return checkpoint, folder / "model.onnx"


def test_a_second_output_tells_faces(telling: tuple[Path, Path]) -> None:
    checkpoint, file = telling
    crops = _crops(7)
    with torch.inference_mode():
        logits = restore(load_checkpoint(checkpoint))(to_network_input(torch.from_numpy(crops)))
    probabilities, faces, bare = load_classifier(str(file)).look(crops)
    assert faces is not None
    assert bare is None
    assert logits.shape == (7, 4)
    assert np.abs(probabilities - torch.softmax(logits[:, :3] / 0.5, 1).numpy()).max() < 1e-4
    assert np.abs(faces - torch.sigmoid(logits[:, 3]).numpy()).max() < 1e-4
    assert faces.std() > 0.01


def test_a_training_begins_from_an_export(telling: tuple[Path, Path]) -> None:
    checkpoint, file = telling
    crops = _crops(64)
    pixels = to_network_input(torch.from_numpy(crops))
    network = build(FACES.network, FACES.outputs)
    begin_from(network, file, FACES, crops)
    with torch.inference_mode():
        expected = restore(load_checkpoint(checkpoint))(pixels)
        assert torch.allclose(network.eval()(pixels), expected, atol=1e-3)
        deployed = network.features(pixels).mean((2, 3))
        # In training, too, it does on those pictures what it did: the batch norms have their statistics.
        trained = network.train().features(pixels).mean((2, 3))
    assert torch.allclose(deployed, trained, atol=2e-3)
    with pytest.raises(RequestError, match="is no classifier of with_mask, without_mask:"):
        begin_from(build(TWO.network, 2), file, TWO, crops)


def test_a_temperature_sharpens_the_probabilities(pair: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, file = pair
    sharp = tmp_path / "sharp.onnx"
    export_classifier(checkpoint, sharp, temperature=0.5)
    crops = np.random.default_rng(1).integers(0, 256, (4, 48, 48, 3), np.uint8)
    squared = load_classifier(str(file))(crops) ** 2
    classifier = load_classifier(str(sharp))
    assert np.abs(classifier(crops) - squared / squared.sum(1, keepdims=True)).max() < 1e-4
    assert classifier.contract.temperature == 0.5


def test_priors_weigh_the_probabilities(tmp_path: Path) -> None:
    recipe = _recipe("linear", ["a", "b", "c"], {})
    recipe = replace(recipe, sampling=Sampling(class_shares={"a": 0.6, "b": 0.2, "c": 0.2}))
    checkpoint = _save(tmp_path / "c.pt", recipe)
    plain, weighed = tmp_path / "plain.onnx", tmp_path / "weighed.onnx"
    priors = {"a": 2.0, "b": 1.0, "c": 1.0}
    export_classifier(checkpoint, plain, temperature=0.5)
    export_classifier(checkpoint, weighed, temperature=0.5, priors=priors)
    crops = np.random.default_rng(1).integers(0, 256, (4, 48, 48, 3), np.uint8)
    expected = load_classifier(str(plain))(crops) * (0.5 / 0.6, 0.25 / 0.2, 0.25 / 0.2)
    classifier = load_classifier(str(weighed))
    assert np.abs(classifier(crops) - expected / expected.sum(1, keepdims=True)).max() < 1e-4
    assert classifier.contract.priors == priors


@pytest.mark.parametrize("priors", [{"with_mask": 1.0}, {"a": 1.0, "b": 1.0}])
def test_priors_are_of_each_label(pair: tuple[Path, Path], tmp_path: Path, priors: dict[str, float]) -> None:
    with pytest.raises(RequestError, match="expected a share over 0 of each of"):
        export_classifier(pair[0], tmp_path / "x.onnx", priors=priors)


def test_priors_need_the_shares_of_the_training(pair: tuple[Path, Path], tmp_path: Path) -> None:
    labels = load_checkpoint(pair[0]).recipe.labels
    with pytest.raises(RequestError, match="does not say how often"):
        export_classifier(pair[0], tmp_path / "x.onnx", priors=dict.fromkeys(labels, 1.0))


def _folded_weights(checkpoint: Path) -> int:
    """Return how many numbers the convolutions and the head have once every batch norm is a bias."""
    layers = restore(load_checkpoint(checkpoint)).modules()
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    return sum(layer.weight.numel() + len(layer.weight) for layer in layers if isinstance(layer, kinds))


@pytest.mark.parametrize(
    ("tensor", "change"),
    [
        ("features.0.0.weight", lambda weight: weight[:, ::-1]),
        ("features.0.0.weight", lambda weight: weight * 1.01),
        ("mean_bgr", lambda mean: mean[:, ::-1]),
        ("features.5.conv.0.0.bias", lambda bias: bias * 0),
    ],
    ids=["colours swapped", "std 1 % off", "mean swapped", "batch norm lost"],
)
def test_parity_tells_a_wrong_graph(pair: tuple[Path, Path], tensor: str, change: Callable[..., np.ndarray]) -> None:
    checkpoint, file = pair
    model = onnx.load(str(file))
    weights = next(held for held in model.graph.initializer if held.name == tensor)
    weights.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(weights))), tensor))
    assert parity_with_torch(model.SerializeToString(), load_checkpoint(checkpoint), 1.0) > 10 * MAX_DIFFERENCE


def test_weights_that_do_not_survive_the_export_are_not_written(tmp_path: Path) -> None:
    checkpoint = _save(tmp_path / "checkpoint.pt", THREE, degrade=float("nan"))
    with pytest.raises(ParityError, match="is not written"):
        export_classifier(checkpoint, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_that_would_make_no_contract_is_refused(tmp_path: Path) -> None:
    checkpoint = _save(tmp_path / "checkpoint.pt", TWO)
    content = torch.load(checkpoint, weights_only=True)
    content["recipe"]["labels"] = ["with_mask", "with_mask"]
    torch.save(content, checkpoint)
    with pytest.raises(ModelError, match="expected at least two different names"):
        export_classifier(checkpoint, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_weights_of_another_recipe_are_named(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    save_checkpoint(checkpoint, THREE, build(TWO.network, 2).state_dict(), ())
    with pytest.raises(ModelError, match="weights do not fit its recipe"):
        export_classifier(checkpoint, tmp_path / "model.onnx")


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

"""Training for real, of small networks on pictures whose class is their colour."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torchvision.models import mobilenet_v2  # noqa: E402

from maskinfer.engine.errors import MaskinferError, ModelError, OutputError, RequestError  # noqa: E402
from maskinfer.export.classifier import export_classifier  # noqa: E402
from maskinfer.training.classifier.checkpoint import load_checkpoint, restore  # noqa: E402
from maskinfer.training.classifier.from_onnx import exported_network  # noqa: E402
from maskinfer.training.classifier.network import to_network_input  # noqa: E402
from maskinfer.training.classifier.prune import slim  # noqa: E402
from maskinfer.training.classifier.train import train  # noqa: E402
from tests.helpers.progress import Watcher  # noqa: E402

pytestmark = pytest.mark.train

RECIPE = """
name = "tiny"
labels = ["with_mask", "without_mask"]
pictures = "whole"
size_px = 32
seed = 3
test_share = 0.25
split = "random"
[network]
weights = "none"
frozen_blocks = 0
[schedule]
epochs = 3
batch = 8
learning_rate = 3e-3
average_decay = 0.5
[augmentation]
kind = "lecture"
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for label, colour in (("with_mask", (200, 120, 40)), ("without_mask", (60, 110, 190))):
        (folder / label).mkdir()
        for n in range(32):
            picture = np.clip(rng.normal(colour, 25, (40, 36, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / label / f"{n}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(scope="module")
def run(pictures: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "one"
    train(str(recipe), [pictures], out)
    return out


def test_the_run_folder_holds_what_it_should(run: Path) -> None:
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in metrics] == [1, 2, 3]
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    sides = json.loads((run / "split.json").read_text())
    assert len(sides["train"]) == 48
    assert len(sides["test"]) == 16
    assert not set(sides["train"]) & set(sides["test"])
    report = json.loads((run / "report.json").read_text())
    assert report["with_mask"]["support"] == 8
    assert report["accuracy"] == pytest.approx(metrics[-1]["test_accuracy"])
    assert "macro avg" in (run / "report.txt").read_text()
    assert json.loads((run / "recipe.json").read_text())["name"] == "tiny"
    ran_on = json.loads((run / "environment.json").read_text())
    assert torch.__version__.startswith(ran_on["torch"])
    assert "processor" in ran_on
    given = json.loads((run / "inputs.json").read_text())
    assert (len(given["data"]), given["dev"], given["teachers"]) == (1, [], [])
    for picture in ("curves.png", "confusion.png"):
        assert cv2.imread(str(run / picture)) is not None


def test_the_checkpoint_is_the_network_that_was_reported_on(run: Path, pictures: Path) -> None:
    checkpoint = load_checkpoint(run / "checkpoint.pt")
    model = restore(checkpoint)
    tested = json.loads((run / "split.json").read_text())["test"]
    right = 0
    for path in tested:
        picture = cv2.resize(cv2.imread(path), (32, 32), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            best = int(model(to_network_input(torch.from_numpy(picture[None]))).argmax())
        right += checkpoint.recipe.labels[best] == Path(path).parent.name
    assert right / len(tested) == pytest.approx(json.loads((run / "report.json").read_text())["accuracy"])


def test_equal_seeds_train_equal_networks(run: Path, pictures: Path, recipe: Path, tmp_path: Path) -> None:
    train(str(recipe), [pictures], tmp_path / "again")
    train(str(recipe), [pictures], tmp_path / "other", seed=4)
    one, again, other = (load_checkpoint(folder / "checkpoint.pt").weights for folder in
                         (run, tmp_path / "again", tmp_path / "other"))  # fmt: skip
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(
    run: Path, pictures: Path, recipe: Path, tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(str(recipe), [pictures], tmp_path / "run", progress=Watcher(on_say=stop))
    torch.rand(5)
    train(str(recipe), [pictures], tmp_path / "run", resume=True)
    one, other = (load_checkpoint(folder / "checkpoint.pt").weights for folder in (run, tmp_path / "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 3
    assert not (tmp_path / "run/progress.pt").exists()


def test_one_that_was_stopped_before_an_epoch_was_over_begins_anew(
    run: Path, pictures: Path, recipe: Path, tmp_path: Path
) -> None:
    def stop_at_the_fourth_step() -> None:
        if (watcher.totals[-1], watcher.counts[-1]) == (18, 4):
            raise KeyboardInterrupt

    watcher = Watcher(on_advance=stop_at_the_fourth_step)

    with pytest.raises(KeyboardInterrupt):
        train(str(recipe), [pictures], tmp_path / "run", progress=watcher)
    assert not (tmp_path / "run/progress.pt").exists()
    train(str(recipe), [pictures], tmp_path / "run", resume=True)
    one, other = (load_checkpoint(folder / "checkpoint.pt").weights for folder in (run, tmp_path / "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_one_that_was_stopped_while_it_read_begins_anew(pictures: Path, recipe: Path, tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(str(recipe), [pictures], tmp_path / "run", progress=Watcher(on_advance=stop))
    assert list((tmp_path / "run").iterdir()) == []
    with pytest.raises(KeyboardInterrupt):  # in its first epoch: it began
        train(str(recipe), [pictures], tmp_path / "run", progress=Watcher(on_say=lambda line: stop()), resume=True)


def test_figures_are_there_after_each_epoch(pictures: Path, recipe: Path, tmp_path: Path) -> None:
    seen = []

    def look(line: str) -> None:
        seen.append(len((tmp_path / "run/metrics.jsonl").read_text().splitlines()))
        assert cv2.imread(str(tmp_path / "run/curves.png")) is not None
        if line.startswith("epoch 2:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(str(recipe), [pictures], tmp_path / "run", progress=Watcher(on_say=look))
    assert seen == [1, 2]


def test_only_the_same_training_is_gone_on_with(run: Path, pictures: Path, recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds no training to go on with"):
        train(str(recipe), [pictures], run, resume=True)
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "progress.pt").touch()
    with pytest.raises(RequestError, match=r"recipe.json is not what this training has"):
        train(str(recipe), [pictures], copy, seed=4, resume=True)
    with pytest.raises(RequestError, match=r"inputs.json is not what this training has"):
        train(str(recipe), [pictures], copy, dev=[pictures], resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").touch()
    with pytest.raises(RequestError, match="holds no training to go on with"):
        train(str(recipe), [pictures], tmp_path / "mine", resume=True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_it_stops_early_and_keeps_the_best_epoch(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "long.toml"
    file.write_text(RECIPE.replace("epochs = 3", "epochs = 12"))
    train(str(file), [pictures], tmp_path / "run", dev=[pictures], patience=1)
    metrics = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    losses = [epoch["test_loss"] for epoch in metrics]
    assert len(losses) == 12 or losses[-1] > min(losses) == losses[-2]
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert report["accuracy"] == pytest.approx(metrics[losses.index(min(losses))]["test_accuracy"])
    assert report["with_mask"]["support"] == 32


def test_stopping_early_needs_pictures_kept_out(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(RECIPE.replace("test_share = 0.25", "test_share = 0.0"))
    with pytest.raises(RequestError, match="keeps no pictures out to stop early by: give --dev"):
        train(str(file), [pictures], tmp_path / "run", patience=2)
    assert not (tmp_path / "run").exists()


def test_a_narrower_network_learns_from_a_wider_one(run: Path, pictures: Path, recipe: Path, tmp_path: Path) -> None:
    file = tmp_path / "narrow.toml"
    file.write_text(RECIPE.replace("frozen_blocks = 0", "width = 0.5").replace("epochs = 3", "epochs = 1"))
    train(str(file), [pictures], tmp_path / "run", teachers=[run / "checkpoint.pt"])
    assert (tmp_path / "run/checkpoint.pt").stat().st_size < 0.4 * (run / "checkpoint.pt").stat().st_size
    with pytest.raises(RequestError, match="cannot teach the recipe tiny"):
        train(
            str(recipe),
            [pictures],
            tmp_path / "other",
            teachers=[run / "checkpoint.pt", tmp_path / "run/checkpoint.pt"],
        )


def test_an_exported_network_teaches_as_its_checkpoint_does(run: Path, pictures: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.onnx"
    export_classifier(run / "checkpoint.pt", teacher, temperature=0.7)
    trained = load_checkpoint(run / "checkpoint.pt")
    network, width, _ = exported_network(teacher, trained.recipe)
    crops = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(network(crops), restore(trained)(crops), atol=1e-4)
    assert width == 1.0
    file = tmp_path / "narrow.toml"
    file.write_text(RECIPE.replace("frozen_blocks = 0", "width = 0.5").replace("epochs = 3", "epochs = 1"))
    train(str(file), [pictures], tmp_path / "run", teachers=[teacher])
    with pytest.raises(RequestError, match="is no classifier of without_mask"):
        exported_network(teacher, replace(trained.recipe, labels=("without_mask", "with_mask")))


@pytest.mark.parametrize("given", ["start", "teachers"])
def test_what_begins_as_another_network_fetches_no_weights(
    given: str, run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    exported, file = tmp_path / "exported.onnx", tmp_path / "imagenet.toml"
    export_classifier(run / "checkpoint.pt", exported)
    file.write_text(RECIPE.replace('weights = "none"', 'weights = "imagenet"'))
    options = {"start": exported} if given == "start" else {"teachers": [exported]}
    train(str(file), [pictures], tmp_path / "run", epochs=1, **options)  # type: ignore[arg-type]
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
    assert not (tmp_path / "hub").exists()


def test_slimming_to_the_same_width_changes_nothing() -> None:
    torch.manual_seed(0)
    one, other = mobilenet_v2().eval(), mobilenet_v2().eval()
    slim(one, other)
    pictures = torch.rand(2, 3, 64, 64)
    assert torch.equal(one.features(pictures), other.features(pictures))


def test_slimming_keeps_the_channels_that_matter() -> None:
    """A network whose other channels are dead is its slimmed self."""
    torch.manual_seed(0)
    narrow = mobilenet_v2(width_mult=0.5).eval()
    wide = mobilenet_v2().eval()
    slimmed = mobilenet_v2(width_mult=0.5).eval()
    for module in wide.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.zeros_(module.weight)
    _embed(narrow, wide)
    slim(wide, slimmed)
    pictures = torch.rand(2, 3, 64, 64)
    assert torch.allclose(narrow.features(pictures), slimmed.features(pictures), atol=1e-5)


def _embed(narrow: torch.nn.Module, wide: torch.nn.Module) -> None:
    """Lay a network into the first channels of a wider one."""
    with torch.no_grad():
        for name, value in narrow.features.state_dict().items():
            target = wide.features.state_dict()[name]
            target[tuple(slice(0, n) for n in value.shape)] = value


def test_a_used_run_folder_is_left_alone(run: Path, pictures: Path, recipe: Path) -> None:
    before = (run / "checkpoint.pt").read_bytes()
    with pytest.raises(OutputError, match="is not empty"):
        train(str(recipe), [pictures], run)
    assert (run / "checkpoint.pt").read_bytes() == before


def test_a_label_without_pictures_is_refused(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "three.toml"
    file.write_text(RECIPE.replace('"without_mask"]', '"without_mask", "incorrect_mask"]'))
    with pytest.raises(RequestError, match="no picture carries the label incorrect_mask"):
        train(str(file), [pictures], tmp_path / "run")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x80\x04K\x01."])
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="is not a checkpoint") as caught:
        load_checkpoint(file)
    assert "\n" not in str(caught.value)


def test_a_run_that_fails_blocks_no_other(pictures: Path, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (tmp_path / "none.onnx").write_bytes(b"")
    with pytest.raises(MaskinferError):
        train(str(recipe), [pictures], out, start=tmp_path / "none.onnx")
    assert not out.exists()
    train(str(recipe), [pictures], out, epochs=1)
    assert (out / "checkpoint.pt").is_file()

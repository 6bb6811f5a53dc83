"""Fine-tuning of the shipped classifiers: rebuilt from their files, tuned on a few pictures, written back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from maskinfer.engine.catalog.find import find_model  # noqa: E402
from maskinfer.engine.catalog.lineage import read_lineage  # noqa: E402
from maskinfer.engine.errors import ModelError, RequestError  # noqa: E402
from maskinfer.engine.faces.classifier import load_classifier  # noqa: E402
from maskinfer.engine.faces.crop import cut_crops  # noqa: E402
from maskinfer.engine.files.images import read_image  # noqa: E402
from maskinfer.engine.results import LABELS, BGRFrame  # noqa: E402
from maskinfer.export.parity import open_graph, sample_pictures  # noqa: E402
from maskinfer.training.classifier.tuning.graph import GraphNetwork, load_network, read_graph, with_weights  # noqa: E402
from maskinfer.training.classifier.tuning.loop import offsets_of  # noqa: E402
from maskinfer.training.classifier.tuning.run import peak_bytes, tune  # noqa: E402
from maskinfer.training.classifier.tuning.schedule import plan  # noqa: E402
from maskinfer.training.classifier.tuning.widen import widened  # noqa: E402
from tests.commands.test_run import check_error, maskinfer  # noqa: E402
from tests.helpers.progress import Watcher  # noqa: E402

pytestmark = pytest.mark.train

SMALL = "mobilenetv2-small-112"


@pytest.fixture(scope="module")
def site(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place whose people wear blue masks that nobody else would call so: the whole picture is blue."""
    folder = tmp_path_factory.mktemp("site")
    rng = np.random.default_rng(0)
    lines = []
    for number in range(24):
        label = LABELS[number % 2]
        picture = np.clip(portrait + rng.normal(0, 8, portrait.shape), 0, 255).astype(np.uint8)
        if label == "with_mask":
            picture[..., 1:] //= 4
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)
        face = {"bbox": [175, 60, 280, 200], "label": label}
        lines.append({"image": f"{number}.jpg", "set": "site", "width": 512, "height": 512, "faces": [face]})
    (folder / "scenes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def run(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "site"
    watcher = Watcher()
    dev = Path(shutil.copytree(site, tmp_path_factory.mktemp("dev") / "dev"))
    summary = tune(SMALL, [site], out, keep=0.0, dev=[dev], progress=watcher)
    assert "24 of 24 pictures to test on have a relative in --data" in watcher.lines, "they are the same pictures"
    assert any("copies of each other" in line for line in watcher.lines)
    assert summary.faces == 24
    assert summary.accuracy is not None
    before, now = summary.accuracy
    assert before < 0.6, "the shipped model takes a blue face for a bare one"
    assert now > 0.9
    assert f"right: {before:.4f} before, {now:.4f} now" in str(summary)
    return out


@pytest.mark.parametrize("name", ["mobilenetv2-128", SMALL])
def test_a_shipped_model_is_rebuilt_with_the_same_probabilities(name: str) -> None:
    file = find_model(name, "classifier")
    network, session = load_network(file), open_graph(file.read_bytes())
    side = network.contract.size_wh[0]
    pictures = sample_pictures(5, (side, side))
    outputs = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"bgr": pictures}), strict=True))
    with torch.inference_mode():
        said = network(torch.from_numpy(pictures))
    assert np.abs(said.logits.softmax(1).numpy() - outputs["probabilities"]).max() < 1e-5
    assert set(said.others) == set(outputs) - {"probabilities"}
    for other, logits in said.others.items():
        assert np.abs(logits.sigmoid().numpy() - outputs[other]).max() < 1e-5


def test_weights_go_back_into_the_file_they_came_from() -> None:
    file = find_model(SMALL, "classifier")
    graph, network = read_graph(file), load_network(file)
    assert with_weights(graph, network).SerializeToString() == graph.SerializeToString()
    with torch.no_grad():
        network.weights[-1].add_(torch.tensor([3.0, 0, 0, 0][: len(network.weights[-1])]))
    changed = open_graph(with_weights(graph, network).SerializeToString())
    pictures = sample_pictures(4, (112, 112))
    with torch.inference_mode():
        expected = network(torch.from_numpy(pictures)).logits.softmax(1).numpy()
    assert np.abs(changed.run(["probabilities"], {"bgr": pictures})[0] - expected).max() < 1e-3


def test_a_tuned_model_is_a_model_like_any_other(run: Path, site: Path) -> None:
    old, new = (load_classifier(str(name)).contract for name in (SMALL, run / "model.onnx"))
    assert new.name == f"{old.name}-tuned"
    assert (new.labels, new.crop, new.face_check, new.tells_bare) == (
        old.labels,
        old.crop,
        old.face_check,
        old.tells_bare,
    )
    assert new.error_thresholds == (), "they have to be measured anew"
    assert set(old.training_data) < set(new.training_data)
    lineage = read_lineage(run / "model.onnx")
    assert (lineage["parent"], lineage["faces"], lineage["keep"]) == (SMALL, 24, 0.0)
    assert lineage["data"][0]["folder"] == str(site)
    done = maskinfer("image", site / "0.jpg", "--classifier", run / "model.onnx", "--jsonl", "-")
    assert json.loads(done.stdout)["faces"][0]["label"] == "with_mask"


def test_what_was_answered_to_be_no_face_is_learnt(portrait: BGRFrame, tmp_path: Path) -> None:
    site, lines = tmp_path / "site", []
    site.mkdir()
    poster = portrait[:, ::-1].copy()
    poster[..., 1:] //= 2  # a bluish one, beside somebody who is there
    rng = np.random.default_rng(0)
    for number in range(12):
        picture = np.clip(np.hstack([portrait, poster]) + rng.normal(0, 8, (512, 1024, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(site / f"{number}.jpg"), cv2.resize(picture, (1280, 640)))
        face = {"bbox": [219, 75, 350, 250], "label": LABELS[number % 2]}
        lines.append({"image": f"{number}.jpg", "set": "site", "width": 1280, "height": 640, "faces": [face]})
    (site / "scenes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tune(SMALL, [site], tmp_path / "run", keep=0.0)
    lineage = read_lineage(tmp_path / "run/model.onnx")
    assert (lineage["faces"], lineage["no_faces"]) == (12, 12)

    def says_face(model: str) -> list[float]:
        contract = (classifier := load_classifier(model)).contract
        boxes = np.array([[219, 75, 350, 250], [930, 75, 1061, 250]], np.float32)
        crops = cut_crops(read_image(site / "0.jpg"), boxes, contract.crop, contract.size_wh)
        face = classifier.look(crops).face
        assert face is not None
        return [float(score) for score in face]

    before, now = says_face(SMALL), says_face(str(tmp_path / "run/model.onnx"))
    assert min(before) > 0.8, "the shipped model takes both for faces"
    assert now[0] > 0.9
    assert now[1] < before[1] - 0.1, "it is learnt, from a dozen pictures of it"


def test_equal_seeds_tune_equal_models(run: Path, site: Path, tmp_path: Path) -> None:
    tune(SMALL, [site], tmp_path / "again", keep=0.0)
    assert (tmp_path / "again/model.onnx").read_bytes() == (run / "model.onnx").read_bytes()


def test_the_plan_fits_the_amount_of_data() -> None:
    contract = load_classifier(SMALL).contract
    steps = [plan(contract, faces, 0.5, 0).steps for faces in (10, 50, 150, 500, 100_000)]
    assert steps == sorted(steps)
    assert steps[0] >= 20
    assert steps[-1] <= 250
    with pytest.raises(RequestError, match="keep is 1"):
        plan(contract, 10, 1.0, 0)


def test_memory_is_not_told_too_low() -> None:
    before = peak_bytes()
    held = np.ones(40_000_000, np.uint8)
    after = peak_bytes()
    assert before is not None
    assert after is not None
    assert after >= held.nbytes
    assert after >= before


def test_what_cannot_be_tuned(site: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not one in int8"):
        tune(f"{SMALL}-int8", [site], tmp_path / "out")
    few = tmp_path / "few"
    few.mkdir()
    lines = (site / "scenes.jsonl").read_text().splitlines()[:4]
    (few / "scenes.jsonl").write_text("\n".join(lines).replace('"image": "', f'"image": "{site}/'))
    with pytest.raises(RequestError, match="too little to learn from"):
        tune(SMALL, [few], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_that_do_not_go_together(site: Path, tmp_path: Path) -> None:
    arguments = ("train", "--data", site, "--out", tmp_path / "out")
    check_error(maskinfer(*arguments, "--keep", "0.5"), 2, "name it with --start")
    check_error(maskinfer(*arguments, "--rehearse", site), 2, "--rehearse", "a --start model")
    given = ("--start", SMALL, "--keep", "0.5", "--epochs", "3")
    check_error(maskinfer(*arguments, *given), 2, "--epochs would do nothing: with --keep no recipe is used")


@pytest.mark.parametrize("name", ["mobilenetv2-128", SMALL])
def test_a_label_that_is_added_changes_nothing_of_the_others(name: str) -> None:
    file = find_model(name, "classifier")
    graph, network = read_graph(file), load_network(file)
    wider = GraphNetwork(widened(graph, network.contract, ["visor", "n95"]), "wider")
    side = network.contract.size_wh[0]
    pictures = torch.from_numpy(sample_pictures(5, (side, side)))
    with torch.inference_mode():
        before, now = network(pictures), wider(pictures)
    assert wider.contract.labels == (*LABELS, "visor", "n95")
    assert wider.contract.priors == {}
    assert torch.allclose(before.logits, now.logits[:, :3])
    assert float(now.logits.softmax(1)[:, 3:].max()) < 0.2
    for other, logits in before.others.items():
        assert torch.allclose(logits, now.others[other])
    session = open_graph(widened(graph, network.contract, ["visor", "n95"]).SerializeToString())
    assert session.get_outputs()[0].shape[1] == 5
    assert session.run(None, {"bgr": pictures.numpy()})[0].shape == (5, 5)


@pytest.mark.parametrize("label", ["with_mask", "uncertain", "", "a/b"])
def test_labels_that_cannot_be_added(label: str) -> None:
    file = find_model(SMALL, "classifier")
    with pytest.raises(RequestError, match="--label"):
        widened(read_graph(file), load_network(file).contract, [label])


def test_how_often_a_label_is_drawn_is_not_learnt() -> None:
    labels = np.repeat([0, 1], [90, 10])
    common, rare, none, new = offsets_of(labels, 4).tolist()
    # Drawn by the roots of their numbers: three to one, where the place shows nine to one.
    assert np.exp([common, rare]) == pytest.approx([0.75 / 0.9, 0.25 / 0.1])
    assert (none, new) == (0.0, 0.0)
    assert offsets_of(np.repeat([0, 1, 3], 8), 4).abs().max() < 1e-6


@pytest.fixture(scope="module")
def visors(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two kinds beside those of the site: green faces, called visor, and a red one, called a mask worn badly."""
    folder = Path(shutil.copytree(site, tmp_path_factory.mktemp("visors") / "visors"))
    lines = [json.loads(line) for line in (folder / "scenes.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines[::3]):
        picture = cv2.imread(str(folder / line["image"]))
        picture[..., ::2] //= 5
        line["image"], line["faces"][0]["label"] = f"visor-{number}.jpg", "visor"
        cv2.imwrite(str(folder / line["image"]), picture)
    picture = cv2.imread(str(folder / lines[-1]["image"]))
    picture[..., :2] //= 5
    cv2.imwrite(str(folder / lines[-1]["image"]), picture)
    lines[-1]["faces"][0]["label"] = "incorrect_mask"
    (folder / "scenes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module", params=["mobilenetv2-128", SMALL])
def with_visor(request: pytest.FixtureRequest, visors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "visor"
    if request.param == SMALL:
        options = ("--start", SMALL, "--data", visors, "--label", "visor", "--out", out)
        done = maskinfer("train", *options, most_s=600)
        assert done.returncode == 0, done.stderr
    else:
        tune(request.param, [visors], out, added=["visor"])
    return out / "model.onnx"


def test_a_label_of_ones_own_is_learnt_and_told_by_every_command(
    with_visor: Path, visors: Path, tmp_path: Path
) -> None:
    assert load_classifier(str(with_visor)).contract.labels == (*LABELS, "visor")
    assert read_lineage(with_visor)["added"] == ["visor"]
    jsonl, csv = tmp_path / "out.jsonl", tmp_path / "out.csv"
    options = ("--classifier", with_visor, "--jsonl", jsonl, "--csv", csv, "-o", tmp_path / "drawn")
    done = maskinfer("image", visors, *options)
    assert done.returncode == 0, done.stderr
    records = {Path(r["source"]).name: r for r in map(json.loads, jsonl.read_text().splitlines())}
    shown = [r["faces"][0] for name, r in records.items() if name.startswith("visor-") and r["faces"]]
    assert len(shown) >= 6
    assert sum(face["label"] == "visor" for face in shown) >= 0.8 * len(shown)
    assert all(set(face["scores"]) == {*LABELS, "visor"} for face in shown)
    header = csv.read_text().splitlines()[0].split(",")
    assert header[header.index("incorrect_mask") + 1] == "visor"
    figures = tmp_path / "figures.json"
    done = maskinfer("evaluate", with_visor, "--data", visors, "--json", figures)
    assert done.returncode == 0, done.stderr
    assert "visor" in done.stdout
    assert json.loads(figures.read_text())["all"]["classes"]["visor"]["faces"] == 8
    done = maskinfer("compare", SMALL, with_visor, "--data", visors)
    assert done.returncode == 0, done.stderr
    assert "visor" in done.stdout


def test_how_frequent_a_label_of_ones_own_is_can_be_said(with_visor: Path, tmp_path: Path) -> None:
    priors = load_classifier(str(with_visor)).contract.priors
    assert sum(priors.values()) == pytest.approx(1)
    assert priors["visor"] == pytest.approx(8 / 24, abs=0.05)
    given = [part for label in LABELS for part in ("--prior", f"{label}={priors[label]}")]
    done = maskinfer("calibrate", with_visor, tmp_path / "rarer.onnx", *given, "--prior", "visor=0.0001")
    assert done.returncode == 0, done.stderr
    side = load_classifier(str(with_visor)).contract.size_wh
    before, now = (
        load_classifier(str(file)).look(sample_pictures(5, side)).probabilities[:, 3]
        for file in (with_visor, tmp_path / "rarer.onnx")
    )
    assert (now < before / 100).all()


def test_a_new_label_that_no_picture_shows(site: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="shows no face with the new label n95"):
        tune(SMALL, [site], tmp_path / "out", added=["n95"])
    assert not (tmp_path / "out").exists()
    done = maskinfer("train", "--data", site, "--label", "visor", "--out", tmp_path / "out")
    check_error(done, 2, "--label", "a --start model")

"""Training of the detector for real: a few steps on pictures of discs that are said to be faces."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch")

from maskinfer.engine.catalog.find import find_model  # noqa: E402
from maskinfer.engine.errors import ModelError, OutputError, ParityError, RequestError, SourceError, SourceNotFoundError  # noqa: E402
from maskinfer.engine.faces.boxes import iou_matrix  # noqa: E402
from maskinfer.engine.faces.detector import load_detector  # noqa: E402
from maskinfer.engine.results import BGRFrame  # noqa: E402
from maskinfer.export.detector import export_detector, parity_with_torch  # noqa: E402
from maskinfer.export.verify.run import verify  # noqa: E402
from maskinfer.training.detector import windows as samples  # noqa: E402
from maskinfer.training.detector.checkpoint import load_checkpoint, restore, save_checkpoint  # noqa: E402
from maskinfer.training.detector.dataset import load_pictures  # noqa: E402
from maskinfer.training.detector.labels import read_labels  # noqa: E402
from maskinfer.training.detector.model import RetinaFace, to_detector_input  # noqa: E402
from maskinfer.training.detector.recipe import DetectorRecipe, from_dict, load_detector_recipe  # noqa: E402
from maskinfer.training.detector.state import begin  # noqa: E402
from maskinfer.training.detector.train import fit, train_detector  # noqa: E402
from maskinfer.training.detector.weights import load_weights  # noqa: E402
from tests.helpers.progress import Watcher  # noqa: E402

pytestmark = pytest.mark.train

FACE_XYXY = (178, 57, 273, 177)
"""Of the portrait."""
RECIPE = DetectorRecipe(
    "tiny",
    seed=3,
    size_px=128,
    steps=16,
    batch=4,
    learning_rate=2e-3,
    shares={"scenes": 0.7, "bare": 0.1, "drawn": 0.1, "crops": 0.1},
    crop_sets=("crops",),
    average_decay=0.5,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, portrait: BGRFrame) -> Path:
    """Two annotated scenes of discs, the portrait as a bare scene, its face as a crop, and a crop without a face."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    scenes = []
    for n in range(2):
        image = rng.integers(0, 60, (160, 160, 3), np.uint8)
        faces = []
        for x, y, r in ((45, 50, 24), (115, 105, 30 - 8 * n)):
            cv2.circle(image, (x, y), r, (40, 200, 250), -1)
            faces.append({"bbox": [x - r, y - r, x + r, y + r], "label": "with_mask"})
        cv2.imwrite(str(folder / f"discs{n}.png"), image)
        scenes.append({"image": f"discs{n}.png", "set": "discs", "width": 160, "height": 160, "faces": faces})
    cv2.imwrite(str(folder / "bare.png"), portrait)
    left, top, right, bottom = FACE_XYXY
    cv2.imwrite(str(folder / "crop.png"), portrait[top - 40 : bottom + 40, left - 40 : right + 40])
    cv2.imwrite(str(folder / "empty.png"), np.full((90, 90, 3), 90, np.uint8))
    crops = [{"image": name, "set": "crops", "label": "with_mask"} for name in ("crop.png", "empty.png")]
    crops += [{"image": "crop.png", "set": "other", "label": "with_mask"}]
    bare = [{"image": "bare.png", "set": "bare", "every_face": "without_mask"}]
    for name, records in (("scenes", scenes), ("crops", crops), ("scenes_bare", bare)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "one"
    summary = train_detector(RECIPE, [data], out)
    assert summary.samples == 64
    assert str(out) in str(summary)
    return out


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    summary = export_detector(run / "checkpoint.pt", run.parent / "one.onnx", name="discs")
    assert summary.parity <= 1e-4
    return summary.out


def test_the_training_learns_and_says_so(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 17))
    assert np.mean([line["loss"] for line in lines[-4:]]) < 0.7 * np.mean([line["loss"] for line in lines[:4]])
    assert json.loads((run / "recipe.json").read_text())["name"] == "tiny"
    assert json.loads((run / "environment.json").read_text())["weights"] == "retinaface-mnet025.onnx"
    assert load_checkpoint(run / "checkpoint.pt").training_data == ("bare", "crops", "discs")


def test_equal_seeds_train_equal_detectors_and_labels_can_be_used_again(run: Path, tmp_path: Path) -> None:
    train_detector(RECIPE, [], tmp_path / "again", labels=run / "labels.jsonl")
    one, again = (load_checkpoint(folder / "checkpoint.pt").weights for folder in (run, tmp_path / "again"))
    assert all(torch.equal(one[name], again[name]) for name in one)


def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(run: Path, data: Path, tmp_path: Path) -> None:
    def stop(line: str) -> None:
        if line.startswith("step 6:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_detector(RECIPE, [data], tmp_path / "run", progress=Watcher(on_say=stop))
    assert not (tmp_path / "run/checkpoint.pt").exists()
    with pytest.raises(RequestError, match=r"recipe\.json is not what this training has"):
        train_detector(replace(RECIPE, seed=99), [data], tmp_path / "run", resume=True)
    watcher = Watcher()
    train_detector(RECIPE, [data], tmp_path / "run", resume=True, progress=watcher)
    assert [line.split(":")[0] for line in watcher.lines] == [f"step {step}" for step in range(7, 17)]
    assert (watcher.totals[-1], watcher.counts[-1]) == (16, 16)
    whole, resumed = (load_checkpoint(folder / "checkpoint.pt").weights for folder in (run, tmp_path / "run"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    metrics = [json.loads(line)["step"] for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert metrics == list(range(1, 17))
    assert not (tmp_path / "run/progress.pt").exists()
    with pytest.raises(RequestError, match="holds no training to go on with"):
        train_detector(RECIPE, [data], tmp_path / "run", resume=True)


def test_the_exported_file_is_the_network_that_was_trained(run: Path, exported: Path, data: Path) -> None:
    detector = load_detector(str(exported), det_size_wh=(160, 160))
    contract = detector.contract
    assert (contract.name, contract.kind, contract.batch, contract.fixed_size) == ("discs", "retinaface", True, False)
    assert contract.source_sha256 == load_checkpoint(run / "checkpoint.pt").sha256
    model = restore(load_checkpoint(run / "checkpoint.pt"))
    frames = np.random.default_rng(1).integers(0, 256, (3, 96, 160, 3), np.uint8)
    with torch.inference_mode():
        boxes, logits, points = model(to_detector_input(torch.from_numpy(frames)))
    expected = boxes, torch.softmax(logits, 2), points
    for ours, theirs in zip(detector.session.run(None, {"bgr": frames}), expected, strict=True):
        assert np.abs(ours - theirs.numpy()).max() < 1e-4
    found = detector([cv2.imread(str(data / "bare.png"))])[0]
    assert found.landmarks is not None
    assert found.landmarks.shape == (len(found), 5, 2)


def test_torch_says_what_the_other_runtimes_say(run: Path, exported: Path) -> None:
    pytest.importorskip("onnx.reference")
    found = {verdict.runtime.split()[0]: verdict for verdict in verify(str(exported), checkpoint=run / "checkpoint.pt")}
    assert found["torch"].agrees
    assert found["torch"].agreement == 1
    assert 0 < load_detector(str(exported)).contract.parity <= 1e-4  # type: ignore[operator]


def test_before_any_training_the_export_is_the_shipped_detector(portrait: BGRFrame, tmp_path: Path) -> None:
    shipped = find_model("retinaface", "detector")
    save_checkpoint(tmp_path / "start.pt", RECIPE, load_weights(shipped), ())
    export_detector(tmp_path / "start.pt", tmp_path / "start.onnx")
    frames = portrait[None, :480, :512]
    ours, theirs = (
        ort.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"bgr": frames})
        for file in (tmp_path / "start.onnx", shipped)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(a - b).max() < 1e-4


def test_a_broken_network_is_not_exported(tmp_path: Path) -> None:
    model = RetinaFace()
    torch.nn.init.constant_(model.logits[0].bias, torch.nan)
    save_checkpoint(tmp_path / "broken.pt", RECIPE, model, ())
    with pytest.raises(ParityError):
        export_detector(tmp_path / "broken.pt", tmp_path / "broken.onnx")
    assert not (tmp_path / "broken.onnx").exists()
    with pytest.raises(RequestError):
        export_detector(tmp_path / "broken.pt", tmp_path / "broken.pt")


def test_the_teacher_labels_what_nobody_annotated(run: Path) -> None:
    known = read_labels(run / "labels.jsonl")
    assert [picture.kind for picture in known] == ["scenes", "scenes", "bare", "crops"]
    face = np.array([FACE_XYXY], np.float32)
    bare, crop = known[2], known[3]
    assert iou_matrix(bare.xyxy, face).tolist()[0][0] > 0.8
    assert (bare.masked, crop.masked) == ((False,), (True,))
    left_eye, right_eye, nose, left_mouth, right_mouth = bare.landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    shift = np.array([FACE_XYXY[0] - 40, FACE_XYXY[1] - 40], np.float32)
    assert np.abs(crop.landmarks[0] + shift - bare.landmarks[0]).max() < 6
    assert np.isnan(known[0].landmarks).all()


def test_samples_are_of_the_right_size_and_whole(data: Path, run: Path) -> None:
    pictures = load_pictures(read_labels(run / "labels.jsonl"), RECIPE)
    assert {kind: len(group) for kind, group in pictures.items()} == {"scenes": 2, "bare": 1, "drawn": 1, "crops": 1}
    for n in range(30):
        sample = samples.draw_sample(pictures, RECIPE, np.random.default_rng(n))
        assert sample.image.shape == (128, 128, 3)
        assert len(sample.xyxy) == len(sample.landmarks)
        assert (sample.xyxy >= 0).all()
        assert (sample.xyxy <= 128).all()
        assert ((sample.xyxy[:, 2:] - sample.xyxy[:, :2]).min(1) >= RECIPE.min_face_px).all()


def test_a_share_of_the_weights_at_the_start_is_kept(run: Path) -> None:
    pictures = load_pictures(read_labels(run / "labels.jsonl"), RECIPE)
    ends = []
    for share in (0.0, 0.5, 1.0):
        model = load_weights(find_model("retinaface", "detector"))
        start = model.logits[0].bias.detach().clone()
        recipe = replace(RECIPE, steps=1, batch=1, start_share=share)
        list(fit(begin(model, recipe), pictures, recipe))
        ends.append(model.logits[0].bias.detach() - start)
    assert ends[0].abs().max() > 0
    assert torch.allclose(ends[1], ends[0] / 2, atol=1e-6)
    assert ends[2].abs().max() == 0


def test_a_recipe_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    assert load_detector_recipe("detector").size_px % 32 == 0
    for wrong in ("nothing", "standard"):
        with pytest.raises(RequestError):
            load_detector_recipe(wrong)
    plain = {"name": "x", "seed": 0, "size_px": 64, "steps": 1, "batch": 1, "learning_rate": 1.0, "shares": {"bare": 1}}
    assert from_dict(plain).crop_sets == ()
    for change in ({"size_px": 100}, {"steps": 0}, {"shares": {"faces": 1}}, {"colour": 1}):
        with pytest.raises(ValueError, match=next(iter(change))):
            from_dict({**plain, **change})


def test_what_cannot_be_used_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text('{"image": "x"}\n')
    with pytest.raises(SourceError, match=r"labels\.jsonl:1"):
        read_labels(tmp_path / "labels.jsonl")
    with pytest.raises(OutputError):
        train_detector(RECIPE, [data], tmp_path)
    with pytest.raises(SourceNotFoundError):
        train_detector(RECIPE, [tmp_path], tmp_path / "run")
    (tmp_path / "weights.onnx").write_bytes(b"no graph")
    for weights in ("weights.onnx", "labels.jsonl", "nothing.onnx"):
        with pytest.raises(ModelError):
            load_weights(tmp_path / weights)


def test_a_detector_that_was_exported_is_rebuilt_with_the_same_outputs() -> None:
    file = find_model("retinaface-mask", "detector")
    assert parity_with_torch(file.read_bytes(), load_weights(file)) < 1e-4

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.files.jsonl import open_jsonl
from maskinfer.engine.results import LABELS, Face, FrameResult
from maskinfer.training.data.scenes import Scene, read_scenes
from maskinfer.training.evaluation.matching import SceneScore, count, judge, to_dict
from tests.conftest import shared

Box = tuple[float, float, float, float]


def scene(*faces: tuple[Box, str], name: str = "s/x.jpg") -> Scene:
    boxes = np.array([box for box, _ in faces], np.float32).reshape(-1, 4)
    return Scene(Path(name), "s", boxes, tuple(label for _, label in faces))


def predicted(*faces: tuple[Box, float, str], source: str = "s/x.jpg") -> FrameResult:
    made = tuple(Face(box, score, None, label, 0.9, {label: 0.9}) for box, score, label in faces)
    return FrameResult(source, 0, 0.0, (1000, 1000), made)


A: Box = (0, 0, 100, 100)
B: Box = (200, 0, 300, 100)
TINY: Box = (500, 500, 510, 510)


def score(*pairs: tuple[Scene, FrameResult]) -> SceneScore:
    judged = [judge(i, truth, result) for i, (truth, result) in enumerate(pairs)]
    return count([face for true, _ in judged for face in true], len(judged), sum(len(false) for _, false in judged))


def test_nothing() -> None:
    found = score()
    assert (found.images, found.false_positives, found.mean_correct(LABELS)) == (0, 0, 0.0)


def test_an_empty_scene_with_a_detection_and_one_without() -> None:
    found = score((scene(), predicted((A, 0.9, "with_mask"))), (scene(), predicted()))
    assert (found.images, found.false_positives) == (2, 1)


def test_found_right_found_wrong_and_missed() -> None:
    truth = scene((A, "with_mask"), (B, "with_mask"), ((0, 200, 100, 300), "with_mask"))
    found = score((truth, predicted((A, 0.9, "with_mask"), (B, 0.8, "without_mask"))))
    assert found.recall("with_mask") == pytest.approx(2 / 3)
    assert found.label_recall("with_mask") == pytest.approx(1 / 2)
    assert found.correct("with_mask") == pytest.approx(1 / 3)
    assert found.confusion == {"with_mask": {"with_mask": 1, "without_mask": 1}}


def test_a_second_box_on_a_face_is_no_false_positive() -> None:
    found = score((scene((A, "with_mask")), predicted((A, 0.6, "without_mask"), (A, 0.9, "with_mask"))))
    assert (found.false_positives, found.right["with_mask"]) == (0, 1)


def test_tiny_faces_do_not_count_either_way() -> None:
    truth = scene((TINY, "with_mask"))
    found = score((truth, predicted((TINY, 0.9, "without_mask"), ((700, 700, 712, 712), 0.9, "with_mask"))))
    assert (dict(found.faces), found.false_positives) == ({}, 0)


def random_pairs(number: int) -> list[tuple[Scene, FrameResult]]:
    rng = np.random.default_rng(0)
    pairs = []
    for i in range(number):
        corners = rng.uniform(0, 400, (rng.integers(0, 8), 2))
        boxes = np.concatenate([corners, corners + rng.uniform(8, 120, corners.shape)], axis=1)
        labels = rng.choice(LABELS, len(boxes))
        name = f"s/{i}.jpg"
        truth = scene(*zip(map(tuple, boxes.tolist()), labels.tolist(), strict=True), name=name)
        moved = boxes + rng.normal(0, 12, boxes.shape)
        guesses = np.where(rng.random(len(boxes)) < 0.7, labels, rng.choice(LABELS, len(boxes)))
        scores = rng.random(len(boxes))
        faces = zip(map(tuple, moved.tolist()), scores.tolist(), guesses.tolist(), strict=True)
        pairs.append((truth, predicted(*faces, source=name)))
    return pairs


def test_the_figures_are_the_scorers(tmp_path: Path) -> None:
    scorer = shared("tools", "score_scenes.py")
    pairs = random_pairs(60)
    with open_jsonl(str(tmp_path / "predictions.jsonl")) as write:
        for _, result in pairs:
            write(result)
    (tmp_path / "truth.jsonl").write_text("\n".join(json.dumps(truth_record(truth)) for truth, _ in pairs))
    command = [sys.executable, scorer, "truth.jsonl", "predictions.jsonl", "--json", "report.json"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = json.loads((tmp_path / "report.json").read_text())["all"]
    theirs.pop("images_without_prediction")
    ours = to_dict(score(*pairs))
    for mean in ("correct2", "correct3"):  # theirs are means of figures that were rounded before
        assert ours.pop(mean) == pytest.approx(theirs.pop(mean), abs=1.1e-4)
    assert ours == theirs


def truth_record(truth: Scene) -> dict[str, object]:
    faces = [{"bbox": box, "label": label} for box, label in zip(truth.xyxy.tolist(), truth.labels, strict=True)]
    return {"image": str(truth.path), "set": truth.set, "faces": faces}


def test_reading_scenes(tmp_path: Path) -> None:
    record = {"image": "s/a.jpg", "set": "s", "faces": [{"bbox": [1, 2, 3, 4], "label": "with_mask"}]}
    (tmp_path / "scenes.jsonl").write_text(json.dumps(record) + "\n\n")
    for data in (tmp_path, tmp_path / "scenes.jsonl"):
        (found,) = read_scenes(data)
        assert (found.path, found.set, found.labels) == (tmp_path / "s/a.jpg", "s", ("with_mask",))
        assert found.xyxy.tolist() == [[1, 2, 3, 4]]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"image": "a.jpg", "faces": []}\n{"image": 1\n')
    with pytest.raises(SourceError, match=r"x\.jsonl:2 is not an annotated scene"):
        read_scenes(tmp_path / "x.jsonl")


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([3, 2, 1, 4], "is impossible"),
        ([1, 2, 1, 4], "is impossible"),
        ([1, float("nan"), 3, 4], "is impossible"),
        ([1, 2, 3], "is not an annotated scene"),
        ([200, 2, 300, 4], "lies outside of its picture of 100x80 pixels"),
        ([-9, 2, -3, 4], "lies outside of its picture"),
    ],
)
def test_an_impossible_box_is_refused(tmp_path: Path, box: list[float], message: str) -> None:
    record = {"image": "a.jpg", "width": 100, "height": 80, "faces": [{"bbox": box, "label": "with_mask"}]}
    (tmp_path / "x.jsonl").write_text(json.dumps(record) + "\n")
    with pytest.raises(SourceError, match=message) as caught:
        read_scenes(tmp_path / "x.jsonl")
    assert "x.jsonl:1" in str(caught.value)


def test_no_scenes(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="expected annotated scenes"):
        read_scenes(tmp_path)

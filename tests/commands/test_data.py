"""``maskinfer data`` and the choices of ``maskinfer train``, in processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from maskinfer.engine.results import BGRFrame
from tests.commands.test_run import check_error, maskinfer


@pytest.fixture
def faces(portrait: BGRFrame, tmp_path: Path) -> Path:
    """Two files with the same picture, under two labels."""
    for label in ("with_mask", "without_mask"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "faces" / label / "portrait.png"), portrait)
    return tmp_path / "faces"


def test_an_audit_finds_a_copy(faces: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    done = maskinfer("data", "audit", faces, "--json", tmp_path / "finds.json", "--sheet", tmp_path / "finds.png")
    assert done.returncode == 0, done.stderr
    assert "byte-identical files" in done.stdout
    finds = json.loads((tmp_path / "finds.json").read_text())
    (copy,) = finds["findings"]["identical"]
    assert copy["pictures"] == ["with_mask/portrait.png", "without_mask/portrait.png"]
    assert copy["contradiction"]
    assert cv2.imread(str(tmp_path / "finds.png")) is not None


def test_drawn_masks_are_training_data(faces: Path, tmp_path: Path) -> None:
    done = maskinfer("data", "synth", "--data", faces, "--out", tmp_path / "drawn", "--wear", "below_nose=1")
    assert done.returncode == 0, done.stderr
    (record,) = [json.loads(line) for line in (tmp_path / "drawn/crops.jsonl").read_text().splitlines()]
    assert (record["label"], record["set"]) == ("incorrect_mask", "synth")
    assert record["source"] == str(faces / "without_mask/portrait.png")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data", "synth", "--wear", "hat=1"], "unknown wear 'hat'"),
        (["data", "synth", "--wear", "chin"], "expected NAME=SHARE"),
        (["train-detector", "--epochs", "3"], "No such option"),
        (["train", "--dev", "x", "--split", "random"], "--split would do nothing: with --dev nothing is kept out"),
        (["train", "--recipe", "nothing"], "no recipe 'nothing'"),
        (["train", "--split", "group"], "the recipe standard keeps no pictures out, so there is no split"),
    ],
)
def test_what_cannot_be_asked_for(faces: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    if arguments[0].startswith("train"):
        pytest.importorskip("torch")
    done = maskinfer(*arguments, "--data", faces, "--out", tmp_path / "out")
    check_error(done, 2, said)
    assert not (tmp_path / "out").exists()


def yolo(tmp_path: Path, portrait: BGRFrame) -> Path:
    """One face, labelled as others do."""
    for folder in ("images", "labels"):
        (tmp_path / "yolo" / folder).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "yolo/images/a.png"), portrait)
    (tmp_path / "yolo/labels/a.txt").write_text("0 0.42 0.22 0.22 0.3\n")
    (tmp_path / "yolo/data.yaml").write_text("train: images\nnames: ['No Mask!']\n")
    return tmp_path / "yolo/data.yaml"


def test_data_of_another_tool_are_imported_and_exported(portrait: BGRFrame, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = yolo(tmp_path, portrait)
    out = tmp_path / "mine"
    check_error(maskinfer("data", "import", file, "--out", out), 2, "labels that are not ours: 'No Mask!' (1)")
    done = maskinfer("data", "import", file, "--out", out, "--map", "No Mask!=without_mask")
    assert done.returncode == 0, done.stderr
    assert "label 'No Mask!'" in done.stdout
    (record,) = [json.loads(line) for line in (out / "scenes.jsonl").read_text().splitlines()]
    assert record["faces"][0]["label"] == "without_mask"
    assert record["faces"][0]["bbox"] == pytest.approx([158.72, 35.84, 271.36, 189.44], abs=0.1)
    done = maskinfer("data", "export", out, "--format", "coco", "--out", tmp_path / "coco")
    assert done.returncode == 0, done.stderr
    assert "wrote 1 pictures with 1 faces as coco" in done.stdout


def test_evaluate_takes_data_of_another_tool(portrait: BGRFrame, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = yolo(tmp_path, portrait)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    arguments = ("evaluate", "--data", file, "--json", tmp_path / "figures.json")
    check_error(maskinfer(*arguments, **cache), 2, "labels that are not ours")
    done = maskinfer(*arguments, "--map", "No Mask!=without_mask", **cache)
    assert done.returncode == 0, done.stderr
    assert "data.yaml (YOLO): 1 pictures, 1 without_mask" in done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["all"]
    assert figures["setup"]["data"] == str(file)
    assert figures["classes"]["without_mask"]["correct"] == 1


@pytest.mark.parametrize("command", ["audit", "evaluate", "train", "train-detector"])
def test_unreadable_data_are_refused_by_the_command_that_meets_them_first(command: str, tmp_path: Path) -> None:
    if command != "evaluate":
        pytest.importorskip("torch")
    (tmp_path / "data.yaml").write_text("names: [a]\n")
    given = {"audit": ("data", "audit"), "evaluate": ("evaluate", "--data")}.get(command, (command, "--data"))
    out = ("--out", tmp_path / "out") if command.startswith("train") else ()
    done = maskinfer(*given, tmp_path / "data.yaml", *out)
    check_error(done, 1, "is not a YOLO data.yaml with names and train, val or test: it names no train, val or test")
    assert not (tmp_path / "out").exists()


def test_classes_that_nobody_knows_are_named(faces: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (faces / "with_mask").rename(faces / "masked")
    done = maskinfer("train", "--data", faces, "--out", tmp_path / "out")
    check_error(done, 2, "labels that are not ours: 'masked' (1)")
    done = maskinfer("train", "--data", faces, "--out", tmp_path / "out", "--map", "hat=with_mask")
    check_error(done, 2, "labels that are not ours: 'masked' (1)")

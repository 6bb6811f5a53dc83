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

"""Two models on the same pictures, through the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.results import LABELS, BGRFrame
from tests.commands.test_run import check_error, maskinfer
from tests.helpers.graphs import save_colour_classifier

CONTRACT = ClassifierContract(name="colour", version="1", licence="MIT", labels=LABELS, size_wh=(16, 16))


@pytest.fixture(scope="module")
def data(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of one face, thirty blue for with_mask, thirty green for without_mask."""
    folder = tmp_path_factory.mktemp("data")
    lines = []
    for number in range(60):
        channel, label = (0, "with_mask") if number < 30 else (1, "without_mask")
        picture = (portrait // 2).astype(np.uint8)
        picture[..., channel] = np.clip(picture[..., channel].astype(int) + 120, 0, 255)
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)
        face = {"bbox": [175, 60, 280, 200], "label": label}
        line = {"image": f"{number}.jpg", "set": "s", "width": 512, "height": 512, "faces": [face]}
        lines.append(line | {"visit": f"visit {number // 2}"})
    (folder / "scenes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A classifier that is right, and one that takes blue and green for each other."""
    folder = tmp_path_factory.mktemp("models")
    right = save_colour_classifier(folder / "right.onnx", CONTRACT)
    swapped = replace(CONTRACT, labels=(LABELS[1], LABELS[0], LABELS[2]))
    return right, save_colour_classifier(folder / "wrong.onnx", swapped)


def test_the_better_model_passes(files: tuple[Path, Path], data: Path, tmp_path: Path) -> None:
    right, wrong = files
    done = maskinfer("compare", wrong, right, "--data", data, "--gate", "--json", tmp_path / "c.json")
    assert done.returncode == 0, done.stderr
    (said,) = json.loads((tmp_path / "c.json").read_text())["new"]
    (place,) = said["places"]
    groups = {group["name"]: group for group in place["groups"]}
    assert (groups["all"]["won"], groups["all"]["lost"], groups["all"]["change"]) == (60, 0, 1.0)
    assert groups["with_mask"]["faces"] == 30
    assert said["passes"]
    assert said["sentence"].startswith(f"{right} is better on {data} by 100.0 points, 95 % ")
    assert done.stdout.splitlines()[-1] == said["sentence"]


def test_the_worse_model_does_not_pass_the_gate(files: tuple[Path, Path], data: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    right, wrong = files
    page = tmp_path / "c.html"
    done = maskinfer("compare", right, wrong, right, "--data", data, "--gate", "--html", page)
    assert done.returncode == 1, done.stderr
    assert f"worse where it counts: {data}: -100.0 points" in done.stdout
    assert f"{right} is not surely different on {data}: +0.0 points" in done.stdout
    text = page.read_text()
    assert "Lost: wrong now, right before (40 of 60)" in text
    assert text.count("data:image/jpeg") == 40
    assert "http://" not in text
    assert page.stat().st_mode & 0o777 == 0o600
    assert maskinfer("compare", right, wrong, "--data", data).returncode == 0, "no gate, no failure"


def test_what_cannot_be_compared(files: tuple[Path, Path], data: Path) -> None:
    check_error(maskinfer("compare", files[0], "--data", data), 2, "name the old one, and one or more new ones")
    check_error(maskinfer("compare", files[0], "none.onnx", "--data", data), 2, "no ")

"""How a classifier learns to tell what a badly worn mask leaves bare."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("sklearn")

import maskinfer
from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.errors import ContractError, RequestError, SourceError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import as_picture
from maskinfer.engine.results import LABELS, BGRFrame
from maskinfer.export.calibrate import calibrate
from maskinfer.training.data.bare import read_bare_faces
from tests.helpers.graphs import save_checking_classifier, save_colour_classifier

CONTRACT = ClassifierContract("telling", "1", "MIT", LABELS, (16, 16))


def tinted(portrait: BGRFrame, blue: int) -> BGRFrame:
    """Return the portrait in red, which the colour classifier calls incorrect_mask, and more or less blue."""
    picture = portrait // 3
    picture[..., 2] += 160
    picture[..., 0] += np.uint8(blue)
    return picture


@pytest.fixture
def folder(tmp_path: Path, portrait: BGRFrame) -> Path:
    """Pictures and a scene, in which the bluer faces have nose and mouth bare."""
    lines = []
    for i, blue in enumerate((0, 10, 20, 80, 90, 100)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), tinted(portrait, blue))
        bare = "nose" if blue < 50 else "nose_and_mouth"
        lines.append(
            {"image": f"{i}.png", "label": "incorrect_mask", "bare": bare} | ({"source": "x"} if i % 2 else {})
        )
    lines.append({"image": "0.png", "label": "incorrect_mask", "bare": None})
    (tmp_path / "crops.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    face = {"bbox": [150, 50, 300, 250], "label": "incorrect_mask", "bare": "nose"}
    scene = {"image": "1.png", "set": "s", "faces": [face, {**face, "bare": None}]}
    (tmp_path / "scenes.jsonl").write_text(json.dumps(scene) + "\n")
    return tmp_path


def test_it_tells_what_it_was_shown_and_all_else_stays(folder: Path, portrait: BGRFrame) -> None:
    plain, telling = folder / "plain.onnx", folder / "telling.onnx"
    save_checking_classifier(plain, CONTRACT)
    summary = calibrate(str(plain), None, telling, bare=[folder])
    assert summary.bare_faces == 7
    assert "learnt from 7 faces" in str(summary)
    crops = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    before, after = load_classifier(str(plain)).look(crops), load_classifier(str(telling)).look(crops)
    assert (before.probabilities == after.probabilities).all()
    assert before.face is not None
    assert (before.face == after.face).all()
    assert before.bare is None
    assert after.bare is not None
    assert after.bare.shape == (5,)
    engine = maskinfer.load(classifier=str(telling))
    for blue, bare in ((5, "nose"), (95, "nose_and_mouth")):
        (face,) = engine(tinted(portrait, blue)).faces
        assert (face.label, face.bare) == ("incorrect_mask", bare)
    green = portrait // 3
    green[..., 1] += 160
    (face,) = engine(green).faces
    assert (face.label, face.bare) == ("without_mask", None)
    (face,) = maskinfer.load(classifier=str(plain))(tinted(portrait, 95)).faces
    assert (face.label, face.bare) == ("incorrect_mask", None)


def test_a_second_lesson_replaces_the_first(folder: Path) -> None:
    save_checking_classifier(folder / "plain.onnx", CONTRACT)
    calibrate(str(folder / "plain.onnx"), None, folder / "once.onnx", bare=[folder])
    calibrate(str(folder / "once.onnx"), None, folder / "twice.onnx", bare=[folder])
    assert (folder / "once.onnx").read_bytes() == (folder / "twice.onnx").read_bytes()


def test_a_track_tells_what_its_frames_say_together(folder: Path, portrait: BGRFrame) -> None:
    save_colour_classifier(folder / "plain.onnx", CONTRACT)
    calibrate(str(folder / "plain.onnx"), None, folder / "telling.onnx", bare=[folder])
    engine = maskinfer.load(classifier=str(folder / "telling.onnx"))
    tracker = Tracker(TrackOptions(classify_every=1))
    blues = [5] * 5 + [95] + [5] * 3 + [95] * 6
    told = []
    for i, blue in enumerate(blues):
        (result,) = engine.infer([Frame("a", i, i / 25, as_picture(tinted(portrait, blue)))], [tracker])
        told.append(result.faces[0].bare)
    assert told[:9] == ["nose"] * 9
    assert told[-1] == "nose_and_mouth"


def test_what_cannot_be_learnt_from(folder: Path) -> None:
    save_colour_classifier(folder / "plain.onnx", CONTRACT)
    lines = (folder / "crops.jsonl").read_text().splitlines()
    (folder / "crops.jsonl").write_text("\n".join(lines[:3]))
    with pytest.raises(RequestError, match=r"no face of .* says that nose_and_mouth is bare"):
        read_bare_faces([folder])
    (folder / "crops.jsonl").write_text(lines[0].replace('"nose"', '"chin"'))
    with pytest.raises(SourceError, match=r"crops.jsonl:1 .*'chin', expected one of nose, nose_and_mouth"):
        calibrate(str(folder / "plain.onnx"), None, folder / "out.onnx", bare=[folder])
    assert not (folder / "out.onnx").exists()


def test_a_contract_that_promises_what_its_graph_lacks(tmp_path: Path) -> None:
    save_colour_classifier(tmp_path / "plain.onnx", replace(CONTRACT, tells_bare=True))
    with pytest.raises(ContractError, match="says that it tells what is bare"):
        load_classifier(str(tmp_path / "plain.onnx"))

"""Drawn masks from the portrait, read back as training reads them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import OutputError, RequestError, SourceNotFoundError
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.files.images import read_image
from maskinfer.engine.results import LABELS, BGRFrame
from maskinfer.training.data.masks.demo_clip import PORTRAIT_LANDMARKS
from maskinfer.training.data.masks.draw import bare_of_wear, label_of_wear
from maskinfer.training.data.masks.synth import synthesize
from maskinfer.training.data.masks.synth_faces import bare_faces, is_drawable
from maskinfer.training.data.samples import read_samples


@pytest.fixture
def data(portrait: BGRFrame, tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "without_mask"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "a.png"), portrait)
    cv2.imwrite(str(folder / "b.png"), portrait[:, ::-1])
    cv2.imwrite(str(folder / "same_as_a.png"), portrait)
    return folder.parent


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "crops.jsonl").read_text().splitlines()]


def test_training_reads_what_is_drawn(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "synth"
    summary = synthesize([data], out, per_face=3, sheet=tmp_path / "sheet.png")
    assert summary.pictures == 2
    assert len(read_samples([out], LABELS)) == sum(summary.labels.values()) == 6
    for record in records(out):
        assert record["label"] == label_of_wear(str(record["wear"]))
        assert record["bare"] == bare_of_wear(str(record["wear"]))
        assert Path(str(record["source"])).parent == data / "without_mask"
        image = read_image(out / str(record["image"]))
        assert (image.shape[1], image.shape[0]) == (record["width"], record["height"])
        assert len(load_detector()([image])[0]) == 1
    assert read_image(tmp_path / "sheet.png").size
    assert "6 masks drawn on the faces of 2 pictures" in str(summary)


def test_the_seed_decides_wherever_the_pictures_lie(data: Path, tmp_path: Path) -> None:
    synthesize([data], tmp_path / "one", per_face=2)
    moved = data.rename(tmp_path / "elsewhere")
    (moved / "without_mask" / "b.png").rename(moved / "without_mask" / "0.png")
    synthesize([moved], tmp_path / "two", per_face=2)
    synthesize([moved], tmp_path / "three", per_face=2, limit=3)
    synthesize([moved], tmp_path / "four", per_face=2, seed=1)
    files = {
        name: {file.name: file.read_bytes() for file in (tmp_path / name / "pictures").iterdir()}
        for name in ("one", "two", "three", "four")
    }
    assert files["one"] == files["two"]
    assert len(files["three"]) == 3
    assert files["three"].items() <= files["one"].items()
    assert not files["four"].keys() & files["one"].keys()


def test_shares_decide_on_the_wear(data: Path, tmp_path: Path) -> None:
    assert synthesize([data], tmp_path / "a", per_face=2, shares={"chin": 2}).wears == {"chin": 4}
    for shares in ({"chin": 0.0}, {"chin": -1.0}, {"sideways": 1.0}):
        with pytest.raises(RequestError, match=r"share|sideways"):
            synthesize([data], tmp_path / "b", shares=shares)
    assert not (tmp_path / "b").exists()


def test_a_visor_changes_the_picture_but_not_the_label(data: Path, tmp_path: Path) -> None:
    summaries = [synthesize([data], tmp_path / str(share), visors=share) for share in (0, 1)]
    assert [summary.visors for summary in summaries] == [0, 2]
    assert summaries[0].labels == summaries[1].labels
    bare, behind = (records(tmp_path / name) for name in ("0", "1"))
    assert [record["visor"] for record in bare + behind] == [False, False, True, True]
    for a, b in zip(bare, behind, strict=True):
        pictures = [read_image(folder / str(a["image"])).astype(int) for folder in (tmp_path / "0", tmp_path / "1")]
        assert a["image"] == b["image"]
        assert 0.5 < np.abs(pictures[0] - pictures[1]).mean() < 40
    with pytest.raises(RequestError, match=r"share of visors is 1\.5"):
        synthesize([data], tmp_path / "c", visors=1.5)


def test_what_is_in_the_way_stays(data: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty"):
        synthesize([data], tmp_path / "full")
    for picture in (data / "without_mask").iterdir():
        cv2.imwrite(str(picture), np.full((64, 64, 3), 128, np.uint8))
    with pytest.raises(SourceNotFoundError, match="no bare face"):
        synthesize([data], tmp_path / "none")


def test_faces_that_cannot_be_drawn_on_are_left_out(portrait: BGRFrame) -> None:
    detector = load_detector()
    assert len(list(bare_faces(detector, portrait, many=False))) == 1
    small = np.asarray(cv2.resize(portrait, (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    assert not list(bare_faces(detector, small, many=False))
    assert not list(bare_faces(detector, np.ascontiguousarray(portrait[:170]), many=False))


def test_turned_heads_are_left_out() -> None:
    landmarks = np.array(PORTRAIT_LANDMARKS, np.float32)
    assert is_drawable(landmarks)
    assert not is_drawable(landmarks + np.array([[0, 0], [0, 0], [30, 0], [0, 0], [0, 0]], np.float32))
    assert not is_drawable(landmarks[:, ::-1].copy())

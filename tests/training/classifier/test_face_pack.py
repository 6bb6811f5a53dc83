"""Faces in one file: the same training as from the pictures, without them."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.results import LABELS, BGRFrame
from maskinfer.training.classifier.dataset import load_pack, load_pictures, split_off_set
from maskinfer.training.classifier.recipe import load_recipe
from maskinfer.training.classifier.windows.face_pack import read_pack
from maskinfer.training.classifier.windows.faces import NO_FACE
from maskinfer.training.classifier.windows.pack_faces import pack_faces
from tests.helpers.progress import Watcher


@pytest.fixture(scope="module")
def folder(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the sets a, b and c, those of a and b copies; and a scene with a box in the wrong place."""
    folder = tmp_path_factory.mktemp("pictures")
    crop = portrait[20:260, 130:350]
    pictures = {"a": crop, "b": crop, "c": crop[:, ::-1] // 2}
    lines = []
    for (name, picture), label in zip(pictures.items(), LABELS, strict=True):
        cv2.imwrite(str(folder / f"{name}.png"), picture)
        lines.append({"image": f"{name}.png", "set": name, "label": label})
    (folder / "crops.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    cv2.imwrite(str(folder / "scene.png"), portrait)
    scene = {"image": "scene.png", "set": "scenes", "faces": [{"bbox": [400, 400, 440, 440], "label": LABELS[0]}]}
    (folder / "scenes.jsonl").write_text(json.dumps(scene) + "\n")
    return folder


@pytest.fixture(scope="module")
def pack(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pack") / "faces.zip"
    pack_faces([folder], LABELS, file, quality=101)
    return file


def test_a_pack_holds_what_a_training_sees(folder: Path, pack: Path) -> None:
    recipe = load_recipe("standard")
    there, here = load_pack(recipe, pack), load_pictures(recipe, [folder], no_faces=True)
    assert np.array_equal(there.images, here.images)
    assert there.labels.tolist() == here.labels.tolist()
    assert NO_FACE in there.labels
    assert (there.sets, there.sources) == (here.sets, here.sources)
    assert there.doubtful.tolist() == here.doubtful.tolist()
    assert there.turned.tolist() == here.turned.tolist()


def test_a_pack_knows_what_belongs_together(folder: Path, pack: Path) -> None:
    recipe = load_recipe("standard")
    there, here = load_pack(recipe, pack), load_pictures(recipe, [folder], no_faces=True)
    for name in ("a", "scenes"):
        without, of = split_off_set(there, recipe, [], name)
        assert [side.tolist() for side in (without, of)] == [
            side.tolist() for side in split_off_set(here, recipe, [folder], name)
        ]
    assert "b" not in {there.sets[i] for i in split_off_set(there, recipe, [], "a")[0]}


def test_faces_are_unpacked_once(pack: Path) -> None:
    read_pack(pack, LABELS)
    watcher = Watcher()
    read_pack(pack, LABELS, watcher)
    assert watcher.totals == []


def test_other_labels_are_left_out(pack: Path) -> None:
    found = read_pack(pack, LABELS[:2])
    assert set(found.faces.labels.tolist()) == {0, 1, NO_FACE}
    assert len(found.faces.windows) == len(found.faces.labels) == len(found.groups)


def test_less_quality_makes_a_smaller_file(folder: Path, pack: Path, tmp_path: Path) -> None:
    pack_faces([folder], LABELS, tmp_path / "small.zip", quality=80)
    assert (tmp_path / "small.zip").stat().st_size < pack.stat().st_size / 2
    small, large = (read_pack(file, LABELS).faces.windows.astype(int) for file in (tmp_path / "small.zip", pack))
    assert 0 < np.abs(small - large).mean() < 6


def test_what_is_no_pack_is_said(pack: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="does not exist: expected faces"):
        read_pack(tmp_path / "none.zip", LABELS)
    with pytest.raises(SourceError, match="holds no faces that `maskinfer data faces` wrote"):
        read_pack(folder / "a.png", LABELS)
    with ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("faces.json", '{"format": "maskinfer-faces-9", "side_px": 64, "margin": 0.5}')
    with pytest.raises(SourceError, match="write it anew with this version"):
        read_pack(tmp_path / "other.zip", LABELS)
    with pytest.raises(RequestError, match="trains on whole pictures"):
        load_pack(load_recipe("lecture"), pack)


@pytest.mark.parametrize("part", ["windows/0000001.webp", "records.jsonl"])
def test_a_damaged_pack_is_said(part: str, pack: Path, tmp_path: Path) -> None:
    with ZipFile(pack) as whole, ZipFile(tmp_path / "damaged.zip", "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, b"{}\n" if name == part else whole.read(name))
    with pytest.raises(SourceError, match="holds no faces that `maskinfer data faces` wrote"):
        read_pack(tmp_path / "damaged.zip", LABELS)

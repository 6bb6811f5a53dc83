"""Data of other tools, as these wrote them: ``written/README.md`` says how."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import MaskinferError, SourceError
from maskinfer.training.data.formats.detect import detect
from maskinfer.training.data.formats.door import read_data
from maskinfer.training.data.formats.translate import Imported

pytest.importorskip("yaml")

WRITTEN = Path(__file__).parent / "written"
SIZES_WH = {"a": (200, 100), "b": (120, 160), "c": (64, 64)}
NAMES = {"Mask": "with_mask", "No Mask": "without_mask", "worn wrong": "incorrect_mask"}
FACES = {
    "a": {("with_mask", (20, 10, 80, 90)), ("without_mask", (110, 20, 170, 80))},
    "b": {("incorrect_mask", (30, 40, 90, 120))},
    "c": set(),
}
# Of each: where its pictures lie, what their names begin with, and its kind.
TOOLS = {
    "datumaro-coco-instances": ("images/train", "", "coco"),
    "datumaro-voc-detection": ("JPEGImages", "", "voc"),
    "datumaro-cvat": ("images", "", "cvat"),
    "datumaro-yolo-ultralytics": ("images/train", "", "yolo"),
    "fiftyone-image-detection": ("data", "", "fiftyone"),
    "fiftyone-coco": ("data", "", "coco"),
    "fiftyone-voc": ("data", "", "voc"),
    "fiftyone-yolov5": ("images/val", "", "yolo"),
    "fiftyone-cvat": ("data", "", "cvat"),
    "label-studio-json": ("", "0a1b2c3d-", "label-studio"),
    "label-studio-json-min": ("images", "", "label-studio"),
    "label-studio-coco": ("images", "0a1b2c3d-", "coco"),
    "label-studio-voc": ("images", "0a1b2c3d-", "voc"),
    "label-studio-yolo": ("images", "0a1b2c3d-", "yolo"),
}
# These tools write no file for a picture without a face.
SILENT_OF_NONE = {"datumaro-voc-detection", "label-studio-voc"}


def laid_out(tool: str, tmp_path: Path) -> Path:
    """A copy of what a tool wrote, with the pictures in their place."""
    folder, prefix, _ = TOOLS[tool]
    out = tmp_path / "mine"
    shutil.copytree(WRITTEN / tool, out)
    (out / folder).mkdir(parents=True, exist_ok=True)
    for name, (width, height) in SIZES_WH.items():
        place = out / ("images/val" if tool == "datumaro-yolo-ultralytics" and name == "c" else folder)
        place.mkdir(exist_ok=True)
        cv2.imwrite(str(place / f"{prefix}{name}.jpg"), np.full((height, width, 3), 90, np.uint8))
    return out


def faces(imported: Imported) -> dict[str, set[tuple[str, tuple[int, ...]]]]:
    return {
        scene.path.stem[-1]: {
            (label, tuple(round(float(v)) for v in box)) for label, box in zip(scene.labels, scene.xyxy, strict=True)
        }
        for scene in imported.scenes
    }


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_says_the_same(tool: str, tmp_path: Path) -> None:
    data = laid_out(tool, tmp_path)
    assert detect(data).format == TOOLS[tool][2]
    imported = read_data(data, NAMES)
    expected = {name: found for name, found in FACES.items() if found or tool not in SILENT_OF_NONE}
    assert faces(imported) == expected
    assert {name: count for name, (_, count) in imported.labels.items()} == dict.fromkeys(NAMES, 1)
    if tool in SILENT_OF_NONE:
        ((what, count, example),) = imported.left_out
        assert (what, count) == ("pictures without an XML file", 1)
        assert example.endswith("c.jpg")
    else:
        assert imported.left_out == ()


def test_classifications_are_pictures_of_one_face(tmp_path: Path) -> None:
    shutil.copytree(WRITTEN / "fiftyone-classification", tmp_path / "mine")
    (tmp_path / "mine/data").mkdir()
    for name in "abc":
        cv2.imwrite(str(tmp_path / f"mine/data/{name}.jpg"), np.full((40, 40, 3), 90, np.uint8))
    imported = read_data(tmp_path / "mine", NAMES)
    assert [(crop.path.stem, crop.label) for crop in imported.crops] == [
        ("a", "with_mask"),
        ("b", "without_mask"),
        ("c", "incorrect_mask"),
    ]


def test_a_list_of_pictures_that_names_no_paths(tmp_path: Path) -> None:
    data = laid_out("datumaro-yolo-ultralytics", tmp_path)
    (data / "train.txt").write_text("[" * 5000)
    imported = read_data(data, NAMES)
    assert [scene.path.stem for scene in imported.scenes] == ["c"]
    assert any("[[[[" in example for _, _, example in imported.left_out)


@pytest.mark.parametrize("tool", TOOLS)
def test_broken_files_are_told_in_one_line(tool: str, tmp_path: Path) -> None:
    data, refused = laid_out(tool, tmp_path), list[str]()
    for file in sorted(path for path in data.rglob("*") if path.suffix in {".json", ".xml", ".yaml", ".txt"}):
        whole = file.read_bytes()
        cuts = [whole[: len(whole) * part // 7] for part in range(1, 7)]
        swaps = [whole.replace(b"0", b"nan"), whole.replace(b"1", b"1e999"), whole.replace(b'"', b""), b"\xff" + whole]
        for broken in (b"", b"[]", b"{}", b"null", b"[1, 2]", b"\0" * 9, b"[" * 100_000, *cuts, *swaps):
            file.write_bytes(broken)
            try:
                read_data(data, NAMES)
            except MaskinferError as error:
                refused.append(str(error))
        file.write_bytes(whole)
    assert len(refused) > 5
    assert not any("\n" in line for line in refused)


def test_pictures_that_lie_elsewhere_than_their_boxes(tmp_path: Path) -> None:
    data = laid_out("fiftyone-yolov5", tmp_path)
    (data / "images/val").rename(data / "images/mine")
    (data / "dataset.yaml").write_text("names: {0: Mask}\nval: images/mine\n")
    with pytest.raises(SourceError, match=r"none of the pictures .*expected one as .*labels/mine/a\.txt"):
        read_data(data, NAMES)

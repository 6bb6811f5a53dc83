"""Labels that are known or translated, boxes that lie in their pictures, and everything else told."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import MaskinferError, OutputError, RequestError, SourceError
from maskinfer.training.data.crops import read_crops
from maskinfer.training.data.formats.door import as_folders, import_data, read_data
from maskinfer.training.data.formats.translate import Imported, read_label_map
from maskinfer.training.data.scenes import read_scenes
from maskinfer.training.data.writing.source import read_source
from maskinfer.training.data.writing.write import OUT_FORMATS, OutFormat, write_data

pytest.importorskip("yaml")


def picture(file: Path, width: int = 100, height: int = 80) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.full((height, width, 3), 90, np.uint8))
    return file


def coco(folder: Path, *boxes: tuple[str, list[float]], names: tuple[str, ...] = ("a.jpg",)) -> Path:
    """A COCO file whose boxes are all of its first picture."""
    kinds = sorted({kind for kind, _ in boxes})
    content = {
        "images": [{"id": i, "file_name": name, "width": 100, "height": 80} for i, name in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": 0, "category_id": kinds.index(kind), "bbox": box}
            for i, (kind, box) in enumerate(boxes)
        ],
        "categories": [{"id": i, "name": kind} for i, kind in enumerate(kinds)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "labels.json"
    file.write_text(json.dumps(content))
    return file


def test_an_unknown_label_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    file = coco(tmp_path, ("With Mask", [1, 1, 20, 20]), ("hat", [30, 30, 20, 20]), ("hat", [50, 50, 20, 20]))
    with pytest.raises(RequestError, match=r"labels that are not ours: 'hat' \(2\); say .* --map 'hat'=without_mask"):
        read_data(file, {})
    (scene,) = read_data(file, {"hat": "without_mask"}).scenes
    assert scene.labels == ("with_mask", "without_mask", "without_mask")
    left = read_data(file, {"hat": ""})
    assert left.scenes[0].labels == ("with_mask",)
    assert left.left_out == (("faces labelled 'hat', as asked for", 2, "a.jpg"),)


def test_boxes_lie_in_their_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    boxes = [[-10, 5, 30, 30], [200, 5, 30, 30], [5, 5, 0, 30]]
    read = read_data(coco(tmp_path, *(("with_mask", box) for box in boxes)), {})
    assert read.scenes[0].xyxy.tolist() == [[0, 5, 20, 35]]
    assert read.notes == (("boxes that reach out of their picture, cut at its edge", 1, "a.jpg"),)
    assert read.left_out == (("boxes that lie outside of their picture or have no area", 2, "a.jpg"),)


def test_pictures_that_are_missing_or_broken_are_told(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    file = coco(tmp_path, ("with_mask", [1, 1, 20, 20]), names=("a.jpg", "b.jpg", "c.jpg"))
    read = read_data(file, {})
    assert [what for what, _, _ in read.left_out] == ["pictures that cannot be read", "pictures that are not there"]
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(SourceError, match=r"has no picture that can be read: pictures that are not there \(.*a\.jpg"):
        read_data(file, {})


def test_what_lies_elsewhere_is_found_where_it_is_said_to_be(tmp_path: Path) -> None:
    file = coco(tmp_path / "one", ("with_mask", [1, 1, 20, 20]))
    picture(tmp_path / "other/a.jpg")
    assert len(read_data(file, {}, images=tmp_path / "other").scenes) == 1


def test_a_picture_that_lies_on_its_side_is_as_it_is_seen(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (100, 80)).save(tmp_path / "a.jpg", exif=exif)
    (read,) = [read_data(coco(tmp_path, ("with_mask", [1, 70, 20, 25])), {})]
    assert (read.sizes_wh, read.scenes[0].xyxy.tolist()) == (((80, 100),), [[1, 70, 21, 95]])


def test_a_map_of_labels(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('"No Mask" = "without_mask"\nhat = ""\n')
    assert read_label_map([str(tmp_path / "map.toml"), "a=b=with_mask"]) == {
        "No Mask": "without_mask",
        "hat": "",
        "a=b": "with_mask",
    }


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["mask"], "expected FROM=TO"),
        (["=with_mask"], "expected FROM=TO"),
        (["x=../y"], "expected one of with_mask"),
        (["a=with_mask", "a=without_mask"], "choose one"),
        (["none.toml"], "does not exist"),
    ],
)
def test_what_is_no_map(pairs: list[str], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        read_label_map(pairs)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("data.yaml", "names: [with_mask]\ntrain: gone\n", "names .*gone, which is not there"),
        ("data.yaml", "names: [with_mask]\n", "it names no train, val or test"),
        ("data.yaml", "train: {", "is not a YOLO data.yaml"),
        ("data.yaml", "- 1", "is not a YOLO data.yaml"),
        ("x.json", "{", "is no JSON"),
        ("x.json", "[1]", "JSON of neither COCO, Label Studio nor FiftyOne"),
        ("x.json", '{"images": 1, "annotations": [], "categories": []}', "is not a COCO file"),
        ("x.json", '[{"id": 1, "data": {"text": "x"}, "annotations": [{"result": []}]}]', "names no picture"),
        ("x.json", '{"labels": {"a": [{"label": 3, "bounding_box": [0, 0, 1, 1]}]}}', "is not a data set of FiftyOne"),
        ("x.json", '{"samples": [{"filepath": "a.jpg"}]}', "labels in 0 fields"),
        ("x.xml", "<annotation>", "is no XML"),
        ("x.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a/>', "declares a document type"),
        ("x.xml", "<annotation><filename>a.jpg</filename><object/></annotation>", "an object has no bndbox"),
        ("x.xml", "<annotations><track/></annotations>", "holds tracks of a video"),
        ("x.xml", '<annotations><image name="a.jpg"><box label="m" xtl="1"/></image></annotations>', "has no 'ytl'"),
        ("x.zip", "", "is an archive: unpack it"),
        ("x.csv", "", "is no data that can be read here"),
    ],
)
def test_unreadable_data_are_refused_in_a_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=said) as caught:
        read_data(tmp_path / name, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [("3 .5 .5 .2 .2", "the class 3, which"), ("0 .5 .5", "3 numbers, expected"), ("0 a .5 .2 .2", "'a' is no number")],
)
def test_a_broken_yolo_box_is_named(tmp_path: Path, line: str, said: str) -> None:
    picture(tmp_path / "images/a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text(f"0 .5 .5 .2 .2\n{line}\n")
    (tmp_path / "data.yaml").write_text("names: [with_mask]\ntrain: images\n")
    with pytest.raises(SourceError, match=rf"a\.txt:2 .*{said}"):
        read_data(tmp_path, {})


def test_folders_that_hold_nothing_of_use(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no labelled pictures: expected"):
        read_data(tmp_path, {})
    picture(tmp_path / "a.jpg")
    with pytest.raises(SourceError, match="holds pictures without labels"):
        read_data(tmp_path, {})
    for name in ("one.json", "two.json"):
        coco(tmp_path).rename(tmp_path / name)
    with pytest.raises(SourceError, match=r"several files of annotations: name one of one\.json, two\.json"):
        read_data(tmp_path, {})


def test_what_is_imported_is_what_commands_read(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.jpg")
    picture(tmp_path / "in/b.jpg")
    file = coco(tmp_path / "in", ("mask", [10, 10, 30, 40]), names=("a.jpg", "b.jpg"))
    import_data(read_data(file, {"mask": "with_mask"}), tmp_path / "out")
    one, two = read_scenes(tmp_path / "out")
    assert (one.set, one.labels, one.xyxy.tolist()) == ("in", ("with_mask",), [[10, 10, 40, 50]])
    assert one.path.read_bytes() == (tmp_path / "in/a.jpg").read_bytes()
    assert one.path.stat().st_mode & 0o777 == 0o600
    assert two.labels == ()
    with pytest.raises(RequestError, match="holds maskinfer's own data"):
        read_data(tmp_path / "out", {})
    with pytest.raises(OutputError, match="holds data already"):
        import_data(read_data(file, {"mask": "with_mask"}), tmp_path / "out")


def test_other_tools_data_go_through_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("maske", "ohne"):
        picture(tmp_path / f"mine/{name}/a.jpg")
    told: list[Imported] = []
    names = {"maske": "with_mask", "ohne": "without_mask"}
    (folder,) = as_folders([tmp_path / "mine"], names, told=told.append)
    assert [scene.labels for scene in read_crops(folder)] == [("with_mask",), ("without_mask",)]
    assert [one.format for one in told] == ["class-folders"]
    assert as_folders([tmp_path / "mine"], names) == [folder], "the same data have the same list"
    # Our own go through as they are.
    assert as_folders([folder], {}) == [folder]
    for name in ("maske", "ohne"):
        (tmp_path / "mine" / name).rename(tmp_path / "mine" / {"maske": "With Mask", "ohne": "without-mask"}[name])
    assert as_folders([tmp_path / "mine"], {}) == [tmp_path / "mine"]


@pytest.mark.parametrize("kind", [kind for kind in OUT_FORMATS if kind != "class-folders"])
def test_what_is_exported_is_read_back(kind: OutFormat, tmp_path: Path) -> None:
    for name in ("x/a.jpg", "y/a.jpg"):
        picture(tmp_path / name)
    faces = [{"bbox": [10, 20, 40, 60], "label": "with_mask"}, {"bbox": [50, 20, 90, 70], "label": "incorrect_mask"}]
    lines = [{"image": "x/a.jpg", "faces": faces}, {"image": "y/a.jpg", "faces": []}]
    (tmp_path / "scenes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = write_data(read_source(tmp_path / "scenes.jsonl", {}), tmp_path / "out", kind)
    assert (done.pictures, done.faces) == (2, 2)
    scenes = read_scenes(tmp_path / "out") if kind == "maskinfer" else read_data(tmp_path / "out", {}).scenes
    scenes = sorted(scenes, key=lambda scene: scene.path.stem)
    assert [scene.path.stem for scene in scenes] == ["a", "a-1"]
    assert scenes[0].labels == ("with_mask", "incorrect_mask")
    assert np.abs(scenes[0].xyxy - [[10, 20, 40, 60], [50, 20, 90, 70]]).max() < 0.01
    assert scenes[1].labels == ()


def test_faces_of_scenes_become_pictures_of_each_class(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    file = coco(tmp_path, ("with_mask", [10, 10, 30, 40]), ("without_mask", [50, 10, 30, 40]))
    write_data(read_source(file, {}), tmp_path / "out", "class-folders")
    assert [crop.label for crop in read_data(tmp_path / "out", {}).crops] == ["with_mask", "without_mask"]


def test_what_the_engine_said_becomes_pre_annotations(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    face = {
        "bbox": [10, 20, 40, 60],
        "det_score": 0.9,
        "landmarks": None,
        "label": "with_mask",
        "score": 0.75,
        "scores": {"with_mask": 0.75, "without_mask": 0.25},
        "bare": None,
    }
    line = {"source": str(tmp_path / "a.jpg"), "frame": 0, "time_s": 0, "width": 100, "height": 80, "faces": [face]}
    (tmp_path / "found.jsonl").write_text(json.dumps(line) + "\n")
    source = read_source(tmp_path / "found.jsonl", {})
    write_data(source, tmp_path / "tasks", "label-studio")
    (task,) = json.loads((tmp_path / "tasks/tasks.json").read_text())
    (said,) = task["predictions"]
    assert "annotations" not in task
    assert (said["score"], said["result"][0]["value"]["x"]) == (0.75, 10)
    assert task["data"]["image"] == "/data/local-files/?d=tasks/images/a.jpg"
    write_data(source, tmp_path / "cvat", "cvat")
    assert 'source="auto"' in (tmp_path / "cvat/annotations.xml").read_text()


def test_formats_of_boxes_take_no_pictures_without(tmp_path: Path) -> None:
    picture(tmp_path / "with_mask/a.jpg")
    source = read_source(tmp_path, {})
    with pytest.raises(RequestError, match="coco is a format of boxes"):
        write_data(source, tmp_path / "out", "coco")
    assert not (tmp_path / "out").exists()
    with pytest.raises(MaskinferError, match="is not empty"):
        write_data(source, tmp_path, "class-folders")

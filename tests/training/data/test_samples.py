from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.contract import CropRule
from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.flow.progress import Progress
from maskinfer.engine.results import LABELS, BGRFrame
from maskinfer.training.classifier.dataset import Pictures, draw_order, load_pictures
from maskinfer.training.classifier.recipe import load_recipe
from maskinfer.training.classifier.windows.faces import NO_FACE, WINDOW_MARGIN, WINDOW_PX, collect_faces, window_share
from maskinfer.training.data.audit.items import read_items
from maskinfer.training.data.audit.related import related_groups
from maskinfer.training.data.main_face import find_main_face
from maskinfer.training.data.samples import read_samples


def _lines(file: Path, *records: object) -> None:
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    for name in ("with_mask/a.jpg", "without_mask/b.png", "with_mask/notes.txt", "other/c.jpg", "with_mask/._a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [(s.path.name, s.label, s.many) for s in read_samples([tmp_path], LABELS)]
    assert found == [("a.jpg", "with_mask", False), ("b.png", "without_mask", False)]


def test_folders_of_labels_in_any_case_and_with_spaces(tmp_path: Path) -> None:
    for name in ("With Mask/a.jpg", "WITHOUT-MASK/b.png", "incorrect_mask/c.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert sorted(s.label for s in read_samples([tmp_path], LABELS)) == sorted(LABELS)


def test_lists_of_crops_and_of_bare_scenes(tmp_path: Path) -> None:
    _lines(tmp_path / "crops.jsonl", {"image": "a.jpg", "set": "one", "label": "incorrect_mask"})
    _lines(tmp_path / "scenes_bare.jsonl", {"image": "b.jpg", "set": "two", "every_face": "without_mask"})
    found = [(s.path.name, s.label, s.set, s.many) for s in read_samples([tmp_path], LABELS)]
    assert found == [("a.jpg", "incorrect_mask", "one", False), ("b.jpg", "without_mask", "two", True)]


def test_what_is_no_training_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="holds no pictures to train on"):
        read_samples([tmp_path], LABELS)
    with pytest.raises(SourceNotFoundError, match="is not a folder"):
        read_samples([tmp_path / "none"], LABELS)
    (tmp_path / "crops.jsonl").write_text('{"image": "a.jpg"}\n')
    with pytest.raises(SourceError, match=r"crops.jsonl:1 is not a labelled picture"):
        read_samples([tmp_path], LABELS)


def test_faces_are_cut_by_the_detectors_box(tmp_path: Path, portrait: BGRFrame) -> None:
    cv2.imwrite(str(tmp_path / "crop.png"), portrait[20:260, 130:350])
    cv2.imwrite(str(tmp_path / "scene.png"), portrait)
    detector = load_detector(box_margin=0)
    box = (detector([portrait])[0].xyxy[0] + 2).tolist()
    _lines(tmp_path / "crops.jsonl", {"image": "crop.png", "set": "crops", "label": "with_mask"})
    _lines(tmp_path / "scenes_bare.jsonl", {"image": "scene.png", "set": "bare", "every_face": "without_mask"})
    scene = {"image": "scene.png", "set": "scenes", "faces": [{"bbox": box, "label": "without_mask"}]}
    _lines(tmp_path / "scenes.jsonl", scene)
    faces = collect_faces([tmp_path], LABELS)
    # The annotated face is in it by the detector's box and by the annotator's.
    assert faces.sets == ("crops", "bare", "scenes", "scenes")
    assert faces.labels.tolist() == [0, 1, 1, 1]
    assert faces.turned.tolist() == [False] * 4
    assert faces.windows.shape == (4, WINDOW_PX, WINDOW_PX, 3)
    by_hand = cut_crops(portrait, np.array([box], np.float32), CropRule(margin=WINDOW_MARGIN), (WINDOW_PX, WINDOW_PX))[
        0
    ]
    assert np.array_equal(faces.windows[3], by_hand)
    # The other windows show the same face in nearly the same place.
    for window in faces.windows[:3]:
        assert np.corrcoef(window.ravel(), by_hand.ravel())[0, 1] > 0.8


def test_what_the_detector_takes_for_a_face_and_is_none(tmp_path: Path, portrait: BGRFrame) -> None:
    """A face without a box stands for what is none; while it is small, it is rather one that was left out."""
    elsewhere = {"bbox": [0, 0, 60, 60], "label": "without_mask"}
    _lines(tmp_path / "scenes.jsonl", {"image": "scene.png", "set": "s", "faces": [elsewhere]})
    cv2.imwrite(str(tmp_path / "scene.png"), portrait)
    small = collect_faces([tmp_path], LABELS, no_faces=True)
    assert small.labels[0] == 1
    assert (small.scores[small.labels == NO_FACE] < 0.55).all()
    cv2.imwrite(str(tmp_path / "scene.png"), cv2.resize(portrait, None, fx=2, fy=2))
    assert collect_faces([tmp_path], LABELS).labels.tolist() == [1]
    faces = collect_faces([tmp_path], LABELS, no_faces=True)
    assert faces.labels[0] == 1
    assert faces.scores[faces.labels == NO_FACE].max() > 0.9


def test_what_is_no_face_has_its_share_of_the_draws() -> None:
    recipe = load_recipe("standard")
    labels, no = np.array([0, 1, 2, *[NO_FACE] * 7]), np.zeros(10, np.bool_)
    pictures = Pictures(np.zeros((10, 2, 2, 3), np.uint8), labels, ("a",) * 10, ("b",) * 10, no, no)
    recipe = replace(recipe, sampling=replace(recipe.sampling, no_face_share=0.25))
    drawn = pictures.labels[draw_order(pictures, np.arange(10), recipe)]
    assert np.mean(drawn == NO_FACE) == pytest.approx(0.25, abs=0.01)
    assert np.mean(drawn[drawn >= 0] == 1) == pytest.approx(0.44, abs=0.01)


class Counter(Progress):
    """Counts the pictures that are read."""

    done = 0

    def advance(self, count: int = 1, /) -> None:
        self.done += count


def test_faces_are_cut_once(tmp_path: Path, portrait: BGRFrame) -> None:
    cv2.imwrite(str(tmp_path / "crop.png"), portrait)
    _lines(tmp_path / "crops.jsonl", {"image": "crop.png", "set": "crops", "label": "with_mask"})
    read = Counter()
    first = collect_faces([tmp_path], LABELS, read)
    again = collect_faces([tmp_path], LABELS, read)
    assert read.done == 1
    assert np.array_equal(first.windows, again.windows)
    assert isinstance(again.windows, np.memmap)
    cv2.imwrite(str(tmp_path / "crop.png"), portrait[:, ::-1])
    changed = collect_faces([tmp_path], LABELS, read)
    assert read.done == 2
    assert not np.array_equal(first.windows, changed.windows)


def test_turned_heads_are_told_and_drawn_more_often(tmp_path: Path, portrait: BGRFrame) -> None:
    tilt = cv2.getRotationMatrix2D((224.0, 130.0), 38, 1)
    tilted = np.asarray(cv2.warpAffine(portrait, tilt, (512, 512), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    cv2.imwrite(str(tmp_path / "upright.png"), portrait)
    cv2.imwrite(str(tmp_path / "tilted.png"), tilted)
    labels = {"upright": "with_mask", "tilted": "without_mask"}
    crops = [{"image": f"{name}.png", "set": "mine", "label": label} for name, label in labels.items()]
    _lines(tmp_path / "crops.jsonl", *crops)
    recipe = replace(load_recipe("standard"), labels=tuple(labels.values()))
    pictures = load_pictures(recipe, [tmp_path])
    assert pictures.turned.tolist() == [False, True]
    recipe = replace(recipe, sampling=replace(recipe.sampling, class_shares={}, set_weights={}, turned_weight=3.0))
    order = draw_order(pictures, np.arange(2), recipe)
    assert order.mean() == pytest.approx(0.75, abs=0.01)


def test_a_small_face_is_found_where_a_whole_person_is_shown(portrait: BGRFrame) -> None:
    far = cv2.copyMakeBorder(portrait, 0, 900, 300, 300, cv2.BORDER_CONSTANT, value=(80, 90, 100))
    found = find_main_face(load_detector(), np.asarray(far, np.uint8))
    box = load_detector()([portrait])[0].xyxy[:1] + np.array([300, 0, 300, 0], np.float32)
    assert iou_matrix(found.xyxy, box)[0, 0] > 0.6
    assert found.landmarks is not None
    assert iou_matrix(np.hstack([found.landmarks.min(1), found.landmarks.max(1)]), box)[0, 0] > 0.05


def test_the_largest_of_several_faces_is_the_one_that_is_meant(portrait: BGRFrame) -> None:
    face = portrait[20:260, 130:350]
    small = cv2.resize(face, None, fx=0.5, fy=0.5)
    both = np.full((400, 500, 3), 90, np.uint8)
    both[80:320, 240:460], both[20:140, 20:130] = face, small
    left = find_main_face(load_detector(), both).xyxy[:, 0]
    assert left.shape == (1,)
    assert left[0] > 230


def test_the_middle_of_a_window_is_the_engines_crop(portrait: BGRFrame) -> None:
    box = np.array([[175.0, 60.0, 275.0, 200.0]], np.float32)
    rule = CropRule(margin=0.15)
    window = cut_crops(portrait, box, CropRule(margin=WINDOW_MARGIN), (WINDOW_PX, WINDOW_PX))[0]
    cut = round(WINDOW_PX * (1 - window_share(rule)) / 2)
    middle = cv2.resize(window[cut:-cut, cut:-cut], (64, 64), interpolation=cv2.INTER_AREA).astype(int)
    crop = cut_crops(portrait, box, rule, (64, 64))[0].astype(int)
    assert np.abs(middle - crop).mean() < 6


def test_relatives_form_groups(tmp_path: Path, portrait: BGRFrame) -> None:
    """A copy of a picture, and one that was drawn from it, go with it; another picture does not."""
    mine, drawn = tmp_path / "mine", tmp_path / "drawn"
    other, worn = (np.random.default_rng(seed).integers(0, 256, (200, 200, 3), np.uint8) for seed in (0, 1))
    for folder, name, picture in (
        (mine, "a", portrait),
        (mine, "b", portrait),
        (mine, "c", other),
        (drawn, "d", worn),
    ):
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{name}.png"), picture)
    _lines(mine / "crops.jsonl", *({"image": f"{name}.png", "set": "mine", "label": "without_mask"} for name in "abc"))
    record = {"image": "d.png", "set": "synth", "label": "with_mask", "source": str(mine / "a.png")}
    _lines(drawn / "crops.jsonl", record)
    sources = [str(mine / "a.png"), str(mine / "c.png"), str(mine / "b.png"), str(drawn / "d.png"), str(mine / "c.png")]
    assert related_groups([mine, drawn], LABELS, sources).tolist() == [0, 1, 0, 0, 1]


def test_pictures_of_one_visit_form_a_group(tmp_path: Path) -> None:
    lines = []
    for number, visit in enumerate(("one", "two", "one", "")):
        picture = np.random.default_rng(number).integers(0, 256, (120, 120, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
        line = {"image": f"{number}.png", "set": "door", "faces": [{"bbox": [1, 1, 60, 60], "label": "with_mask"}]}
        lines.append(line | ({"visit": visit} if visit else {}))
    _lines(tmp_path / "scenes.jsonl", *lines)
    sources = [str(tmp_path / f"{number}.png") for number in range(4)]
    assert related_groups([tmp_path], LABELS, sources).tolist() == [0, 1, 0, 2]


def test_folders_of_a_list_of_scenes_are_no_classes(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures/a.png"), np.zeros((40, 40, 3), np.uint8))
    line = {"image": "pictures/a.png", "set": "s", "faces": [{"bbox": [1, 1, 30, 30], "label": "with_mask"}]}
    _lines(tmp_path / "scenes.jsonl", line)
    assert [(item.name, item.labels) for item in read_items([tmp_path])] == [("pictures/a.png", ("with_mask",))]

"""Pictures of a place, collected from a real clip and from pictures, and their faces labelled."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.contract import CropRule
from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.results import LABELS, BGRBatch, BGRFrame
from maskinfer.site.label.answers import Answer, agreements, answers_file, kappa_of, read_labellers
from maskinfer.site.label.noise import doubtful_labels
from maskinfer.site.label.queue import Queue
from maskinfer.site.pool import PoolPicture, append_line, picture_file, read_pool
from maskinfer.training.data.scenes import read_scenes
from tests.commands.test_run import check_error, maskinfer


@pytest.fixture(scope="module")
def site(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures, half of them of two people, collected with a model that is never sure."""
    folder = tmp_path_factory.mktemp("in")
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for number in range(12):
        shown = portrait if number % 2 else np.hstack([portrait, portrait[:, ::-1]])
        picture = np.clip(shown[:, :, ::1] + rng.normal(0, 6, shown.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{number}.jpg"), np.roll(picture, 17 * number, 0))
    out = folder / "site"
    options = ("--uncertain-below", "0.9999", "--test-share", "0.3")
    done = maskinfer("collect", f"hall={folder / 'photos'}", "--out", out, *options)
    assert done.returncode == 0, done.stderr
    assert "visits" in done.stdout
    return out


def test_pictures_are_collected_with_where_and_when(site: Path) -> None:
    pool = read_pool(site)
    assert len(pool) >= 4
    assert {picture.camera for picture in pool} == {"hall"}
    assert {picture.part for picture in pool} == {"pool", "test"}
    assert {picture.why for picture in pool if picture.part == "test"} == {"random"}
    assert {picture.why for picture in pool if picture.part == "pool"} == {"uncertain"}
    for picture in pool:
        image = cv2.imread(str(picture_file(site, picture.id)))
        assert image.shape[1::-1] == picture.size_wh
        assert picture_file(site, picture.id).stat().st_mode & 0o777 == 0o600
        assert picture.faces
        assert picture.taken[:4] >= "2026"
    assert (site / "pool.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_was_collected_is_not_collected_again(site: Path) -> None:
    before = read_pool(site)
    photos = site.parent / "photos"
    options = ("--uncertain-below", "0.9999", "--test-share", "0.3")
    done = maskinfer("collect", f"hall={photos}", "--out", site, *options)
    assert done.returncode == 0, done.stderr
    assert read_pool(site) == before


def test_a_folder_that_was_moved_keeps_its_parts(site: Path, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(site.parent / "photos", tmp_path / "elsewhere"))
    options = ("--uncertain-below", "0.9999", "--test-share", "0.3")
    done = maskinfer("collect", f"hall={photos}", "--out", tmp_path / "s", *options)
    assert done.returncode == 0, done.stderr
    assert {(p.id, p.part) for p in read_pool(tmp_path / "s")} == {(p.id, p.part) for p in read_pool(site)}


def test_a_recording_that_was_copied_keeps_its_parts(tmp_path: Path) -> None:
    from tests.conftest import shared

    clip = shared("videos", "group_720p.mp4")
    parts = []
    for name, modified_s in (("a", 1_700_000_000), ("b", 1_750_000_000)):
        copy = Path(shutil.copy(clip, tmp_path / f"{name}.mp4"))
        os.utime(copy, (modified_s, modified_s))
        done = maskinfer("collect", copy, "--out", tmp_path / name, "--test-share", "0.5")
        assert done.returncode == 0, done.stderr
        parts.append({(p.id, p.part) for p in read_pool(tmp_path / name)})
    assert parts[0] == parts[1]
    assert {part for _, part in parts[0]} == {"pool", "test"}


def test_budgets_are_kept(site: Path, tmp_path: Path) -> None:
    photos = site.parent / "photos"
    done = maskinfer("collect", photos, "--out", tmp_path / "s", "--uncertain-below", "0.9999", "--per-day", "2")
    assert len(read_pool(tmp_path / "s")) == 2
    assert "the day's budget is spent" in done.stdout


def test_a_clip_gives_a_few_pictures_of_each_person(tmp_path: Path) -> None:
    from tests.conftest import shared

    clip = shared("videos", "chin_mask_640x480.avi")
    done = maskinfer("collect", clip, "--out", tmp_path / "s", "--test-share", "0")
    assert done.returncode == 0, done.stderr
    pool = read_pool(tmp_path / "s")
    assert len(pool) >= 1
    assert max(Counter(picture.visit for picture in pool).values()) <= 3
    assert "labels change" in {picture.why for picture in pool}


def test_a_source_that_cannot_be_read_stops_no_other(site: Path, tmp_path: Path) -> None:
    options = ("--uncertain-below", "0.9999")
    done = maskinfer("collect", tmp_path / "none.mp4", site.parent / "photos", "--out", tmp_path / "s", *options)
    assert done.returncode == 1
    assert "none.mp4" in done.stderr
    assert read_pool(tmp_path / "s")


def answer_all(queue: Queue, label: str = "without_mask") -> int:
    count = 0
    while (face := queue.now()["face"]) is not None:
        queue.answer(face["picture"], face["number"], label, None)
        count += 1
    return count


@pytest.fixture
def own(site: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(site, tmp_path / "own"))


def test_answers_become_scenes_of_either_part(own: Path) -> None:
    queue = Queue(own, "anna")
    assert queue.now()["left"] == queue.now()["total"] == answer_all(queue)
    assert queue.save() == len(queue.pool)
    pool = {picture.id: picture for picture in queue.pool}
    for part, folder in (("pool", own), ("test", own / "test")):
        scenes = read_scenes(folder)
        assert {scene.path.stem for scene in scenes} == {p.id for p in pool.values() if p.part == part}
        assert all(scene.path.is_file() for scene in scenes)
        assert {label for scene in scenes for label in scene.labels} == {"without_mask"}
        assert all(scene.visit == pool[scene.path.stem].visit for scene in scenes)


def test_an_answer_is_taken_back_and_kept_at_once(own: Path) -> None:
    queue = Queue(own, "anna")
    first = queue.now()["face"]
    queue.answer(first["picture"], first["number"], "with_mask", None)
    assert queue.now()["face"] != first
    assert queue.undo()["face"] == first
    assert not queue.undo()["can_undo"], "no more than there was"
    queue.answer(first["picture"], first["number"], "incorrect_mask", None)
    # Whoever comes later, or the same after a crash, goes on where it was.
    again = Queue(own, "anna")
    assert again.now()["left"] == again.now()["total"] - 1
    assert read_labellers(own)["anna"].answers[first["picture"], first["number"]].label == "incorrect_mask"
    assert Queue(own, "ben").now()["face"] != first


def test_boxes_are_moved_and_faces_added_or_none(own: Path) -> None:
    queue = Queue(own, "anna")
    face = queue.now()["face"]
    left, top, right, bottom = face["bbox"]
    queue.add(face["picture"], "incorrect_mask", (1, 2, 31, 42))
    queue.answer(face["picture"], face["number"], "with_mask", (left + 3, top, right + 3, bottom))
    answer_all(queue, "no_face")
    queue.save()
    scenes = [scene for folder in (own, own / "test") for scene in read_scenes(folder)]
    (scene,) = [scene for scene in scenes if scene.path.stem == face["picture"]]
    assert sorted(scene.labels) == ["incorrect_mask", "with_mask"]
    moved = scene.xyxy[scene.labels.index("with_mask")]
    assert moved.tolist() == pytest.approx([left + 3, top, right + 3, bottom], abs=0.01)
    assert scene.xyxy[scene.labels.index("incorrect_mask")].tolist() == [1, 2, 31, 42]
    assert all(other.labels == () for other in scenes if other is not scene)


def test_two_labellers_and_how_far_they_agree(own: Path) -> None:
    answer_all(Queue(own, "anna"))
    assert Queue(own, "ben").now()["face"] is None, "nothing is asked twice unless one wants it"
    second = Queue(own, "ben", again=True)
    face = second.now()["face"]
    second.answer(face["picture"], face["number"], "with_mask", None)
    answer_all(second)
    (found,) = agreements(read_labellers(own))
    total = second.now()["total"]
    assert (found.faces, len(found.differ), found.agreed) == (total, 1, pytest.approx(1 - 1 / total))
    second.save()
    labels = Counter(label for folder in (own, own / "test") for s in read_scenes(folder) for label in s.labels)
    assert labels == {"without_mask": total - 1, "cannot_tell": 1}
    done = maskinfer("label", own, "--agreement")
    assert f"anna and ben: {total} faces" in done.stdout
    assert "Cohen's kappa" in done.stdout


def test_labels_that_all_models_doubt_are_asked_once_more(own: Path, colour_classifier: Path) -> None:
    queue = Queue(own, "anna")
    answer_all(queue, "without_mask")
    model = load_classifier(str(colour_classifier))
    labels = {
        (picture.id, i): model.contract.labels[int(model(crop(own, picture, i)).argmax())]
        for picture in queue.pool
        for i in range(len(picture.faces))
    }
    expected = {key: label for key, label in labels.items() if label != "without_mask"}
    assert expected, "the classifier of colours sees red"
    doubted = doubtful_labels(own, queue.pool, read_labellers(own), [model])
    assert doubted == expected
    # Who agrees with the labels in the end doubts nothing, nor do two that do not say the same.
    shipped = load_classifier("mobilenetv2-128")
    both = doubtful_labels(own, queue.pool, read_labellers(own), [model, shipped])
    assert both.items() <= doubted.items()
    again = Queue(own, "anna", only=set(doubted))
    assert again.now()["left"] == again.now()["total"] == len(doubted)
    assert answer_all(again, "incorrect_mask") == len(doubted)
    assert Counter(a.label for a in read_labellers(own)["anna"].answers.values())["incorrect_mask"] == len(doubted)


def crop(site: Path, picture: PoolPicture, face: int) -> BGRBatch:
    image = cv2.imread(str(picture_file(site, picture.id)))
    return cut_crops(image, np.asarray([picture.faces[face].bbox], np.float32), CropRule(), (16, 16))


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        ([("a", "a"), ("b", "b")], 1.0),
        ([("a", "b"), ("b", "a")], -1.0),
        ([("a", "a")] * 5, None),
        # Cohen (1960): 45 and 15 agree of 100, by chance 0.54 of them.
        ([("y", "y")] * 45 + [("y", "n")] * 15 + [("n", "y")] * 25 + [("n", "n")] * 15, 0.1304),
    ],
)
def test_kappa(pairs: list[tuple[str, str]], kappa: float | None) -> None:
    assert kappa_of(pairs) == (None if kappa is None else pytest.approx(kappa, abs=1e-4))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("0" * 16, 0, "with_mask", None), "no picture"),
        (("", 99, "with_mask", None), "no face 99"),
        (("", 0, "mask", None), "is no answer"),
        (("", 0, "with_mask", (5, 5, 6, 6)), "too small"),
        (("", 0, "with_mask", (9000, 5, 9900, 600)), "outside"),
    ],
)
def test_answers_that_cannot_be(own: Path, arguments: tuple[str, int, str, None], said: str) -> None:
    queue = Queue(own, "anna")
    picture = arguments[0] or queue.pool[0].id
    with pytest.raises(RequestError, match=said):
        queue.answer(picture, *arguments[1:])
    assert not answers_file(own, "anna").exists()


def test_folders_that_are_no_place(tmp_path: Path, own: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="collect pictures with"):
        read_pool(tmp_path)
    check_error(maskinfer("label", tmp_path), 2, "holds no pool.jsonl")
    append_line(own / "pool.jsonl", {"id": "../../etc"})
    with pytest.raises(SourceError, match=r"pool\.jsonl:\d+ is no collected picture"):
        read_pool(own)
    append_line(answers_file(own, "eve"), Answer("0" * 16, 0, "with_mask"))
    answers_file(own, "eve").write_text('{"picture": 1}\n')
    with pytest.raises(SourceError, match="is no answer"):
        read_labellers(own)
    assert json.loads((own / "pool.jsonl").read_text().splitlines()[-1]) == {"id": "../../etc"}


def test_labels_of_ones_own_are_asked_and_answered(own: Path) -> None:
    assert Queue(own, "anna").labels == LABELS
    queue = Queue(own, "anna", added=["visor"])
    assert queue.labels == (*LABELS, "visor")
    face = queue.now()["face"]
    queue.answer(face["picture"], face["number"], "visor", None)
    with pytest.raises(RequestError, match=r"'n95' is no answer: expected one of with_mask, .*visor, cannot_tell"):
        queue.answer(face["picture"], face["number"], "n95", None)
    # Whoever labels next is offered what was answered.
    later = Queue(own, "bob")
    assert later.labels == (*LABELS, "visor")
    answer_all(later, "visor")
    later.save()
    assert "visor" in {label for scene in read_scenes(own) for label in scene.labels}
    with pytest.raises(RequestError, match="there are keys for 8 labels"):
        Queue(own, "anna", added=[f"kind {number}" for number in range(6)])
    with pytest.raises(RequestError, match="a label cannot be"):
        Queue(own, "anna", added=["a/b"])

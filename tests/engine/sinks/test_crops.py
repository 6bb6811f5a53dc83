"""Pictures of faces: of a tracked face the best one for each label, of others every one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import OutputError
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from maskinfer.engine.sinks.crops import CropFiles
from maskinfer.engine.sinks.run import Run


def frame(value: int = 100) -> BGRFrame:
    return np.full((120, 200, 3), value, np.uint8)


def face(side: float = 40, *, label: str = "with_mask", score: float = 0.9, track_id: int | None = None) -> Face:
    return Face((50, 40, 50 + side, 40 + side), 0.9, None, label, score, {label: score}, track_id)


def result(*faces: Face, number: int = 0, source: str = "door.mp4") -> FrameResult:
    return FrameResult(source, number, 0.0, (200, 120), faces)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_faces_on_their_own_give_a_picture_each(tmp_path: Path) -> None:
    crops = CropFiles(tmp_path / "new/crops")
    crops.add(frame(), result(face(), face(20, label="without_mask"), number=41))
    assert names(tmp_path / "new/crops") == ["door.mp4-000041-0-with_mask.jpg", "door.mp4-000041-1-without_mask.jpg"]


def test_a_picture_shows_more_than_the_box_and_no_more_than_the_frame(tmp_path: Path) -> None:
    crops = CropFiles(tmp_path)
    edge = Face((170, 90, 210, 130), 0.9, None, "with_mask", 0.9, {"with_mask": 0.9})
    crops.add(frame(), result(face(40), edge))
    inside, outside = (cv2.imread(str(tmp_path / name)) for name in names(tmp_path))
    assert inside.shape == (64, 64, 3)  # 40 and three tenths of it on each side
    assert outside.shape == (42, 42, 3)


def test_a_face_outside_the_frame_gives_none(tmp_path: Path) -> None:
    crops = CropFiles(tmp_path)
    crops.add(frame(), result(Face((300, 300, 340, 340), 0.9, None, "with_mask", 0.9, {"with_mask": 0.9})))
    assert names(tmp_path) == []


def test_of_a_tracked_face_the_best_picture_of_each_label_stays(tmp_path: Path) -> None:
    crops = CropFiles(tmp_path)
    seen = [(30, 0.9), (33, 0.9), (60, 0.9), (60, 0.5), (20, 0.99)]  # what is hardly better is not written
    for value, (side, score) in enumerate(seen):
        crops.add(frame(50 * value), result(face(side, score=score, track_id=7), number=value))
    crops.add(frame(250), result(face(20, label="without_mask", track_id=7), number=9))
    assert names(tmp_path) == ["door.mp4-7-with_mask.jpg", "door.mp4-7-without_mask.jpg"]
    assert round(float(cv2.imread(str(tmp_path / "door.mp4-7-with_mask.jpg")).mean())) == 100
    found = crops.find("door.mp4", 7, "with_mask")
    assert found is not None
    assert Path(found).name == "door.mp4-7-with_mask.jpg"
    assert crops.find("door.mp4", 8, "with_mask") is None


def test_only_the_labels_that_are_wanted(tmp_path: Path) -> None:
    crops = CropFiles(tmp_path, ["without_mask"])
    crops.add(frame(), result(face(track_id=1), face(label="without_mask", track_id=2)))
    assert names(tmp_path) == ["door.mp4-2-without_mask.jpg"]


def test_a_run_replaces_its_own_pictures_only(tmp_path: Path) -> None:
    run = Run("0123abcd")
    taken = tmp_path / f"{run.prefix}door.mp4-7-with_mask.jpg"
    taken.write_text("another's")
    crops = CropFiles(tmp_path, run=run)
    for side in (30, 60):
        crops.add(frame(), result(face(side, track_id=7)))
    found = crops.find("door.mp4", 7, "with_mask")
    assert taken.read_text() == "another's"
    assert names(tmp_path) == sorted([taken.name, Path(str(found)).name])
    assert cv2.imread(str(found)).shape == (96, 96, 3)  # the larger one


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        CropFiles(tmp_path / "file/crops")

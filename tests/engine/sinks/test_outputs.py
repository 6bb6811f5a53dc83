"""Tables, crops, and where they may go."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from maskinfer.engine.errors import OutputError, RequestError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.frames.annotate import Style, annotate
from maskinfer.engine.results import Face, FrameResult
from maskinfer.engine.sinks.event_targets import EventTargets
from maskinfer.engine.sinks.outputs import Outputs, open_outputs
from maskinfer.engine.sinks.run import Run
from maskinfer.engine.sinks.table import COLUMNS
from tests.commands.test_run import maskinfer
from tests.conftest import ROOT

FRAME = np.full((100, 120, 3), 90, np.uint8)
SCHEMA = ROOT / "maskinfer/schemas/event.schema.json"


def face(label: str, side: float = 20, track: int | None = 1, score: float = 0.9) -> Face:
    return Face((30, 40, 30 + side, 40 + side), 0.8, None, label, score, {label: score, "other": 1 - score}, track)


def result(*faces: Face, frame: int = 0, source: str = "films/a, b.mp4") -> FrameResult:
    return FrameResult(source, frame, frame / 25, (120, 100), faces)


def test_a_table_has_a_row_a_face(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    with open_outputs(Outputs(csv=str(file)), pytest.fail) as add:
        add(FRAME, result(face("with_mask"), face("uncertain", track=None)))
        add(FRAME, result(frame=1))
        add(FRAME, result(face("without_mask"), frame=2))
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["source"], row["frame"], row["track_id"], row["label"]) for row in rows] == [
        ("films/a, b.mp4", "0", "1", "with_mask"),
        ("films/a, b.mp4", "0", "", "uncertain"),
        ("films/a, b.mp4", "2", "1", "without_mask"),
    ]
    assert (rows[0]["with_mask"], rows[0]["without_mask"], rows[0]["right"]) == ("0.9", "", "50")
    assert rows[2]["time_s"] == "0.08"


def test_no_cell_is_a_formula_or_commands_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    names = ("=HYPERLINK(1)", "+1", "-1", "@x", "a\x1b[2J\nb", "-")
    with open_outputs(Outputs(csv=str(file)), pytest.fail) as add:
        for name in names:
            add(FRAME, result(face("with_mask"), source=name))
    sources = [row["source"] for row in csv.DictReader(io.StringIO(file.read_text()))]
    assert sources == ["'=HYPERLINK(1)", "'+1", "'-1", "'@x", r"a\x1b[2J\nb", "-"]


def test_who_follows_appends_and_writes_the_header_once(tmp_path: Path) -> None:
    outputs = Outputs(str(tmp_path / "a.jsonl"), str(tmp_path / "a.csv"))
    for frame in range(2):
        with open_outputs(outputs, pytest.fail, run=Run()) as add:
            add(FRAME, result(face("with_mask"), frame=frame))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["source", '"films/a', '"films/a']
    assert [json.loads(line)["frame"] for line in (tmp_path / "a.jsonl").read_text().splitlines()] == [0, 1]


def test_crops_of_two_watches_do_not_replace_one_another(tmp_path: Path) -> None:
    run = Run()  # even if both had the same id
    for side in (20, 40):
        with open_outputs(Outputs(crops=tmp_path), pytest.fail, run=run) as add:
            add(FRAME, result(face("with_mask", side)))
            add(FRAME, result(face("with_mask", side + 10), frame=1))
    sizes = [cv2.imread(str(path)).shape[0] for path in sorted(tmp_path.iterdir())]
    assert sizes == [48, 75]  # the best of each, with its margin as far as the frame goes
    assert all(path.name.startswith(run.prefix) for path in tmp_path.iterdir())


def test_crops_are_the_best_of_each_person_and_label(tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    with open_outputs(Outputs(crops=folder), pytest.fail) as add:
        for frame, (label, side) in enumerate([("with_mask", 20), ("with_mask", 40), ("with_mask", 30), ("other", 20)]):
            add(FRAME, result(face(label, side), frame=frame))
        add(FRAME, result(face("../../with_mask", track=None), frame=7, source="rtsp://cam/../1"))
    sizes = {path.name: cv2.imread(str(path)).shape[:2] for path in folder.iterdir()}
    assert sizes == {
        "films_a_b.mp4-1-with_mask.jpg": (64, 64),
        "films_a_b.mp4-1-other.jpg": (32, 32),
        "rtsp_cam_.._1-000007-0-with_mask.jpg": (32, 32),
    }
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_crops_of_one_label_at_the_edge_and_outside(tmp_path: Path) -> None:
    outside = Face((-90, -90, -50, -50), 0.9, None, "with_mask", 0.9, {"with_mask": 0.9}, None)
    edge = Face((100, 80, 140, 120), 0.9, None, "with_mask", 0.9, {"with_mask": 0.9}, None)
    with open_outputs(Outputs(crops=tmp_path, crop_labels=("with_mask",)), pytest.fail) as add:
        add(FRAME, result(outside, edge, face("without_mask")))
    assert [cv2.imread(str(path)).shape[:2] for path in tmp_path.iterdir()] == [(32, 32)]


def test_events_name_the_crop_and_the_time(tmp_path: Path) -> None:
    run = Run()
    outputs = Outputs(events=EventTargets(str(tmp_path / "e.jsonl")), crops=tmp_path, crop_labels=("with_mask",))
    with open_outputs(outputs, pytest.fail, run=run) as add:
        for frame in range(30):
            add(FRAME, result(face("with_mask"), frame=frame))
    records = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [record["event"] for record in records] == ["appeared", "settled", "left"]
    assert records[0]["crop"] is None
    assert Path(records[1]["crop"]) == tmp_path / f"{run.prefix}films_a_b.mp4-1-with_mask.jpg"
    assert Path(records[1]["crop"]).exists()
    for record in records:
        jsonschema.validate(record, json.loads(SCHEMA.read_text()), format_checker=jsonschema.FormatChecker())
        assert datetime.fromisoformat(record["at"]).utcoffset() is not None
        assert record["run"] == run.id


def test_two_outputs_into_one(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="name another"):
        Outputs("-", "-").check()
    same = Outputs(str(tmp_path / "a"), None, EventTargets(str(tmp_path / "b" / ".." / "a")))
    with pytest.raises(RequestError, match="name another"), open_outputs(same, pytest.fail):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), open_outputs(Outputs(crops=tmp_path / "file" / "x"), pytest.fail):
        pass


def test_from_the_command_line(portrait_jpg: Path, tmp_path: Path, colour_classifier: Path) -> None:
    done = maskinfer("image", portrait_jpg, "--csv", "-", "--crops", tmp_path / "c", "--classifier", colour_classifier)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 1
    assert [path.name.endswith(f"-000000-0-{rows[0]['label']}.jpg") for path in (tmp_path / "c").iterdir()] == [True]
    done = maskinfer("image", portrait_jpg, "--crop-label", "with_mask")
    assert done.returncode == 2
    assert "--crop-label would do nothing" in done.stderr


def test_ten_thousand_faces_in_a_frame(tmp_path: Path) -> None:
    many = tuple(
        Face((x, y, x + 18.0, y + 9.0), 0.9, None, "with_mask", 0.9, {"with_mask": 0.9}, 100 * row + column + 1)
        for row, y in enumerate(np.arange(0.0, 1000.0, 10.0).tolist())
        for column, x in enumerate(np.arange(0.0, 1900.0, 19.0).tolist())
    )
    frame, events = np.full((1000, 1900, 3), 90, np.uint8), tmp_path / "events.jsonl"
    outputs = Outputs(str(tmp_path / "a.jsonl"), str(tmp_path / "a.csv"), EventTargets(str(events)))
    with open_outputs(outputs, pytest.fail) as add:
        for index in range(0, 20, 10):
            add(frame, FrameResult("a", index, index / 25, (1900, 1000), many))
    results = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["faces"]) for line in results] == [10_000, 10_000]
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 20_001
    kinds = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert kinds.count("appeared") == kinds.count("left") == 10_000
    annotate(frame, FrameResult("a", 0, 0.0, (1900, 1000), many), Style(blur_faces=True))
    assert (frame[:900:10, ::19] != 90).any(2).all()  # each has its box; the counts lie below


def test_crops_of_an_unknown_label_are_refused(colour_classifier: Path, tmp_path: Path) -> None:
    outputs = Outputs(crops=tmp_path / "crops", crop_labels=("with_mask", "mask"))
    classifier = load_classifier(str(colour_classifier))
    said = "no label 'mask' to save crops of: choose from with_mask, without_mask, incorrect_mask, uncertain"
    with pytest.raises(RequestError, match=said), open_outputs(outputs, pytest.fail, classifier=classifier):
        pass
    assert not (tmp_path / "crops").exists()

"""What a result gives: arrays, a record, a table, supervision's detections."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.errors import MissingExtraError, RequestError
from maskinfer.engine.results import BARE, LABELS, Face, FrameResult, to_pandas
from maskinfer.engine.sinks.table import COLUMNS, open_csv

POINTS = ((20.0, 30.0), (60.0, 30.0), (40.0, 50.0), (25.0, 70.0), (55.0, 70.0))


def face(label: str, score: float, left: float = 10.0, **options: object) -> Face:
    scores = {name: score if name == label else (1 - score) / 2 for name in LABELS}
    return Face((left, 20.0, left + 60, 95.0), 0.9, POINTS, label, score, scores, **options)  # type: ignore[arg-type]


FACES = (
    face("without_mask", 0.75, track_id=4, sharpness=12.5),
    face("with_mask", 0.5, 200.0, track_id=7),
    face("uncertain", 0.25, 400.0, track_id=8),
)
BADLY_WORN = tuple(face("incorrect_mask", 0.75, bare=bare) for bare in (*BARE, None))
RESULT = FrameResult("door.mp4", 3, 0.12, (640, 480), FACES)
EMPTY = FrameResult("door.mp4", 4, 0.16, (640, 480), ())


def test_arrays_have_a_row_for_each_face() -> None:
    assert RESULT.xyxy.dtype == RESULT.det_scores.dtype == RESULT.scores.dtype == np.float32
    assert RESULT.xyxy.tolist() == [[10, 20, 70, 95], [200, 20, 260, 95], [400, 20, 460, 95]]
    assert RESULT.det_scores == pytest.approx([0.9] * 3)
    assert RESULT.labels.tolist() == ["without_mask", "with_mask", "uncertain"]
    assert RESULT.scores.tolist() == [0.75, 0.5, 0.25]
    assert RESULT.xyxy[RESULT.labels == "with_mask"].tolist() == [[200, 20, 260, 95]]


def test_arrays_of_no_faces_are_empty() -> None:
    assert EMPTY.xyxy.shape == (0, 4)
    assert EMPTY.det_scores.shape == EMPTY.scores.shape == EMPTY.labels.shape == (0,)
    assert (EMPTY.labels == "with_mask").shape == (0,)


@pytest.mark.parametrize("result", [RESULT, EMPTY, FrameResult("door.mp4", 5, 0.2, (640, 480), BADLY_WORN)])
def test_a_record_gives_the_result_back(result: FrameResult) -> None:
    assert FrameResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


@pytest.mark.parametrize(
    "record",
    [{}, {**RESULT.to_dict(), "faces": [{"bbox": [1, 2, 3]}]}, {**RESULT.to_dict(), "frame": "x"}, {"source": "a"}, []],
)
def test_what_is_no_record_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(RequestError, match="is not a frame result"):
        FrameResult.from_dict(record)


def test_a_record_says_what_a_badly_worn_mask_leaves_bare() -> None:
    record = FrameResult("a", 0, 0.0, (640, 480), BADLY_WORN).to_dict()
    assert [face["bare"] for face in record["faces"]] == ["nose", "nose_and_mouth", None]
    older = {**record, "faces": [{k: v for k, v in face.items() if k != "bare"} for face in record["faces"]]}
    assert [face.bare for face in FrameResult.from_dict(older).faces] == [None] * 3
    wrong = {**record, "faces": [{**record["faces"][0], "bare": "chin"}]}
    with pytest.raises(RequestError, match="bare"):
        FrameResult.from_dict(wrong)


def test_results_of_a_job_are_one_table() -> None:
    pytest.importorskip("pandas")
    table = to_pandas([RESULT, EMPTY, FrameResult("lab.mp4", 0, 0.0, (64, 48), FACES[:1])])
    assert table["source"].tolist() == ["door.mp4"] * 3 + ["lab.mp4"]
    assert table["track_id"].tolist() == [4, 7, 8, 4]
    assert table["without_mask"].tolist() == [0.75, 0.25, 0.375, 0.75]
    assert table[["left", "right"]].iloc[1].tolist() == [200, 260]
    assert table["sharpness"].isna().tolist() == [False, True, True, False]
    assert RESULT.to_pandas().equals(table.iloc[:3])


def test_a_table_of_no_faces_has_its_columns() -> None:
    pytest.importorskip("pandas")
    assert len(EMPTY.to_pandas()) == len(to_pandas([])) == 0
    assert EMPTY.to_pandas().columns.tolist() == RESULT.to_pandas().columns.tolist()
    assert EMPTY.to_pandas().dtypes["track_id"] == RESULT.to_pandas().dtypes["track_id"]


def test_the_table_is_the_one_of_the_command(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    result = replace(RESULT, faces=FACES + tuple(replace(face, track_id=9) for face in BADLY_WORN))
    with open_csv(str(tmp_path / "faces.csv")) as add:
        add(np.zeros((480, 640, 3), np.uint8), result)
    written = pandas.read_csv(tmp_path / "faces.csv", keep_default_na=False)
    table = result.to_pandas().fillna({"bare": ""})
    assert table["bare"].tolist() == ["", "", "", "nose", "nose_and_mouth", ""]
    assert table.columns.tolist()[: len(COLUMNS)] == written.columns.tolist()
    for name in COLUMNS:
        assert table[name].tolist() == written[name].tolist()


def test_labels_of_another_classifier_have_columns_of_their_own() -> None:
    pytest.importorskip("pandas")
    helmet = Face((0.0, 0.0, 9.0, 9.0), 0.5, None, "helmet", 0.75, {"helmet": 0.75, "bare": 0.25})
    table = FrameResult("a", 0, 0.0, (64, 48), (helmet,)).to_pandas()
    assert table[["helmet", "bare"]].iloc[0].tolist() == [0.75, 0.25]
    assert table["track_id"].isna().all()


def test_supervision_gets_all_of_a_face() -> None:
    supervision = pytest.importorskip("supervision")
    found = RESULT.to_supervision()
    assert found.xyxy.tolist() == RESULT.xyxy.tolist()
    assert found.confidence.tolist() == [0.75, 0.5, 0.25]
    assert found.class_id.tolist() == [1, 0, 3]
    assert found.tracker_id.tolist() == [4, 7, 8]
    assert found["class_name"].tolist() == RESULT.labels.tolist()
    assert found["landmarks"].shape == (3, 5, 2)
    assert found["bare"].tolist() == ["", "", ""]
    masked = found[found["class_name"] == "with_mask"]
    assert masked.tracker_id.tolist() == [7]
    frame = np.zeros((480, 640, 3), np.uint8)
    assert supervision.BoxAnnotator().annotate(frame.copy(), found).any()
    assert supervision.LabelAnnotator().annotate(frame.copy(), found, labels=list(RESULT.labels)).any()


def test_supervision_takes_frames_without_faces() -> None:
    supervision = pytest.importorskip("supervision")
    found = EMPTY.to_supervision()
    assert len(found) == 0
    alone = FrameResult("a", 0, 0.0, (640, 480), (face("with_mask", 0.75),)).to_supervision()
    assert alone.tracker_id is None
    assert len(supervision.Detections.merge([found, alone])) == 1


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("supervision", "to_supervision")])
def test_a_missing_library_is_named(package: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed: run .*maskinfer\[{package}\]"):
        getattr(RESULT, method)()

"""The classifier has a say in what is a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import maskinfer
from maskinfer.engine.contract import ClassifierContract, FaceCheck
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.face_check import face_score, face_scores, logits
from maskinfer.engine.faces.frame_result import FrameState, Prediction, Rules, frame_result
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import AnyPicture, Picture
from maskinfer.engine.results import LABELS, BGRFrame, Detections, FrameResult
from tests.helpers.graphs import save_checking_classifier

CHECK = FaceCheck(("retinaface-mask",), 0.3, 0.6, weight=1.0, detector_weight=0.5, bias=0.0)
CONTRACT = ClassifierContract("checking", "1", "MIT", LABELS, (16, 16), face_check=CHECK)
GREEN, GREY, RED = (20, 250, 20), (125, 125, 125), (20, 20, 250)


@pytest.fixture(scope="module")
def checking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checking_classifier(tmp_path_factory.mktemp("models") / "checking.onnx", CONTRACT)


def _engine(classifier: Path, scores: Sequence[float]) -> Engine:
    """Return an engine whose detector proposes 40 px boxes in a row, whatever it sees."""
    boxes = np.array([[50 * i, 0, 50 * i + 40, 40] for i in range(len(scores))], np.float32)

    def detector(frames: Sequence[AnyPicture]) -> list[Detections]:
        return [Detections(boxes, np.asarray(scores, np.float32), None)] * len(frames)

    return Engine(detector, load_classifier(str(classifier)), face_check=CHECK)


def _frame(*colours: tuple[int, int, int]) -> BGRFrame:
    frame = np.zeros((40, 50 * len(colours), 3), np.uint8)
    for i, colour in enumerate(colours):
        frame[:, 50 * i : 50 * i + 45] = colour
    return frame


def test_both_logits_are_weighed() -> None:
    scores = face_scores(CHECK, np.float32([2, 0, -2]), np.float32([0.5, 0.9, 0.9]))
    expected = 1 / (1 + np.exp(-np.array([2, 0.5 * np.log(9), -2 + 0.5 * np.log(9)])))
    assert scores == pytest.approx(expected, abs=1e-5)
    assert np.isfinite(logits(np.float32([0, 1]))).all()


@pytest.mark.parametrize("check", [CHECK, replace(CHECK, weight=1e6), replace(CHECK, weight=-1e6, bias=3.0)])
def test_one_face_has_the_score_that_it_has_among_many(check: FaceCheck) -> None:
    said, found = np.meshgrid(np.float32([-9.2, -2, -0.1, 0, 3, 9.2]), np.float32([0, 0.1, 0.5, 0.9, 1]))
    with np.errstate(over="ignore"):
        many = face_scores(check, said.ravel(), found.ravel())
    each = [face_score(check, float(a), float(b)) for a, b in zip(said.ravel(), found.ravel(), strict=True)]
    # Near 1 single precision rounds the logit in its fourth digit.
    assert each == pytest.approx(many.tolist(), abs=2e-4)


def test_what_the_classifier_does_not_take_for_a_face_is_none(checking: Path) -> None:
    engine = _engine(checking, [0.9, 0.9, 0.35])
    result = engine(_frame(RED, GREEN, GREEN))
    assert [face.xyxy[0] for face in result.faces] == [50, 100]
    first, second = (face.det_score for face in result.faces)
    assert 0.6 <= second < first


def test_the_best_score_comes_first_whatever_the_detector_said(checking: Path) -> None:
    result = _engine(checking, [0.9, 0.5])(_frame(GREY, GREEN))
    assert [face.xyxy[0] for face in result.faces] == [50, 0]
    assert result.faces[0].det_score > result.faces[1].det_score


def test_tracks_count_faces_only(checking: Path) -> None:
    engine = _engine(checking, [0.9, 0.35])
    tracker = engine.tracker(TrackOptions(detect_every=2, classify_every=3, certain_after=2))
    results: list[FrameResult] = []
    for i in range(8):
        frame = Frame("clip", i, i / 25, Picture(_frame(RED, GREEN)))
        results += engine.infer([frame], [tracker])
    assert [[face.track_id for face in result.faces] for result in results] == [[1]] * 8
    assert {face.xyxy[0] for result in results for face in result.faces} == {50}


def test_what_turns_out_to_be_a_face_begins_to_count_then(checking: Path) -> None:
    engine = _engine(checking, [0.9])
    tracker = engine.tracker(TrackOptions())
    colours = [RED, RED, *[GREEN] * 6]
    numbers = []
    for i, colour in enumerate(colours):
        (result,) = engine.infer([Frame("clip", i, i / 25, Picture(_frame(colour)))], [tracker])
        numbers.append([face.track_id for face in result.faces])
    assert numbers[0] == []
    assert numbers[-1] == [1]


def test_it_is_used_behind_the_detectors_it_was_measured_with(checking: Path, tmp_path: Path) -> None:
    engine = maskinfer.load("retinaface-mask", str(checking))
    assert engine.face_check == CHECK
    assert maskinfer.load("retinaface", str(checking)).face_check is None
    strict = maskinfer.load("retinaface-mask", str(checking), det_threshold=0.8).face_check
    assert strict == replace(CHECK, threshold=0.8)
    lax = maskinfer.load("retinaface-mask", str(checking), det_threshold=0.1).face_check
    assert lax == replace(CHECK, threshold=0.1)


def test_what_was_turned_down_waits_for_its_label_when_the_detector_grows_sure(colour_classifier: Path) -> None:
    """The detector's score rises in a frame in which the classifier is not asked: there is no label to give yet."""
    tracker = Tracker(TrackOptions(), proposals=True)
    box = np.asarray([[10, 10, 40, 40]], np.float32)
    (track,) = tracker.follow(Detections(box, np.asarray([0.3], np.float32), None), 0.0)
    assert track is not None
    for _ in range(3):
        track.ask(0.0)
    tracker.decide(track, 0.1, is_face=False)
    sure = Detections(box, np.asarray([0.99], np.float32), None)
    tracks = tracker.follow(sure, 0.04)
    frame = Frame("clip", 1, 0.04, Picture(np.zeros((60, 60, 3), np.uint8)))
    rules = Rules(load_classifier(str(colour_classifier)), Gate(), FaceCheck(("d",), 0.3, 0.2, 1.0, 1.0, 0.0))
    assert frame_result(FrameState(frame, sure, tracks, [], tracker, checked=False), {}, rules).faces == ()
    seen = {0: Prediction(np.asarray([0.9, 0.05, 0.05], np.float32), 20.0, 3.0)}
    (face,) = frame_result(FrameState(frame, sure, tracks, [0], tracker, checked=False), seen, rules).faces
    assert (face.label, face.track_id) == ("with_mask", 1)

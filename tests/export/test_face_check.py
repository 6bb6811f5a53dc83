"""How a classifier learns to check what a detector proposes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")

import maskinfer
from maskinfer.engine.contract import ClassifierContract, FaceCheck
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.faces.face_check import face_scores
from maskinfer.engine.results import LABELS, BGRFrame
from maskinfer.export.calibrate import calibrate
from maskinfer.export.face_check import Proposals, _regress, _threshold
from tests.helpers.graphs import save_checking_classifier


def _proposals(seed: int) -> Proposals:
    """Return proposals of which the classifier knows more than the detector."""
    rng = np.random.default_rng(seed)
    face = rng.random(4000) < 0.5
    seen_as = np.where(face, 2.0, -2.0) + rng.normal(0, 2, 4000)
    scores = 1 / (1 + np.exp(-(np.where(face, 0.5, -0.5) + rng.normal(0, 1, 4000))))
    overlap = np.where(face, 0.8, 0.0)
    return Proposals(100, *(v.astype(np.float32) for v in (seen_as, scores, overlap)), np.ones(4000, np.bool_))


def test_what_says_more_weighs_more() -> None:
    weight, detector_weight, bias = _regress([_proposals(0), _proposals(1)])
    # Of two normal distributions the log odds are the difference of the means over the variance, times the value.
    assert weight == pytest.approx(1.0, abs=0.1)
    assert detector_weight == pytest.approx(1.0, abs=0.15)
    assert bias == pytest.approx(0, abs=0.2)


def test_a_set_of_many_scenes_counts_as_one_of_few() -> None:
    one, other = _proposals(0), _proposals(1)
    alone = _regress([one, other])
    assert _regress([one, other, one, other]) == pytest.approx(alone, abs=1e-3)


def test_false_positives_are_boxes_over_no_face() -> None:
    values = np.array([0.9, 0.9, 0.2, 0.9], np.float32)
    overlap = np.array([0.0, 0.39, 0.0, 0.5], np.float32)
    proposals = Proposals(2, values, values, overlap, np.array([True, True, True, True]))
    assert proposals.false_positives(values, 0.5) == 1.0


def test_the_threshold_lets_no_more_pass_than_allowed() -> None:
    sets = [_proposals(0), _proposals(1)]
    check = FaceCheck(("d",), 0.3, 0.5, *_regress(sets))
    thresholds = [_threshold(check, sets, allowed) for allowed in (0.5, 1.0, 2.0)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert len(set(thresholds)) == 3
    for allowed, threshold in zip((0.5, 1.0, 2.0), thresholds, strict=True):
        rates = [
            np.mean([one.false_positives(face_scores(check, one.seen_as, one.scores), least) for one in sets])
            for least in (threshold, threshold - 0.01)
        ]
        assert rates[0] <= allowed < rates[1]


@pytest.fixture
def scenes(tmp_path: Path, portrait: BGRFrame) -> Path:
    """The portrait in green, annotated, beside a red one that is not."""
    green, red = portrait.copy(), portrait.copy()
    green[..., 1], red[..., 1] = green[..., 1] // 2 + 120, red[..., 1] // 3
    both = np.hstack([green, red])
    cv2.imwrite(str(tmp_path / "scene.png"), both)
    boxes = load_detector("retinaface-mask")([both])[0].xyxy
    assert len(boxes) == 2
    face = {"bbox": boxes[boxes[:, 0].argmin()].tolist(), "label": "without_mask"}
    (tmp_path / "scenes.jsonl").write_text(json.dumps({"image": "scene.png", "set": "s", "faces": [face]}) + "\n")
    return tmp_path


def test_a_classifier_that_was_told_faces_drops_the_rest(scenes: Path, colour_classifier: Path) -> None:
    plain = scenes / "plain.onnx"
    save_checking_classifier(plain, ClassifierContract("checking", "1", "MIT", LABELS, (16, 16)))
    picture = cv2.imread(str(scenes / "scene.png"))
    assert len(maskinfer.load("retinaface-mask", str(plain))(picture).faces) == 2
    summary = calibrate(str(plain), None, scenes / "checked.onnx", faces=scenes, detector="retinaface-mask")
    assert summary.face_check is not None
    assert summary.face_check.detectors == ("retinaface-mask", "retinaface-mask-int8")
    assert "a face from" in str(summary)
    (face,) = maskinfer.load("retinaface-mask", str(scenes / "checked.onnx"), det_threshold=0.5)(picture).faces
    assert face.xyxy[2] < 512
    assert summary.face_check.proposals_from == 0.3
    asked = calibrate(
        str(plain), None, scenes / "asked.onnx", faces=scenes, proposals_from=0.5, false_positives=1.0
    ).face_check
    assert asked is not None
    assert asked.proposals_from == 0.5
    with pytest.raises(RequestError, match="does not tell faces"):
        calibrate(str(colour_classifier), None, scenes / "no.onnx", faces=scenes)
    with pytest.raises(RequestError, match="nothing to learn from"):
        calibrate(str(plain), None, scenes / "no.onnx")

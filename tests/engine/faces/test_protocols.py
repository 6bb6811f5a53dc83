"""One contract suite for every detector and every classifier: those that are shipped and those that users bring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import maskinfer
from maskinfer import Detections, ModelError, RequestError, check_classifier, check_detector
from maskinfer.engine.catalog.shipped import SHIPPED
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.faces.protocols import Classifier, Detector
from maskinfer.engine.results import BGRFrame, FloatArray
from tests.conftest import shared
from tests.helpers.graphs import save_scrfd
from tests.helpers.own_models import LightClassifier, RedDetector

SCRFD = ("scrfd_500m_kps_static", "scrfd_500m_kps_dynamic_hw", "scrfd_2.5g_kps_static", "scrfd_2.5g_kps_dynamic_hw")


def shipped(task: str) -> list[str]:
    return [name for name, model in SHIPPED.items() if model.task == task]


def made_scrfd(tmp_path: Path) -> Detector:
    return load_detector(str(save_scrfd(tmp_path / "x.onnx", landmarks=True, levels=3)), kind="scrfd")


def opened(name: str) -> Callable[[Path], Detector]:
    return lambda tmp_path: load_detector(name, provider="cpu")


def insightface(name: str) -> Callable[[Path], Detector]:
    return lambda tmp_path: load_detector(str(shared("models", f"{name}.onnx")), kind="scrfd", provider="cpu")


DETECTORS: dict[str, Callable[[Path], Detector]] = {
    **{name: opened(name) for name in shipped("detector")},
    **{name: insightface(name) for name in SCRFD},
    "a SCRFD of one box": made_scrfd,
    "a user's own": lambda tmp_path: RedDetector(),
}


@pytest.fixture(scope="module")
def red_squares() -> BGRFrame:
    frame = np.full((300, 400, 3), 90, np.uint8)
    frame[40:120, 50:110] = frame[150:260, 200:290] = (10, 10, 250)
    return frame


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector(name: str, tmp_path: Path, portrait: BGRFrame, red_squares: BGRFrame) -> None:
    detector = DETECTORS[name](tmp_path)
    check_detector(detector, [portrait, red_squares, portrait[:400, 90:380]])
    assert sum(len(found) for found in detector([portrait, red_squares])) > 0


@pytest.mark.parametrize("name", shipped("classifier"))
def test_every_shipped_classifier(name: str) -> None:
    check_classifier(load_classifier(name, provider="cpu"))


def test_other_classifiers(colour_classifier: Path) -> None:
    check_classifier(load_classifier(str(colour_classifier)))
    check_classifier(LightClassifier())


def test_an_engine_of_ones_own_models(red_squares: BGRFrame) -> None:
    engine = maskinfer.load(RedDetector(), LightClassifier())
    result = engine(red_squares)
    assert result.xyxy.tolist() == [[200, 150, 290, 260], [50, 40, 110, 120]]
    assert result.det_scores == pytest.approx([0.9, 0.6])
    assert result.labels.tolist() == ["covered", "covered"]
    assert result.scores == pytest.approx([250 / 255] * 2, abs=0.02)
    assert [len(one.faces) for one in engine([red_squares, np.zeros((50, 50, 3), np.uint8)])] == [2, 0]
    assert (red_squares == np.array([10, 10, 250])).all(-1).sum() == 80 * 60 + 110 * 90


def test_options_that_work_with_ones_own_classifier(red_squares: BGRFrame) -> None:
    strict = maskinfer.load(RedDetector(), LightClassifier(), uncertain_below=0.999)
    assert strict(red_squares).labels.tolist() == ["uncertain", "uncertain"]
    large = maskinfer.load(RedDetector(), LightClassifier(), gate=maskinfer.Gate(min_face_px=70))
    assert large(red_squares).labels.tolist() == ["covered", "uncertain"]


@pytest.mark.parametrize("option", [{"det_threshold": 0.5}, {"det_size_wh": (320, 320)}, {"detector_kind": "scrfd"}])
def test_options_that_an_own_detector_cannot_get(option: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=f"{next(iter(option))} cannot be set for a detector of your own"):
        maskinfer.load(RedDetector(), LightClassifier(), **option)


def test_an_error_rate_that_an_own_classifier_does_not_know() -> None:
    with pytest.raises(RequestError, match="says how often it errs, and LightClassifier does not"):
        maskinfer.load(RedDetector(), LightClassifier(), max_error=0.02)


def test_models_that_are_open_already_are_taken(colour_classifier: Path, portrait: BGRFrame) -> None:
    by_name = maskinfer.load("retinaface", colour_classifier, provider="cpu")
    by_object = maskinfer.load(load_detector("retinaface", provider="cpu"), load_classifier(str(colour_classifier)))
    assert by_object(portrait).faces == by_name(portrait).faces


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"detector": 42}, r"the detector is a int, expected a name, a path, or an object that is called"),
        ({"classifier": 42}, "it has no labels, size_wh, crop"),
        ({"classifier": lambda crops: crops}, r"the classifier is a function, .* it has no labels, size_wh, crop"),
    ],
)
def test_what_is_no_model_is_refused(models: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        maskinfer.load(**models)


def box(count: int, **change: Any) -> Detections:
    xyxy = np.tile(np.array([[1, 2, 30, 40]], np.float32), (count, 1))
    return replace(Detections(xyxy, np.full(count, 0.5, np.float32), None), **change)


def paints(frames: Sequence[BGRFrame]) -> list[Detections]:
    for frame in frames:
        frame[:] = 0
    return [box(1) for _ in frames]


BROKEN_DETECTORS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nothing": (lambda frames: None, "returned a NoneType, expected a list"),
    "one for all": (lambda frames: [box(1)], "returned 1 results, expected .* each of"),
    "arrays": (lambda frames: [one.xyxy for one in [box(1)] * len(frames)], "returned a ndarray for a frame"),
    "shapes": (lambda frames: [box(2, scores=np.ones(1))] * len(frames), r"xyxy \(2, 4\), scores \(1,\)"),
    "not finite": (lambda frames: [box(1, scores=np.array([np.nan]))] * len(frames), "not finite"),
    "percent": (
        lambda frames: [box(1, scores=np.array([50.0]))] * len(frames),
        "from 50 to 50, expected 0 to 1",
    ),
    "xywh": (lambda frames: [box(1, xyxy=np.array([[50, 60, 30, 40]]))] * len(frames), "not widths and heights"),
    "by batch": (lambda frames: [box(len(frames))] * len(frames), "faces in frame 0 among others and 1 in the same"),
    "paints": (paints, "changed the frames"),
}


@pytest.mark.parametrize("fault", BROKEN_DETECTORS)
def test_a_broken_detector_is_told(fault: str) -> None:
    detector, message = BROKEN_DETECTORS[fault]
    with pytest.raises(ModelError, match=message):
        check_detector(detector)


class Broken(LightClassifier):
    """A classifier with another answer, or with something else to say of itself."""

    def __init__(self, answer: Callable[[BGRFrame], Any] | None = None, **said: Any) -> None:
        self.answer = answer
        for name, value in said.items():
            setattr(self, name, value)

    def __call__(self, crops: BGRFrame) -> FloatArray:
        return super().__call__(crops) if self.answer is None else self.answer(crops)


def whitens(crops: BGRFrame) -> FloatArray:
    crops[:] = 255
    return LightClassifier()(crops)


def over_all(crops: BGRFrame) -> FloatArray:
    share = np.arange(1, len(crops) + 1) / max(1, len(crops))
    return np.stack([share, 1 - share], axis=1)


BROKEN_CLASSIFIERS: dict[str, tuple[Classifier, str]] = {
    "labels": (Broken(labels=("one",)), "labels are .*, expected two or more"),
    "twice": (Broken(labels=("a", "a")), "labels are .*, expected two or more"),
    "taken": (Broken(labels=("a", "uncertain")), "none of them uncertain"),
    "size": (Broken(size_wh=(24.0, 32)), "size_wh is"),
    "crop": (Broken(crop=0.2), "crop is a float, expected a CropRule"),
    "one row": (Broken(lambda crops: np.array([0.5, 0.5])), r"returned shape \(2,\), expected \(5, 2\)"),
    "logits": (Broken(lambda crops: LightClassifier()(crops) * 8), "not probabilities"),
    "not finite": (Broken(lambda crops: LightClassifier()(crops) * np.nan), "not probabilities"),
    "negative": (Broken(lambda crops: np.tile([2.0, -1.0], (len(crops), 1))), "probability of -"),
    "paints": (Broken(whitens), "changed the crops"),
    "by batch": (Broken(over_all), "other probabilities among others than alone"),
}


@pytest.mark.parametrize("fault", BROKEN_CLASSIFIERS)
def test_a_broken_classifier_is_told(fault: str) -> None:
    classifier, message = BROKEN_CLASSIFIERS[fault]
    with pytest.raises((RequestError, ModelError), match=message):
        check_classifier(classifier)


def test_a_broken_model_is_told_while_it_runs(red_squares: BGRFrame) -> None:
    with pytest.raises(ModelError, match="returned 1 results"):
        maskinfer.load(lambda frames: [box(1)], LightClassifier())([red_squares, red_squares])
    with pytest.raises(ModelError, match="not probabilities"):
        maskinfer.load(RedDetector(), Broken(lambda crops: LightClassifier()(crops) * 8))(red_squares)

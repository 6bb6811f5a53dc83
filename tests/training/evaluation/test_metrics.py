"""Figures of groups of faces, curves, and thresholds that hold on every data set."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.results import LABELS, Detections, Face, FrameResult
from maskinfer.training.data.scenes import Scene
from maskinfer.training.evaluation.calibration import threshold_for_error
from maskinfer.training.evaluation.confidence import measure_confidence, threshold_on_every_set
from maskinfer.training.evaluation.detector import measure_detector, trace_curve
from maskinfer.training.evaluation.intervals import share
from maskinfer.training.evaluation.matching import FalseFace, TrueFace, judge
from maskinfer.training.evaluation.metrics import Outcome, by_set, by_size, by_slice, of_all, over_sets


def face(label: str, side: float = 40, score: float = 0.9) -> Face:
    return Face((0, 0, side, side), score, None, label, 0.8, {"with_mask": 0.8, "without_mask": 0.1, label: 0.8})


def true(
    scene: int, label: str, given: str | None, side: float = 40, set_: str = "a", slices: tuple[str, ...] = ()
) -> TrueFace:
    return TrueFace(scene, label, (0, 0, side, side), set_, slices, None if given is None else face(given))


def outcome(true_faces: list[TrueFace], false: list[FalseFace] | None = None, scenes: int = 4) -> Outcome:
    nowhere = np.zeros((0, 4), np.float32)
    sets = {found.scene: found.set for found in true_faces}
    night = {one.scene for one in false or [] if "night" in one.slices}
    made = (
        Scene(Path(f"{i}.jpg"), sets.get(i, ""), nowhere, (), ("night",) if i in night else ()) for i in range(scenes)
    )
    return Outcome(tuple(made), tuple(true_faces), tuple(false or []), counts_false_positives=True)


def test_the_figures_of_a_handful_of_faces() -> None:
    faces = [true(0, "with_mask", "with_mask"), true(0, "with_mask", "without_mask"), true(1, "with_mask", None)]
    faces.append(true(1, "without_mask", "without_mask"))
    found = of_all(outcome(faces, [FalseFace(2, "", (), face("with_mask"))]))
    masked = found.classes["with_mask"]
    assert masked.recall == share(2, 3)
    assert masked.label_recall == share(1, 2)
    assert masked.correct == share(1, 3)
    assert found.correct2.value == pytest.approx((1 / 3 + 1) / 2)
    # One label is all right, so both shares' own intervals are put together: no certainty from one face.
    low = found.correct2.value - math.hypot(1 / 3 - share(1, 3).low, 1 - share(1, 1).low) / 2
    assert found.correct2.low == pytest.approx(low)
    assert found.false_positives is not None
    assert (found.false_positives.value, found.false_positives.n) == (0.25, 4)
    assert "incorrect_mask" not in found.classes


def test_the_mean_of_labels_is_resampled_by_image() -> None:
    rng = np.random.default_rng(1)
    alike, mixed = [], []
    for i in range(200):
        right = rng.random() < 0.8
        for _ in range(5):
            alike.append(true(i, "with_mask", "with_mask" if right else None))
            mixed.append(true(i, "with_mask", "with_mask" if rng.random() < 0.8 else None))
    wide, narrow = of_all(outcome(alike, scenes=200)).correct2, of_all(outcome(mixed, scenes=200)).correct2
    # Five faces that are always all right or all wrong together are worth one.
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(math.sqrt(5), rel=0.3)


def test_a_threshold_holds_on_every_set_not_only_when_pooled() -> None:
    """Of 1,000 faces of one set all labels are right, of 100 of the other those under 0.9 are wrong."""
    p = np.concatenate([np.linspace(0.6, 0.999, 1000), np.linspace(0.6, 0.999, 100)])
    probabilities, truth = np.stack([p, 1 - p], 1), np.zeros(1100, np.int64)
    truth[1000:][p[1000:] < 0.9] = 1
    sets = np.asarray(["easy"] * 1000 + ["hard"] * 100)
    pooled = threshold_for_error(probabilities, truth, 0.1)
    found = threshold_on_every_set(probabilities, truth, sets, 0.1)
    assert pooled is not None
    assert found is not None
    assert pooled.value < 0.65 < 0.88 < found.value
    given = p[1000:] >= found.value
    assert (truth[1000:][given] == 1).mean() <= 0.1
    assert threshold_on_every_set(probabilities, np.ones(1100, np.int64), sets, 0.1) is None


def test_sets_sizes_and_slices() -> None:
    faces = [
        true(0, "with_mask", "with_mask", 16, "a"),
        true(0, "with_mask", None, 23.9, "a"),
        true(1, "without_mask", "without_mask", 24, "b", ("glasses",)),
        true(2, "without_mask", "with_mask", 64, "b", ("glasses", "night")),
    ]
    made = outcome(faces, [FalseFace(2, "b", ("night",), face("with_mask", 30))])
    assert {name: dict(found.score.faces) for name, found in by_set(made).items()} == {
        "a": {"with_mask": 2},
        "b": {"without_mask": 2},
    }
    sizes = by_size(made)
    assert list(sizes) == ["16-24 px", "24-32 px", "64+ px"]
    assert [found.score.false_positives for found in sizes.values()] == [0, 1, 0]
    slices = by_slice(made)
    assert list(slices) == ["glasses", "night"]
    assert slices["glasses"].classes["without_mask"].correct == share(1, 2)
    assert slices["glasses"].false_positives is None
    night = slices["night"].false_positives
    assert night is not None
    assert (night.value, night.n) == (1, 1)


def test_every_set_has_the_same_weight_whatever_its_size() -> None:
    """Of 90 faces in one set all are right, of 10 in the other half: 95 % when pooled, 75 % over sets."""
    faces = [true(0, "with_mask", "with_mask", set_="large") for _ in range(90)]
    faces += [true(1, "with_mask", "with_mask" if i % 2 else "without_mask", set_="small") for i in range(10)]
    made = outcome(faces, scenes=2)
    found = over_sets(by_set(made))
    assert found is not None
    assert of_all(made).correct2.value == pytest.approx(0.95)
    assert found.correct2.value == pytest.approx(0.75)
    assert found.correct2.low < 0.75 < found.correct2.high
    assert (found.worst_set, found.worst_correct2.value) == ("small", 0.5)
    assert over_sets({"only": of_all(made)}) is None


def test_masked_against_bare() -> None:
    faces = [true(i, "with_mask", "with_mask" if i % 2 else None) for i in range(20)]
    faces += [true(i, "incorrect_mask", "with_mask") for i in range(20)]
    faces += [true(i, "without_mask", "without_mask") for i in range(20)]
    found = measure_detector(outcome(faces, scenes=20), None)
    assert (found.masked, found.bare) == (share(30, 40), share(20, 20))
    assert found.difference.value == pytest.approx(-0.25)
    assert found.difference.low < -0.25 < found.difference.high < 0


def test_the_curve_at_each_threshold_is_a_run_at_that_threshold() -> None:
    rng = np.random.default_rng(5)
    scenes, found = [], []
    for i in range(30):
        corners = rng.uniform(0, 300, (6, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(10, 90, (6, 2))], axis=1).astype(np.float32)
        labels = tuple(str(label) for label in rng.choice(LABELS, 6))
        scenes.append(Scene(Path(f"{i}.jpg"), "", boxes, labels))
        noise = rng.uniform(0, 300, (3, 2))
        around = np.concatenate([boxes + rng.normal(0, 6, boxes.shape), np.concatenate([noise, noise + 30], axis=1)])
        scores = np.sort(rng.uniform(0.05, 1, len(around)))[::-1].astype(np.float32)
        found.append(Detections(around[rng.permutation(len(around))].astype(np.float32), scores, None))
    curve = trace_curve(scenes, found)
    for i in (0, 25, 60, 90):
        threshold = float(curve.thresholds[i])
        judged = [judge(n, s, result(d, threshold)) for n, (s, d) in enumerate(zip(scenes, found, strict=True))]
        faces = [f for both in judged for f in both[0]]
        hits = [f for f in faces if f.found is not None]
        bare = [f for f in faces if f.label == "without_mask"]
        assert curve.recall[i] == share(len(hits), len(faces))
        assert curve.bare[i] == share(sum(f.found is not None for f in bare), len(bare))
        assert curve.false_positives[i] == pytest.approx(sum(len(both[1]) for both in judged) / 30)


def result(found: Detections, threshold: float) -> FrameResult:
    kept = [(box, score) for box, score in zip(found.xyxy, found.scores, strict=True) if score >= threshold]
    faces = (Face(tuple(box.tolist()), float(score), None, "with_mask", 1.0, {}) for box, score in kept)
    return FrameResult("", 0, 0.0, (400, 400), tuple(faces))


def test_a_face_whose_label_the_classifier_lacks_is_always_wrong() -> None:
    faces = [true(i, "with_mask", "with_mask") for i in range(30)] + [true(9, "incorrect_mask", "with_mask")]
    found = measure_confidence(faces, ("with_mask", "without_mask"))
    assert found is not None
    assert (found.faces, found.foreign) == (31, 1)
    assert found.curve.errors[-1] == 1
    assert measure_confidence(faces[30:], ("with_mask", "without_mask")) is None

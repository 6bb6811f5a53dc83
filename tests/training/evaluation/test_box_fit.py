"""Boxes scaled by one factor a data set, checked against boxes drawn by a known habit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskinfer.engine.results import Detections, Face, FloatArray, FrameResult
from maskinfer.training.data.scenes import Scene
from maskinfer.training.evaluation.box_fit import FACTORS, fit_box_factor, scale_boxes, scale_detections, scale_result


def boxes(*values: tuple[float, float, float, float]) -> FloatArray:
    return np.asarray(values, np.float32).reshape(-1, 4)


def scene(xyxy: FloatArray, label: str = "with_mask") -> Scene:
    return Scene(Path("x.jpg"), "a", xyxy, (label,) * len(xyxy))


def result(xyxy: FloatArray) -> FrameResult:
    corners = ((float(a), float(b), float(c), float(d)) for a, b, c, d in xyxy)
    faces = tuple(Face(box, 0.9, None, "with_mask", 0.8, {"with_mask": 0.8}) for box in corners)
    return FrameResult("x.jpg", 0, 0.0, (640, 480), faces)


def test_boxes_are_scaled_about_their_centres() -> None:
    assert scale_boxes(boxes(), 2).shape == (0, 4)
    assert scale_boxes(boxes((10, 20, 30, 60)), 1.5).tolist() == [[5, 10, 35, 70]]


@given(st.sampled_from(FACTORS))
def test_scaling_back_gives_the_boxes_again(factor: float) -> None:
    some = boxes((10, 20, 30, 60), (0, 0, 5, 5))
    assert np.allclose(scale_boxes(scale_boxes(some, factor), 1 / factor), some, atol=1e-3)


@pytest.mark.parametrize("habit", [0.8, 1.0, 1.3])
def test_the_annotators_habit_is_found(habit: float) -> None:
    """Annotated boxes are the detector's, scaled by the habit and shifted a little: the factor undoes the habit."""
    rng = np.random.default_rng(5)
    corners, sides = rng.uniform(0, 400, (60, 2)), rng.uniform(30, 90, (60, 2))
    predicted = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    shifts = np.tile(rng.normal(0, 0.13, (60, 2)) * sides, 2).astype(np.float32)
    truth = [scene(box[None]) for box in scale_boxes(predicted, habit) + shifts]
    assert fit_box_factor(truth, [result(box[None]) for box in predicted], iou=0.6) == pytest.approx(habit, abs=0.11)


def test_of_equals_the_factor_nearest_to_one_is_taken() -> None:
    assert fit_box_factor([scene(boxes((0, 0, 40, 40)))], [result(boxes((0, 0, 40, 40)))]) == 1.0
    assert fit_box_factor([scene(boxes())], [result(boxes())]) == 1.0


def test_small_faces_and_other_labels_do_not_count() -> None:
    """The only face that a larger factor would find is too small, or of a label that is not scored."""
    predicted, face = [result(boxes((0, 0, 10, 10)))], boxes((-3, -3, 13, 13))
    assert fit_box_factor([scene(face)], predicted, iou=0.5, min_side_px=16) > 1
    assert fit_box_factor([scene(face)], predicted, iou=0.5, min_side_px=17) == 1.0
    assert fit_box_factor([scene(face, "visor")], predicted, iou=0.5, min_side_px=16) == 1.0


def test_scores_and_landmarks_stay() -> None:
    points = np.ones((1, 5, 2), np.float32)
    found = scale_detections(Detections(boxes((0, 0, 2, 2)), np.ones(1, np.float32), points), 2)
    assert found.xyxy.tolist() == [[-1, -1, 3, 3]]
    assert found.landmarks is points
    (face,) = scale_result(result(boxes((0, 0, 2, 2))), 2).faces
    assert (face.xyxy, face.det_score) == ((-1, -1, 3, 3), 0.9)

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskinfer.engine.contract import CropRule
from maskinfer.engine.faces.boxes import fused, iou_matrix, suppress
from maskinfer.engine.faces.crop import crop_windows, cut_crops
from maskinfer.engine.faces.letterbox import letterbox_batch, plan_letterbox
from maskinfer.engine.results import Detections

EMPTY = np.zeros((0, 4), np.float32)


def xyxy(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(boxes, np.float32)


@pytest.mark.parametrize(
    ("size_wh", "inner_wh", "canvas_wh"),
    [
        ((1920, 1080), (640, 360), (640, 384)),
        ((1080, 1920), (360, 640), (384, 640)),
        ((640, 640), (640, 640), (640, 640)),
        ((320, 320), (640, 640), (640, 640)),
        ((1, 1), (640, 640), (640, 640)),
        ((5000, 1), (640, 1), (640, 32)),
    ],
)
def test_letterbox_keeps_the_aspect(
    size_wh: tuple[int, int], inner_wh: tuple[int, int], canvas_wh: tuple[int, int]
) -> None:
    plan = plan_letterbox(size_wh, (640, 640), divisor=32, fixed=False)
    assert (plan.inner_wh, plan.canvas_wh) == (inner_wh, canvas_wh)


def test_a_fixed_letterbox_fills_the_canvas() -> None:
    assert plan_letterbox((1920, 1080), (640, 640), divisor=32, fixed=True).canvas_wh == (640, 640)


def test_letterboxed_points_map_back() -> None:
    plan = plan_letterbox((1234, 567), (640, 640), divisor=32, fixed=False)
    corner = np.array([1234, 567]) * plan.scale_xy
    assert corner == pytest.approx(plan.inner_wh)


def test_letterbox_batch_lays_frames_top_left_on_black() -> None:
    frames = [np.full((100, 200, 3), 50, np.uint8), np.full((50, 100, 3), 90, np.uint8)]
    plans = [plan_letterbox(f.shape[1::-1], (64, 64), divisor=16, fixed=True) for f in frames]
    batch = letterbox_batch(frames, plans)
    assert batch.shape == (2, 64, 64, 3)
    assert (batch[0, :32] == 50).all()
    assert (batch[1, :32] == 90).all()
    assert (batch[:, 32:] == 0).all()


def look(*faces: tuple[float, ...], landmarks: bool = False) -> Detections:
    """Return what one look says: left, top, right, bottom and score of each face."""
    rows = np.array(faces, np.float32).reshape(-1, 5)
    points = np.repeat(rows[:, None, :2], 5, axis=1) if landmarks else None
    return Detections(rows[:, :4], rows[:, 4], points)


def test_what_all_looks_find_is_where_it_is_in_the_mean() -> None:
    found = fused([look((0, 0, 10, 10, 0.8), landmarks=True), look((2, 0, 12, 10, 0.8), landmarks=True)])
    assert found.xyxy == pytest.approx(xyxy((1, 0, 11, 10)))
    assert found.scores == pytest.approx([0.8])
    assert found.landmarks is not None
    assert found.landmarks[0] == pytest.approx(np.tile([1.0, 0.0], (5, 1)))


def test_a_surer_look_weighs_more() -> None:
    found = fused([look((0, 0, 10, 10, 0.9)), look((2, 0, 12, 10, 0.3))])
    assert found.xyxy[0, 0] == pytest.approx(2 * 0.3 / 1.2)
    # The mean of the logits of 0.9 and 0.3.
    assert found.scores == pytest.approx([0.6626], abs=1e-4)


def test_what_one_look_of_three_finds_counts_for_less() -> None:
    alone, twice, always = (fused([look(*[(0, 0, 10, 10, 0.9)][:n]) for n in (1, m, k)]).scores[0]
                            for m, k in ((0, 0), (1, 0), (1, 1)))  # fmt: skip
    assert always == pytest.approx(0.9)
    assert 0.1 < alone < twice < always


def test_the_best_face_of_a_look_stands_for_all_of_its_place() -> None:
    found = fused([look((0, 0, 10, 10, 0.9), (1, 0, 11, 10, 0.5)), look((50, 50, 60, 60, 0.95), (0, 0, 10, 10, 0.9))])
    assert found.xyxy == pytest.approx(xyxy((0, 0, 10, 10), (50, 50, 60, 60)))
    assert found.scores[0] == pytest.approx(0.9)
    assert found.scores[1] < 0.9


def test_looks_without_faces_or_landmarks() -> None:
    nothing = fused([look(), look()])
    assert nothing.xyxy.shape == (0, 4)
    assert nothing.scores.shape == (0,)
    assert nothing.landmarks is None
    with_points = fused([look(landmarks=True), look((0, 0, 0, 0, 0.9), (5, 5, 9, 9, 0.8), landmarks=True)])
    assert with_points.landmarks is not None
    # A face without a size is one of its own.
    assert with_points.landmarks.shape == (2, 5, 2)


def test_suppress_nothing() -> None:
    assert len(suppress(EMPTY, np.zeros(0, np.float32), 0.4)) == 0


def test_suppress_keeps_the_best_of_each_cluster_in_order_of_score() -> None:
    boxes = xyxy((0, 0, 10, 10), (1, 0, 11, 10), (100, 100, 110, 110), (0, 0, 10, 10))
    scores = np.array([0.6, 0.9, 0.95, 0.7], np.float32)
    assert suppress(boxes, scores, 0.4).tolist() == [2, 1]


def greedy_reference(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if all(iou_matrix(boxes[[i]], boxes[[k]])[0, 0] <= threshold for k in kept):
            kept.append(int(i))
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_suppress_agrees_with_the_plain_algorithm(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 100, (60, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 60, (60, 2))], axis=1).astype(np.float32)
    scores = rng.permutation(np.linspace(0.1, 0.9, 60)).astype(np.float32)
    assert suppress(boxes, scores, 0.4).tolist() == greedy_reference(boxes, scores, 0.4)


def test_iou_of_nothing() -> None:
    assert iou_matrix(EMPTY, xyxy((0, 0, 1, 1))).shape == (0, 1)
    assert iou_matrix(xyxy((0, 0, 1, 1)), EMPTY).shape == (1, 0)


def test_iou() -> None:
    found = iou_matrix(xyxy((0, 0, 2, 2)), xyxy((0, 0, 2, 2), (1, 1, 3, 3), (2, 2, 4, 4)))
    assert found[0] == pytest.approx([1, 1 / 7, 0])


def test_windows_are_square_with_a_margin_on_each_side() -> None:
    windows = crop_windows(xyxy((10, 20, 50, 120)), CropRule(square=True, margin=0.1))
    assert windows[0] == pytest.approx([30 - 60, 70 - 60, 30 + 60, 70 + 60])


def test_windows_without_square_and_margin_are_the_boxes() -> None:
    boxes = xyxy((10, 20, 50, 120))
    assert crop_windows(boxes, CropRule(square=False, margin=0)) == pytest.approx(boxes)


def test_no_boxes_give_no_crops() -> None:
    assert cut_crops(np.zeros((8, 8, 3), np.uint8), EMPTY, CropRule(), (16, 12)).shape == (0, 12, 16, 3)


def test_a_crop_inside_is_the_resized_window() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (100, 100, 3), np.uint8)
    crops = cut_crops(frame, xyxy((20, 30, 60, 70)), CropRule(margin=0), (20, 20))
    expected = cv2.resize(frame[30:70, 20:60], (20, 20), interpolation=cv2.INTER_AREA)
    assert (crops[0] == expected).all()


@pytest.mark.parametrize(("border", "outside"), [("replicate", 77), ("black", 0)])
def test_what_lies_outside_the_frame(border: str, outside: int) -> None:
    frame = np.full((40, 40, 3), 77, np.uint8)
    crop = cut_crops(frame, xyxy((-20, 0, 20, 40)), CropRule(margin=0, border=border), (40, 40))[0]  # type: ignore[arg-type]
    assert (crop[:, :20] == outside).all()
    assert (crop[:, 20:] == 77).all()


@pytest.mark.parametrize(
    "box", [(-500, -500, -400, -400), (500, 500, 501, 501), (3, 3, 3, 3), (-1e4, -1e4, 1e4, 1e4), (39, 0, 41, 2)]
)
def test_odd_boxes_still_give_crops(box: tuple[float, float, float, float]) -> None:
    frame = np.full((40, 40, 3), 77, np.uint8)
    assert (cut_crops(frame, xyxy(box), CropRule(), (8, 8)) == 77).all()

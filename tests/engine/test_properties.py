"""What holds for any boxes, frames and orders."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskinfer.engine.contract import CropRule
from maskinfer.engine.faces.boxes import iou_matrix, suppress
from maskinfer.engine.faces.crop import crop_windows, cut_crops
from maskinfer.engine.faces.letterbox import letterbox_batch, plan_letterbox
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.results import Detections, FloatArray

sides = st.integers(1, 4000)
sizes_wh = st.tuples(sides, sides)
RULE = CropRule(margin=0.25, square=True, border="replicate")


def boxes(count: st.SearchStrategy[int] | int, low: float = -50, high: float = 500) -> st.SearchStrategy[FloatArray]:
    """Boxes xyxy of at least a pixel a side."""
    corners = st.integers(int(low), int(high))
    box = st.tuples(corners, corners, st.integers(1, 200), st.integers(1, 200)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    )
    counts = st.just(count) if isinstance(count, int) else count
    return counts.flatmap(lambda n: st.lists(box, min_size=n, max_size=n)).map(
        lambda rows: np.array(rows, np.float32).reshape(-1, 4)
    )


def plain_iou(a: FloatArray, b: FloatArray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, float(width)) * max(0.0, float(height))
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b)]
    return shared / (sum(areas) - shared)


@given(boxes(st.integers(0, 8)), boxes(st.integers(0, 8)))
def test_iou_is_what_the_book_says(a: FloatArray, b: FloatArray) -> None:
    matrix = iou_matrix(a, b)
    assert matrix.shape == (len(a), len(b))
    assert matrix == pytest.approx(np.array([[plain_iou(x, y) for y in b] for x in a]).reshape(matrix.shape), abs=1e-5)
    assert np.allclose(matrix, iou_matrix(b, a).T)
    assert np.allclose(np.diag(iou_matrix(a, a)), 1)


@given(boxes(st.integers(0, 14), high=150), st.floats(0.1, 0.9), st.randoms(use_true_random=False))
def test_suppression_is_the_greedy_one(xyxy: FloatArray, threshold: float, random: Random) -> None:
    scores = np.array(random.sample(range(1, 1000), len(xyxy)), np.float32) / 1000
    overlaps = [[plain_iou(a, b) for b in xyxy] for a in xyxy]
    assume(all(abs(value - threshold) > 1e-4 for row in overlaps for value in row))
    kept: list[int] = []
    for i in np.argsort(-scores):
        if all(overlaps[i][j] <= threshold for j in kept):
            kept.append(int(i))
    assert suppress(xyxy, scores, threshold).tolist() == kept


@given(
    sizes_wh, st.sampled_from([(640, 640), (640, 384), (320, 320), (33, 65)]), st.sampled_from([1, 32]), st.booleans()
)
def test_a_letterbox_holds_the_whole_frame_and_undoes_itself(
    size_wh: tuple[int, int], max_wh: tuple[int, int], divisor: int, fixed: bool
) -> None:
    fit = plan_letterbox(size_wh, max_wh, divisor=divisor, fixed=fixed)
    for axis in (0, 1):
        assert 1 <= fit.inner_wh[axis] <= max_wh[axis]
        assert fit.inner_wh[axis] <= fit.canvas_wh[axis]
        assert fixed or fit.canvas_wh[axis] % divisor == 0
        # The frame's far edge goes to the scaled one's and back.
        assert size_wh[axis] * fit.scale_xy[axis] == pytest.approx(fit.inner_wh[axis])
        assert fit.inner_wh[axis] / fit.scale_xy[axis] == pytest.approx(size_wh[axis])
        # No picture is stretched by more than the rounding to whole pixels.
        exact = min(max_wh[0] / size_wh[0], max_wh[1] / size_wh[1]) * size_wh[axis]
        assert abs(fit.inner_wh[axis] - max(1.0, exact)) <= 0.5


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_what_is_outside_the_frame_is_black(frame: np.ndarray) -> None:
    height, width = frame.shape[:2]
    fit = plan_letterbox((width, height), (32, 32), divisor=8, fixed=True)
    canvas = letterbox_batch([frame], [fit])[0]
    inner_w, inner_h = fit.inner_wh
    assert not canvas[inner_h:].any()
    assert not canvas[:, inner_w:].any()
    assert canvas[:inner_h, :inner_w].max() <= frame.max()
    assert canvas[:inner_h, :inner_w].min() >= frame.min()


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30), st.just(3))), boxes(st.integers(0, 5)))
def test_crops_have_one_size_wherever_the_box_lies(frame: np.ndarray, xyxy: FloatArray) -> None:
    crops = cut_crops(frame, xyxy, RULE, (24, 16))
    assert crops.shape == (len(xyxy), 16, 24, 3)
    for crop in crops:
        assert frame.min() <= crop.min()
        assert crop.max() <= frame.max()


@given(boxes(st.integers(1, 6)), st.integers(-300, 300))
def test_crop_windows_are_square_around_the_box_and_move_with_it(xyxy: FloatArray, shift: int) -> None:
    windows = crop_windows(xyxy, RULE)
    sizes = windows[:, 2:] - windows[:, :2]
    assert np.allclose(sizes[:, 0], sizes[:, 1], atol=1e-2)
    assert (windows[:, :2] <= xyxy[:, :2]).all()
    assert (windows[:, 2:] >= xyxy[:, 2:]).all()
    assert np.allclose(crop_windows(xyxy + np.float32(shift), RULE), windows + shift, atol=1e-2)


def separate(columns: int) -> FloatArray:
    """Boxes that do not touch, even after a step of ten pixels."""
    return np.array([[100 * i, 40, 100 * i + 60, 100] for i in range(columns)], np.float32)


@given(st.integers(1, 8), st.lists(st.randoms(use_true_random=False), min_size=1, max_size=6))
@settings(max_examples=50)
def test_tracks_stay_with_their_faces_in_whatever_order_these_come(count: int, orders: list[Random]) -> None:
    tracker = Tracker()
    ids: list[list[int]] = []
    for frame, random in enumerate(orders):
        order = random.sample(range(count), count)
        moved = separate(count) + np.float32([4, 2, 4, 2]) * frame
        tracks = tracker.follow(Detections(moved[order], np.full(count, 0.9, np.float32), None), frame / 25)
        by_face = dict(zip(order, tracks, strict=True))
        ids.append([by_face[i].id for i in range(count)])
    assert all(row == ids[0] for row in ids)
    assert sorted(ids[0]) == list(range(1, count + 1))


@given(st.lists(boxes(st.integers(0, 6)), min_size=1, max_size=5))
@settings(max_examples=50)
def test_no_two_faces_of_a_frame_share_a_track(frames: list[FloatArray]) -> None:
    tracker = Tracker()
    for i, xyxy in enumerate(frames):
        tracks = tracker.follow(Detections(xyxy, np.full(len(xyxy), 0.9, np.float32), None), i / 25)
        assert len({track.id for track in tracks}) == len(xyxy)


@given(
    st.lists(st.tuples(*[st.integers(0, 4000)] * 2, *[st.integers(-900, 900)] * 2), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
@settings(max_examples=100)
def test_faces_that_overlap_are_matched_best_first_in_whatever_order_they_come(
    faces: list[tuple[int, int, int, int]], random: Random
) -> None:
    numbers = np.array(faces, np.float32) / 100
    corners, shifts = numbers[:, :2], numbers[:, 2:]
    before = np.hstack([corners, corners + 60])
    after = before + np.tile(shifts, 2)
    overlaps = iou_matrix(before, after)
    assume(len(np.unique(overlaps)) == overlaps.size)  # which of two that are alike is better, nobody knows
    count = len(faces)
    order = random.sample(range(count), count)
    ids = []
    for taken in (list(range(count)), order):
        tracker = Tracker()
        tracker.follow(Detections(before, np.full(count, 0.9, np.float32), None), 0.0)
        tracks = tracker.follow(Detections(after[taken], np.full(count, 0.9, np.float32), None), 0.04)
        assert len({track.id for track in tracks}) == count
        by_face = dict(zip(taken, tracks, strict=True))
        ids.append([by_face[i].id if by_face[i].id <= count else None for i in range(count)])
    assert ids[0] == ids[1]
    row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
    assert ids[0][column] == row + 1

"""Boxes as pieces of straight motion: none is shown far from where it was, and no more pieces than that takes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from maskinfer.engine.frames.annotate import PLAIN
from maskinfer.engine.results import Face, FrameResult
from maskinfer.engine.sinks.copies.ass import AssEvents
from maskinfer.engine.sinks.copies.paths import Paths, Piece

Box = tuple[float, float, float, float]
STEP_S = 0.04


def face_at(box: Box, track_id: int = 1) -> Face:
    return Face(box, 0.9, None, "with_mask", 0.9, {}, track_id)


def pieces_of(boxes: list[Box], times: list[float], share: float = 0.02) -> list[Piece]:
    def run() -> Iterator[Piece]:
        paths = Paths(share)
        for box, at_s in zip(boxes, times, strict=True):
            yield from paths.add(FrameResult("", 0, at_s, (640, 480), (face_at(box),)), at_s)
        yield from paths.finish(times[-1] + STEP_S)

    return list(run())


def shown_at(piece: Piece, at_s: float) -> np.ndarray:
    span_s = piece.reached_s - piece.from_s
    share = (at_s - piece.from_s) / span_s if span_s > 0 else 0.0
    first, last = np.array(piece.face.xyxy), np.array(piece.last)
    return np.asarray(first + share * (last - first))


@pytest.mark.parametrize("share", [0.02, 0.33])
@pytest.mark.parametrize("seed", range(5))
def test_every_box_is_shown_within_the_tolerance(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    corners = np.cumsum(np.cumsum(rng.normal(0, 0.4, (300, 4)), 0), 0) / 4 + [100, 100, 180, 200]
    corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2] + 20)
    boxes: list[Box] = [(float(a), float(b), float(c), float(d)) for a, b, c, d in corners]
    times = [i * STEP_S for i in range(len(boxes))]
    pieces = pieces_of(boxes, times, share)
    assert len(pieces) < len(boxes) / 2
    for box, at_s in zip(boxes, times, strict=True):
        shown = [piece for piece in pieces if piece.from_s <= at_s < piece.to_s]
        assert len(shown) == 1
        tolerance_px = max(1.0, share * min(box[2] - box[0], box[3] - box[1]))
        assert np.abs(shown_at(shown[0], at_s) - box).max() <= tolerance_px + 1e-6


def test_a_straight_way_at_any_pace_of_frames_is_one_piece() -> None:
    times = [0.0, 0.04, 0.05, 0.3, 0.9, 1.0]
    boxes = [(10 + 50 * t, 20 - 5 * t, 60 + 40 * t, 90 + 30 * t) for t in times]
    (piece,) = pieces_of(boxes, times)
    assert (piece.from_s, piece.reached_s, piece.last) == (0.0, 1.0, boxes[-1])


def test_a_corner_ends_a_piece_although_each_step_is_small() -> None:
    boxes: list[Box] = [(float(min(i, 20 - i)) + 50, 50.0, float(min(i, 20 - i)) + 100, 100.0) for i in range(21)]
    pieces = pieces_of(boxes, [i * STEP_S for i in range(21)])
    assert len(pieces) == 2
    assert 8 * STEP_S <= pieces[1].from_s <= 13 * STEP_S


def test_times_that_stand_still() -> None:
    boxes: list[Box] = [(10.0, 10.0, 60.0, 60.0), (10.5, 10.0, 60.0, 60.0), (30.0, 10.0, 80.0, 60.0)]
    pieces = pieces_of(boxes, [1.0, 1.0, 1.0])
    assert [piece.face.xyxy for piece in pieces] == [boxes[0], boxes[2]]


def test_a_line_across_ten_hours_is_written() -> None:
    piece = Piece(35_999.5, 36_000.5, 36_000.0, face_at((10, 10, 60, 60)), (10, 10, 60, 60))
    lines = list(AssEvents((640, 480), Fraction(1), PLAIN).piece(piece))
    assert lines
    assert all("9:59:59.50,10:00:00.50" in line for line in lines)

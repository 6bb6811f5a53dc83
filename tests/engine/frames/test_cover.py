"""Faces are hidden also where the detector missed them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from maskinfer.engine.frames.cover import Box, Cover, covered
from maskinfer.engine.results import Face, FrameResult

RATE = 10


def result(frame: int, *tracks: tuple[int | None, float]) -> FrameResult:
    scores = {"with_mask": 0.9}
    faces = tuple(Face((left, 10, left + 20, 40), 0.9, None, "with_mask", 0.9, scores, track) for track, left in tracks)
    return FrameResult("door", frame, frame / RATE, (640, 480), faces)


def walk(frames: int, missed: Sequence[int]) -> list[FrameResult]:
    """One who walks to the right, ten pixels a frame, and is missed in some frames."""
    return [result(i) if i in missed else result(i, (1, 10.0 * i)) for i in range(frames)]


def hidden(results: Sequence[FrameResult], hold_s: float = 0.5) -> list[list[Box]]:
    return [boxes for _, boxes in covered(results, lambda one: one, hold_s)]


def around(box: Box, left: float) -> bool:
    """Whether a box has the whole face in it."""
    return box[0] <= left and box[1] <= 10 and box[2] >= left + 20 and box[3] >= 40


def test_a_gap_is_bridged_along_the_way() -> None:
    boxes = hidden(walk(12, missed=[4, 5, 6]))
    assert [len(one) for one in boxes] == [1] * 12
    assert all(around(one[0], 10.0 * i) for i, one in enumerate(boxes))
    assert boxes[3] == [(30.0, 10, 50.0, 40)]
    # Where it is a guess, the box is larger.
    assert boxes[5][0] == pytest.approx((47.0, 5.5, 73.0, 44.5))


def test_before_the_first_and_after_the_last_it_is_held() -> None:
    boxes = hidden(walk(30, missed=[*range(10), *range(13, 30)]))
    assert [i for i, one in enumerate(boxes) if one] == list(range(5, 18))
    assert all(around(one[0], 100.0) for one in boxes[5:10])
    assert all(around(one[0], 120.0) for one in boxes[13:18])


def test_without_a_future_it_is_held_forward_only() -> None:
    cover, seen = Cover(0.5), []
    for one in walk(30, missed=[*range(10), *range(13, 30)]):
        cover.add(one)
        seen.append(len(cover.boxes(one)))
        cover.forget(one.time_s)
    assert [i for i, count in enumerate(seen) if count] == list(range(10, 18))


def test_faces_that_are_not_followed_are_hidden_where_they_are() -> None:
    assert [len(one) for one in hidden([result(0), result(1, (None, 10.0), (None, 50.0)), result(2)])] == [0, 2, 0]


def test_every_item_comes_in_order_and_waits_no_longer_than_it_has_to() -> None:
    ahead = 0

    def counted() -> Iterator[FrameResult]:
        nonlocal ahead
        for one in walk(50, missed=[]):
            ahead += 1
            yield one

    identity: Callable[[FrameResult], FrameResult] = lambda one: one  # noqa: E731
    for i, (one, _) in enumerate(covered(counted(), identity, 0.5)):
        assert one.frame == i
        assert ahead <= i + 7


def test_what_came_before_an_error_is_given_first() -> None:
    def broken() -> Iterator[FrameResult]:
        yield from walk(4, missed=[])
        raise OSError("cut")

    shown = covered(broken(), lambda one: one, 5.0)
    assert [next(shown)[0].frame for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(OSError, match="cut"):
        next(shown)


def test_a_track_that_is_over_is_forgotten() -> None:
    cover = Cover(0.5)
    for i in range(200):
        one = result(i, (i // 2, 10.0))
        cover.add(one)
        cover.forget(one.time_s)
    assert len(cover.boxes(result(199))) <= 4

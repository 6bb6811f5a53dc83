from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import maskinfer
from maskinfer.engine.errors import SourceError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.flow.between import put_between, put_in_between
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from tests.helpers.clips import write_clip

POINTS = tuple((float(i), float(i)) for i in range(5))
Item = tuple[str, Sequence[object], Sequence[bool], Sequence[FrameResult]]


def result(index: int, **left_of: float) -> FrameResult:
    """A frame with faces at these left edges, by the names ``t1``, ``t2`` and so on of their tracks."""
    faces = [
        Face((left, 0, left + 10, 10), 0.9, POINTS, "with_mask", 1.0, {}, track_id=int(name[1:]))
        for name, left in left_of.items()
    ]
    return FrameResult("a.mp4", index, index / 30, (640, 480), tuple(faces))


def lefts(one: FrameResult) -> dict[int | None, float]:
    return {face.track_id: round(face.xyxy[0], 3) for face in one.faces}


def looked(index: int, **left_of: float) -> Item:
    return str(index), ["a"], [False], [result(index, **left_of)]


def guessed(index: int, **left_of: float) -> Item:
    return str(index), ["a"], [True], [result(index, **left_of)]


def test_faces_are_on_the_line_between_two_looks() -> None:
    items = [looked(0, t1=0), guessed(1, t1=9), guessed(2, t1=50), looked(3, t1=30)]
    out = list(put_in_between(items))
    assert [what for what, _ in out] == ["0", "1", "2", "3"]
    assert [lefts(results[0]) for _, results in out] == [{1: 0}, {1: 10}, {1: 20}, {1: 30}]
    between = out[1][1][0].faces[0]
    assert between.xyxy == pytest.approx((10, 0, 20, 10))
    assert between.landmarks == tuple((pytest.approx(x), pytest.approx(y)) for x, y in POINTS)
    assert (between.label, between.det_score) == ("with_mask", 0.9)


def test_who_is_gone_at_the_next_look_stays_where_he_was_guessed_to_be_and_who_is_new_is_not_there_before() -> None:
    out = list(put_in_between([looked(0, t1=0, t2=100), guessed(1, t1=5, t2=105), looked(2, t1=20, t3=300)]))
    assert lefts(out[1][1][0]) == {1: 10, 2: 105}


def test_results_without_guesses_wait_for_nothing() -> None:
    def items() -> Iterator[Item]:
        for i in range(3):
            yield looked(i, t1=i)
            asked.append(i)

    asked: list[int] = []
    for i, (what, _) in enumerate(put_in_between(items())):
        assert (what, len(asked)) == (str(i), i)


def test_each_source_waits_for_its_own_next_look_and_all_keep_their_order() -> None:
    a, b = object(), object()
    items: list[Item] = [
        ("0", [a, b], [False, False], [result(0, t1=0), result(0, t1=0)]),
        ("1", [a, b], [True, False], [result(1, t1=1), result(1, t1=7)]),
        ("2", [b], [True], [result(2, t1=9)]),
        ("3", [a, b], [False, False], [result(2, t1=4), result(3, t1=17)]),
    ]
    out = list(put_in_between(items))
    assert [what for what, _ in out] == ["0", "1", "2", "3"]
    assert [[lefts(one)[1] for one in results] for _, results in out] == [[0, 0], [2, 7], [12], [4, 17]]


def test_what_was_given_before_an_error_comes_out_as_it_was_guessed() -> None:
    def items() -> Iterator[Item]:
        yield looked(0, t1=0)
        yield guessed(1, t1=5)
        raise SourceError("a.mp4 ended early")

    out: list[tuple[str, list[FrameResult]]] = []
    with pytest.raises(SourceError, match="ended early"):
        out.extend(put_in_between(items()))
    assert [lefts(results[0]) for _, results in out] == [{1: 0}, {1: 5}]


class Picture:
    """Stands for a frame."""

    def __init__(self, index: int) -> None:
        self.index = index


def test_frames_are_not_held_without_end() -> None:
    taken: list[weakref.ref[Picture]] = []

    def items() -> Iterator[tuple[Picture, Sequence[object], Sequence[bool], Sequence[FrameResult]]]:
        for i in range(101):
            picture = Picture(i)
            taken.append(weakref.ref(picture))
            yield picture, ["a"], [0 < i < 100], [result(i, t1=2 * i if i < 100 else 100)]
            del picture

    most, out = 0, []
    for picture, results in put_in_between(items()):
        out.append((picture.index, lefts(results[0])[1]))
        del picture
        most = max(most, sum(one() is not None for one in taken))
    assert most <= 18
    assert [index for index, _ in out] == list(range(101))
    assert [left for _, left in out[1:80]] == [2 * i for i in range(1, 80)]  # as guessed
    assert [left for _, left in out[-5:]] == pytest.approx([96, 97, 98, 99, 100])


@pytest.mark.parametrize("times", [(0.0, 0.5, 0.0), (1.0, 0.5, 2.0), (0.0, 3.0, 2.0)])
def test_a_clock_that_jumps_leaves_the_guess(times: tuple[float, float, float]) -> None:
    first, middle, last = (replace(result(i, t1=10 * i * i), time_s=time_s) for i, time_s in enumerate(times))
    assert put_between(first, middle, last) is middle


def test_recordings_are_looked_at_fifteen_times_a_second_with_faces_where_they_are(
    portrait: BGRFrame, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "a.mp4", [np.roll(portrait, 6 * i, 1) for i in range(13)], rate=30)
    engine = maskinfer.load(threads=1)
    looked_at: list[int] = []

    class Counting:
        """The engine's detector, which counts the pictures."""

        def __call__(self, pictures: Sequence[object]) -> object:
            looked_at.append(len(pictures))
            return engine.detector(pictures)  # type: ignore[arg-type]

    assert engine.recorded_looks_per_s == 15
    counting = replace(engine, detector=Counting(), for_recordings=None)  # type: ignore[arg-type]
    some = list(counting.iterate(clip, track=TrackOptions()))
    assert sum(looked_at) == 7
    looked_at.clear()
    every = list(counting.iterate(clip, track=TrackOptions(detect_every=1)))
    assert sum(looked_at) == 13
    assert [one.frame for one in some] == [one.frame for one in every] == list(range(13))
    for ours, theirs in zip(some, every, strict=True):
        assert list(ours.labels) == list(theirs.labels)
        assert [face.track_id for face in ours.faces] == [face.track_id for face in theirs.faces]
        assert iou_matrix(ours.xyxy, theirs.xyxy).diagonal().min() > 0.9

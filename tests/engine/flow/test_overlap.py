from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from maskinfer.engine.flow.overlap import batched, in_lanes, prefetch


def failing(count: int) -> Iterator[int]:
    yield from range(count)
    raise OSError("the end of it")


def test_order_is_kept() -> None:
    with prefetch(range(100), 3) as items:
        assert list(items) == list(range(100))


def test_what_is_raised_comes_after_what_was_given() -> None:
    got = []
    with prefetch(failing(5), 2) as items, pytest.raises(OSError, match="the end of it"):  # noqa: PT012
        for item in items:
            got.append(item)  # noqa: PERF402
    assert got == list(range(5))


def test_leaving_early_stops_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    with prefetch(endless(), 2) as items:
        assert next(items) == 0
    assert closed.is_set()
    assert threading.active_count() == before


def test_it_runs_ahead_by_its_depth_only() -> None:
    taken: list[int] = []
    full = threading.Event()

    def count() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            if i == 4:
                full.set()
            yield i

    with prefetch(count(), 3) as items:
        assert next(items) == 0
        assert full.wait(5)
        assert not threading.Event().wait(0.3)
        assert len(taken) <= 6


@pytest.mark.parametrize(("count", "expected"), [(0, []), (3, [[0, 1], [2]]), (4, [[0, 1], [2, 3]])])
def test_batched(count: int, expected: list[list[int]]) -> None:
    assert list(batched(range(count), 2)) == expected


def test_batched_gives_the_part_before_an_error() -> None:
    batches = batched(failing(5), 4)
    assert next(batches) == [0, 1, 2, 3]
    assert next(batches) == [4]
    with pytest.raises(OSError, match="the end of it"):
        next(batches)


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_lanes_keep_the_order(lanes: int) -> None:
    def slow_at_first(i: int) -> int:
        time.sleep(0.02 if i % 3 == 0 else 0)
        return 10 * i

    assert list(in_lanes(slow_at_first, range(20), lanes)) == [10 * i for i in range(20)]


def test_lanes_work_at_the_same_time() -> None:
    together = threading.Barrier(3)
    assert sorted(in_lanes(lambda i: together.wait(10), range(6), 3)) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes_finish_what_came_before_an_error(lanes: int) -> None:
    got = []
    with pytest.raises(OSError, match="the end of it"):  # noqa: PT012
        for item in in_lanes(str, failing(5), lanes):
            got.append(item)  # noqa: PERF402
    assert got == list("01234")


@pytest.mark.parametrize("lanes", [1, 3])
def test_an_error_in_a_lane_comes_in_its_place(lanes: int) -> None:
    got = []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        for item in in_lanes(lambda i: 6 // (3 - i), range(9), lanes):
            got.append(item)  # noqa: PERF402
    assert got == [2, 3, 6]


def test_lanes_that_are_left_early_end() -> None:
    before = threading.active_count()
    results = in_lanes(str, iter(range(1000)), 2)
    assert next(results) == "0"
    results.close()
    assert threading.active_count() == before

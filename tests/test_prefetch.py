from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from maskinfer.engine.prefetch import batched, prefetch


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

"""Stages that overlap: an iterator that runs in a thread of its own, ahead of whoever reads it."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class _End:
    """The last thing in a queue; carries what the iterator raised."""

    error: BaseException | None


class prefetch(Generic[T]):  # noqa: N801 - used as a function
    """Run an iterable in a thread, at most ``depth`` items ahead; use as a context manager and iterate once.

    Leaving the block stops the thread and closes the iterable, wherever it was. What the iterable raises is
    raised to the reader, after the items that came before.
    """

    def __init__(self, items: Iterable[T], depth: int, name: str = "prefetch") -> None:
        self._items = items
        self._queue: queue.Queue[T | _End] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._produce, name=name, daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._consume()

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _consume(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _produce(self) -> None:
        error: BaseException | None = None
        iterator = iter(self._items)
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except BaseException as raised:  # handed to the reader
            error = raised
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False


def in_lanes(function: Callable[[T], R], items: Iterable[T], lanes: int) -> Iterator[R]:
    """Yield what a function makes of each item, in order; it works on so many items at the same time.

    When the iterable raises, what it gave before is done first.
    """
    if lanes == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(lanes, "lane") as pool:
        # More than there are lanes, so that none waits while the reader is busy; and some items take hardly any time,
        # such as frames of a recording that the detector does not look at.
        for future in _ahead((pool.submit(function, item) for item in items), 2 * lanes + 2):
            yield future.result()


def _ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """Yield items, each after so many of them were taken."""
    taken: deque[T] = deque()
    try:
        for item in items:
            taken.append(item)
            if len(taken) >= count:
                yield taken.popleft()
    except Exception:
        yield from taken
        raise
    yield from taken


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items, the last one shorter.

    When the iterable raises in the middle of a batch, what it gave before is yielded first.
    """
    iterator = iter(items)
    while True:
        batch: list[T] = []
        try:
            batch.extend(islice(iterator, size))
        except Exception:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch

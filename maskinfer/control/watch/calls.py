"""What other threads want done by the one that looks at the cameras."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

_PATIENCE_S = 10.0


class Calls:
    """Functions that wait for the thread that does them.

    Args:
        wake: called when there is one.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def call(self, change: Callable[[], None]) -> None:
        """Let a function be called, and wait until it is done, or has ended."""
        done = threading.Event()

        def call() -> None:
            try:
                change()
            finally:
                done.set()

        self._waiting.put(call)
        self._wake()
        done.wait(_PATIENCE_S)

    def do(self) -> None:
        """Call what waits."""
        while True:
            try:
                call = self._waiting.get_nowait()
            except Empty:
                return
            call()

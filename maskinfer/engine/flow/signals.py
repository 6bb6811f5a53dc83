"""Ctrl-C and SIGTERM as a wish that a job sees between two frames, so that what was written stays whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], int]]:
    """Give a function that returns the number of the signal that asked to stop, or 0.

    The second signal is not waited for: it raises KeyboardInterrupt, with its number, at once; a third one kills.
    Outside the main thread, where no signals arrive, the answer stays 0.
    """
    received = [0]

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if received[0]:
            for one in SIGNALS:
                signal.signal(one, signal.SIG_DFL)
            raise KeyboardInterrupt(number)
        received[0] = number

    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield lambda: received[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

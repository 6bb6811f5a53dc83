"""Ctrl-C and SIGTERM as a wish that a job sees between two frames, so that what was written stays whole."""

from __future__ import annotations

import os
import signal
import sys
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


@contextmanager
def reload_on_hangup() -> Iterator[Callable[[], bool]]:
    """Give a function that returns True once after each SIGHUP, which then ends nothing.

    When the terminal that a person began the job on was closed, SIGHUP is a wish to stop, as SIGTERM is.
    """
    received = [0]
    hangup = getattr(signal, "SIGHUP", None)
    on_terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if on_terminal and not _has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        received[0] += 1

    def take() -> bool:
        if not received[0]:
            return False
        received[0] = 0
        return True

    if hangup is None or threading.current_thread() is not threading.main_thread():
        yield take
        return
    before = signal.signal(hangup, on_signal)
    try:
        yield take
    finally:
        signal.signal(hangup, before)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


@contextmanager
def outlive_hangup() -> Iterator[None]:
    """Let SIGHUP, which logrotate sends after it has renamed files, end nothing.

    Of a job that a person began on a terminal it still means that the terminal was closed, which ends the job.
    """
    hangup = getattr(signal, "SIGHUP", None)
    on_terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    if hangup is None or on_terminal or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(hangup, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(hangup, before)

"""Ctrl-C and SIGTERM as a wish: in a process of its own, since the signals are real."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from maskinfer.engine.flow.signals import stop_on_signal

SENDS = """
import signal
from maskinfer.engine.flow.signals import stop_on_signal

before = signal.getsignal(signal.SIGINT)
try:
    with stop_on_signal() as stopped:
        print(stopped())
        for name in {names}:
            signal.raise_signal(getattr(signal, name))
            print(int(stopped()))
except KeyboardInterrupt as interrupt:
    print("interrupted by", int(interrupt.args[0]))
print("as before" if signal.getsignal(signal.SIGINT) is before else "changed")
"""


def after(*names: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SENDS.format(names=names)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_is_a_wish_that_the_job_sees(name: str) -> None:
    assert after(name) == ["0", str(int(getattr(signal, name))), "as before"]


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGTERM"), ("SIGTERM", "SIGINT"), ("SIGINT", "SIGINT")])
def test_a_second_signal_is_not_waited_for(first: str, second: str) -> None:
    numbers = [str(int(getattr(signal, name))) for name in (first, second)]
    assert after(first, second) == ["0", numbers[0], f"interrupted by {numbers[1]}", "as before"]


def test_another_thread_is_never_asked_to_stop() -> None:
    answers: list[int] = []

    def job() -> None:
        with stop_on_signal() as stopped:
            answers.append(stopped())

    thread = threading.Thread(target=job)
    before = signal.getsignal(signal.SIGINT)
    thread.start()
    thread.join()
    assert answers == [0]
    assert signal.getsignal(signal.SIGINT) is before

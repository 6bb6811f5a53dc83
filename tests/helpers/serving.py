"""The command ``serve`` in a process of its own, and the clip of a door that it watches."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from maskinfer.engine.results import BGRFrame
from tests.helpers.clips import write_clip
from tests.helpers.waiting import wait_until

RATE = 10
SIZE_WH = (320, 240)
# Somebody is there for four seconds of each seven.
THERE, GONE = 4 * RATE, 3 * RATE
# Few threads, and who comes back after three seconds is somebody else.
LOOK = "[models]\nthreads = 1\n[visits]\nleave_s = 1\njoin_s = 1.5\n"


def scene(portrait: BGRFrame, step: int | None) -> BGRFrame:
    """A wall, and before it the portrait at a step of its way through the picture; None for nobody."""
    frame = np.full((SIZE_WH[1], SIZE_WH[0], 3), 120, np.uint8)
    if step is not None:
        face = cv2.resize(portrait[:340, 60:400], (200, 200), interpolation=cv2.INTER_AREA)
        frame[30:230, 20 + 2 * step : 220 + 2 * step] = face
    return frame


def write_door_clip(portrait: BGRFrame, path: Path) -> Path:
    """Two minutes of somebody without a mask who comes and goes."""
    once = [scene(portrait, i) for i in range(THERE)] + [scene(portrait, None)] * GONE
    return write_clip(path, once * 17, rate=RATE, options={"g": "10", "preset": "ultrafast", "threads": "1"})


class Served:
    """A running ``maskinfer serve``."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "maskinfer", "serve", *arguments]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr:
            self.lines.extend(line.rstrip("\n") for line in self.process.stderr)

    def wait_for(self, pattern: str) -> str:
        """Wait for a line with a pattern, and return what matches."""
        wait_until(lambda: self.found(pattern) or self.process.poll() is not None)
        found = self.found(pattern)
        assert found, self.lines
        return found

    def found(self, pattern: str) -> str:
        """What matches a pattern so far; empty if nothing does."""
        return next((match[0] for line in list(self.lines) if (match := re.search(pattern, line))), "")

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(60)
        self.join()
        return code

    def join(self) -> None:
        """Read the last lines of a process that has ended."""
        self._reader.join()


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    """Run ``maskinfer serve`` for as long as a block lasts."""
    served = Served(folder, *arguments)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)

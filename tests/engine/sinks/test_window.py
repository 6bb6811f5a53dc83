from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import cv2
import pytest

from maskinfer.engine.errors import DisplayError
from maskinfer.engine.sinks.window import open_window

HEADLESS = re.search(r"GUI:\s+NONE", cv2.getBuildInformation()) is not None
linux_with_windows = pytest.mark.skipif(
    HEADLESS or not sys.platform.startswith("linux"), reason="needs Linux and an OpenCV that has windows"
)
DEAD_DISPLAY = ":9973"


@pytest.mark.skipif(not HEADLESS, reason="this OpenCV has windows")
def test_a_headless_opencv_says_what_to_install() -> None:
    with pytest.raises(DisplayError, match=r"headless; run .*opencv-python; or give --no-show"), open_window("test"):
        pass


@linux_with_windows
def test_no_display_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DisplayError, match=r"DISPLAY is not set.*--no-show"), open_window("test"):
        pass


@linux_with_windows
def test_a_dead_display_does_not_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", DEAD_DISPLAY)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DisplayError, match=rf"display {DEAD_DISPLAY}.*--no-show") as caught, open_window("test"):
        pass
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """The name of a real X display without a screen."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1000x24"]
    server = subprocess.Popen(command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        number = pipe.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


# Qt takes one display per process, so each window has a process of its own.
SHOW = """
import sys, time
import cv2, numpy as np
from maskinfer.engine.sinks.window import open_window
with open_window("maskinfer test") as window:
    frame = np.zeros((2160, 3840, 3), np.uint8)
    alive = window.show(frame)
    print("shown", alive, flush=True)
    end = time.monotonic() + 20
    while alive and time.monotonic() < end:
        if sys.argv[1:] == ["close"]:
            cv2.destroyWindow("maskinfer test")
        alive = window.show(frame)
    print("closed", not alive, window.show(frame), flush=True)
"""


def _start(display: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DISPLAY": display}
    environment.pop("WAYLAND_DISPLAY", None)
    command = [sys.executable, "-c", SHOW, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@linux_with_windows
def test_closing_the_window_ends_the_show(display: str) -> None:
    out, err = _start(display, "close").communicate(timeout=60)
    assert (out.splitlines(), err) == (["shown True", "closed True False"], "")


@linux_with_windows
@pytest.mark.skipif(shutil.which("xdotool") is None, reason="xdotool, which presses keys, is not installed")
@pytest.mark.parametrize("key", ["q", "Escape"])
def test_q_and_escape_end_the_show(display: str, key: str) -> None:
    shown = _start(display)
    assert shown.stdout is not None
    assert shown.stdout.readline() == "shown True\n"
    press = ["xdotool", "search", "--name", "maskinfer test", "windowfocus", "key", key]
    while shown.poll() is None:
        subprocess.run(press, env={**os.environ, "DISPLAY": display}, check=False, capture_output=True)
        time.sleep(0.2)
    assert shown.stdout.read() == "closed True False\n"
    shown.communicate()

"""A window that shows frames."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import cv2

from maskinfer.engine.errors import DisplayError
from maskinfer.engine.results import BGRFrame

_MAX_WIDTH, _MAX_HEIGHT = 1280, 720
_ESC = 27
_PROBE_S = 30
_PROBE = "import cv2; cv2.namedWindow('probe', cv2.WINDOW_NORMAL); cv2.destroyAllWindows()"
_WITHOUT = "give --no-show to do without"


class Window:
    """An open window."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = False
        self._closed = False

    def show(self, bgr: BGRFrame) -> bool:
        """Show a uint8 (height, width, 3) frame; return False once q or Esc was pressed or the window closed.

        Raises:
            DisplayError: the display was lost.
        """
        self._closed = self._closed or (self._shown and self._is_gone())
        if self._closed:
            return False
        try:
            if not self._shown:
                self._fit(bgr)
            cv2.imshow(self._title, bgr)
            key = cv2.waitKey(1) & 0xFF
        except cv2.error as error:
            raise DisplayError(f"the window cannot be drawn to: {error.err}; {_WITHOUT}") from error
        self._shown = True
        self._closed = key in (ord("q"), ord("Q"), _ESC)
        return not self._closed

    def _is_gone(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:
            return True

    def _fit(self, bgr: BGRFrame) -> None:
        height, width = bgr.shape[:2]
        scale = min(1.0, _MAX_WIDTH / width, _MAX_HEIGHT / height)
        cv2.resizeWindow(self._title, round(width * scale), round(height * scale))


@contextmanager
def open_window(title: str) -> Iterator[Window]:
    """Open a window that closes when the block ends. Use it in one thread, on macOS in the main thread.

    Raises:
        DisplayError: there is no display, or this OpenCV was built without windows.
    """
    _check_opencv()
    # OpenCV's Qt complains at length about fonts that only its toolbars would need.
    os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
    _check_display()
    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    except cv2.error as error:
        raise DisplayError(f"no window can be opened: {error.err}; {_WITHOUT}") from error
    try:
        yield Window(title)
    finally:
        with suppress(cv2.error):  # it may have been closed by hand
            cv2.destroyWindow(title)


def _check_opencv() -> None:
    toolkit = re.search(r"^\s*GUI:\s+(\S+)", cv2.getBuildInformation(), re.MULTILINE)
    if toolkit is not None and toolkit[1] == "NONE":
        raise DisplayError(
            "no window can be opened: this OpenCV is headless; run "
            f"pip uninstall opencv-python-headless && pip install --force-reinstall opencv-python; or {_WITHOUT}"
        )


def _check_display() -> None:
    """Raise where there is no display, before Qt ends the whole process over it."""
    if not sys.platform.startswith("linux"):
        return
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        raise DisplayError(f"no window can be opened: there is no display (DISPLAY is not set); {_WITHOUT}")
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        raise DisplayError(f"no window can be opened: the display does not answer; {_WITHOUT}") from None
    if done.returncode != 0:
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        raise DisplayError(f"no window can be opened on display {display}: it does not answer; {_WITHOUT}")

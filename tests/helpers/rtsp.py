"""A real RTSP server in a process of its own, that is killed and comes back at the same address."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

_PROGRAM = Path(__file__).with_name("rtsp_server.py")
_DEBIAN_PYTHON = "/usr/bin/python3"
_CHECK = "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0')"


def _has_server() -> bool:
    try:
        return subprocess.run([_DEBIAN_PYTHON, "-c", _CHECK], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


needs_rtsp = pytest.mark.skipif(
    not _has_server(),
    reason="needs Debian's python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good",
)


class RtspServer:
    """A server of one clip, which begins anew for whoever connects first.

    The clip must have one slice a frame, as the encoder's option ``threads=1`` makes it: before each slice of a key
    frame GStreamer repeats the stream's parameters, at which decoders take what follows for another frame.
    """

    def __init__(self, clip: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self._clip = clip
        self.start()

    def start(self) -> None:
        """Serve, from now on or again."""
        command = [_DEBIAN_PYTHON, str(_PROGRAM), str(self.port), str(self._clip)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """End at once, as when the power of a camera fails."""
        self._process.kill()
        self._process.communicate()

    @property
    def url(self) -> str:
        """The address, with a password that nobody may see."""
        return f"rtsp://guard:hunter2@127.0.0.1:{self.port}/door"

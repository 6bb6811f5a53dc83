"""Plays a video in a real browser, for tests of what a page's visitor would see."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--autoplay-policy=no-user-gesture-required",
)
PATIENCE_S = 300
# The page gives up before the test does, and says how far it came.
PAGE = b"""<!doctype html><video id="v" muted playsinline></video><script>
const v = document.getElementById("v");
let sent = false;
function send() {
  if (sent) return;
  sent = true;
  const error = v.error && {code: v.error.code, message: v.error.message};
  const number = x => Number.isFinite(x) ? x : null;
  fetch("/readings", {method: "POST", body: JSON.stringify({
    videoWidth: v.videoWidth, videoHeight: v.videoHeight, duration: number(v.duration),
    currentTime: v.currentTime, error})});
}
v.addEventListener("error", send);
v.addEventListener("ended", send);
v.addEventListener("timeupdate", () => { if (v.currentTime >= 0.3) send(); });
setTimeout(send, 45000);
v.src = "/clip";
v.play().catch(() => {});
</script>"""

Readings = dict[str, Any]


def play_in_chromium(path: Path) -> Readings:
    """Play a file for a moment, muted, in a page in headless Chromium; skip the test where there is none.

    Returns:
        ``videoWidth`` and ``videoHeight`` in pixels, 0 when nothing could be decoded; ``duration`` in seconds or
        None; ``currentTime``, the seconds that were played, 0.3 or a little more when all is well; ``error``,
        None or the media error's ``code`` and ``message``.
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no Chromium is installed (looked for {', '.join(NAMES)})")
    readings: Queue[Readings] = Queue()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        _served(path, readings) as url,
        _running([browser, *FLAGS, f"--user-data-dir={profile}", url]) as process,
    ):
        try:
            return readings.get(timeout=PATIENCE_S)
        except Empty:
            pytest.fail(f"the page in {browser} (exit code {process.poll()}) told nothing in {PATIENCE_S} s")


@contextmanager
def _served(path: Path, readings: Queue[Readings]) -> Iterator[str]:
    class Handler(_Handler):
        clip = path.read_bytes()
        told = readings

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        try:
            yield process
        finally:
            # Its own session, so that its renderers end with it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class _Handler(BaseHTTPRequestHandler):
    clip: bytes
    told: Queue[Readings]

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, PAGE, {"Content-Type": "text/html"})
        elif self.path == "/clip":
            self._send_clip()
        else:
            self._answer(404, b"", {})

    def do_POST(self) -> None:
        self.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(204, b"", {})

    def _send_clip(self) -> None:
        size = len(self.clip)
        headers = {"Content-Type": "video/mp4", "Accept-Ranges": "bytes"}
        unit, _, span = self.headers.get("Range", "").partition("=")
        first, _, last = span.partition("-")
        if unit != "bytes" or not first:
            self._answer(200, self.clip, headers)
            return
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        self._answer(206, self.clip[start : end + 1], headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        # The browser hangs up when it has seen enough.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

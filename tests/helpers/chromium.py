"""A real browser that a test drives, by the Chrome DevTools Protocol over a pair of pipes."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Thread
from typing import Any

import pytest

from tests.helpers.browser import FLAGS, NAMES

PATIENCE_S = 60
_DIALOG = 1_000_000_000  # the number of commands that nobody waits for
DESKTOP_WH = (1280, 800)
PHONE_WH = (390, 844)

# The browser reads commands from 3 and answers on 4.
WIRE = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"


class Page:
    """One tab; what is done in it has been done when the call returns."""

    def __init__(self, browser: _Pipe, session: str) -> None:
        self._browser, self._session = browser, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **params: Any) -> Any:
        return self._browser.command(method, params, self._session)

    def events(self, method: str) -> list[dict[str, Any]]:
        """What the browser told of this kind so far."""
        self.run("0")
        return [event["params"] for event in self._browser.told if event.get("method") == method]

    def problems(self) -> list[str]:
        """What stands in the console as an error, a breach of the content security policy among it."""
        entries = [event["entry"] for event in self.events("Log.entryAdded")]
        thrown = [event["exceptionDetails"] for event in self.events("Runtime.exceptionThrown")]
        return [f"{e['text']} {e.get('url', '')}" for e in entries if e["level"] == "error"] + [
            json.dumps(details.get("exception", details)) for details in thrown
        ]

    def forget_problems(self) -> None:
        self.run("0")
        self._browser.told.clear()

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript; a promise is waited for."""
        answer = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.run("addEventListener('beforeunload', event => event.stopImmediatePropagation(), true)")
        answer = self.command("Page.navigate", url=url)
        assert not answer.get("errorText"), answer
        self.wait("document.readyState === 'complete'")

    def wait(self, script: str, patience_s: float = PATIENCE_S) -> Any:
        """Wait until an expression is true or a node, and return it."""
        ends_s = time.monotonic() + patience_s
        while True:
            with suppress(AssertionError):  # while a page gives way to the next
                if value := self.run(f"(value => value instanceof Node || value)({script})"):
                    return value
            if time.monotonic() > ends_s:
                pytest.fail(f"in {patience_s} s it did not become true that {script}; the page: {self.text()[:2000]}")
            time.sleep(0.05)

    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def click(self, selector: str) -> None:
        self.click_at(*self.middle(selector))

    def middle(self, selector: str) -> tuple[float, float]:
        x, y = self.wait(
            f"""(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;
            e.scrollIntoView({{block: "center", behavior: "instant"}}); const r = e.getBoundingClientRect();
            return [r.x + r.width / 2, r.y + r.height / 2]; }})()"""
        )
        return x, y

    def click_at(self, x: float, y: float) -> None:
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.mouse("mousePressed", *start)
        for share in (0.5, 1.0):
            self.mouse("mouseMoved", *(a + (b - a) * share for a, b in zip(start, end, strict=True)))
        self.mouse("mouseReleased", *end)

    def mouse(self, kind: str, x: float, y: float) -> None:
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def type(self, selector: str, text: str) -> None:
        """Type into a field in place of what it holds."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        self.run(f"(e => {{ e.focus(); if (e.select) e.select(); }})(document.querySelector({json.dumps(selector)}))")
        self.command("Input.insertText", text=text)

    def press(self, key: str, *, code: int, modifiers: int = 0) -> None:
        """Press a key, as ``press("Tab", code=9)``."""
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        text = {"text": "\r"} if key == "Enter" else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        self.command("Input.dispatchKeyEvent", type="keyUp", **named)

    def look_like(self, size_wh: tuple[int, int] = DESKTOP_WH, *, dark: bool = False, scale: float = 1) -> None:
        width, height = size_wh
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=size_wh == PHONE_WH,
        )  # fmt: skip
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.command("Emulation.setEmulatedMedia", features=scheme)

    def screenshot(self, path: Path, *, whole: bool = True) -> Path:
        data = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def download_into(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._browser.command(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder), "eventsEnabled": True}
        )

    def offline(self) -> None:
        self.command(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
        )


@contextmanager
def open_chromium() -> Iterator[Page]:
    """Give a tab of a new headless Chromium; skip the test where there is none."""
    name = next(filter(None, map(shutil.which, NAMES)), None)
    if name is None:
        pytest.skip(f"no Chromium is installed (looked for {', '.join(NAMES)})")
    from_us, to_browser = map(_high, os.pipe())
    from_browser, to_us = map(_high, os.pipe())

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [name, *FLAGS, "--remote-debugging-pipe", "--hide-scrollbars", f"--user-data-dir={profile}"]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-ISc", WIRE, str(from_us), str(to_us), *command, "about:blank"],
            stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, pass_fds=(from_us, to_us),
        )  # fmt: skip
        os.close(from_us)
        os.close(to_us)
        pipe = _Pipe(to_browser, from_browser)
        try:
            target = pipe.command("Target.createTarget", {"url": "about:blank"})["targetId"]
            session = pipe.command("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
            page = Page(pipe, session)
            page.look_like()
            yield page
        finally:
            # Its own session, so that its renderers end with it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            pipe.close()


def _high(fd: int) -> int:
    """The same file under a number that is not 3 or 4."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return high


class _Pipe:
    """JSON messages, each ended by a NUL, to and from a browser."""

    def __init__(self, write_fd: int, read_fd: int) -> None:
        self._write_fd, self._read_fd, self._number = write_fd, read_fd, 0
        self.told: list[dict[str, Any]] = []
        self._answers: Queue[dict[str, Any]] = Queue()
        self._writing = Lock()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def command(self, method: str, params: dict[str, Any], session: str | None = None) -> Any:
        self._number += 1
        self._send(self._number, method, params, session)
        ends_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, ends_s - time.monotonic()))
            except Empty:
                pytest.fail(f"Chromium did not answer {method} in {PATIENCE_S} s")
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _send(self, number: int, method: str, params: dict[str, Any], session: str | None) -> None:
        message = {"id": number, "method": method, "params": params}
        message |= {} if session is None else {"sessionId": session}
        data = json.dumps(message).encode() + b"\0"
        with self._writing:
            while data:
                data = data[os.write(self._write_fd, data) :]

    def close(self) -> None:
        os.close(self._write_fd)
        self._reader.join(PATIENCE_S)
        os.close(self._read_fd)

    def _read(self) -> None:
        waiting = b""
        while data := os.read(self._read_fd, 1 << 16):
            *whole, waiting = (waiting + data).split(b"\0")
            for text in whole:
                message = json.loads(text)
                if "id" in message:
                    self._answers.put(message)
                    continue
                self.told.append(message)
                if message["method"] == "Page.javascriptDialogOpening":
                    # A page that asks whether to leave it would answer nobody, and fail the tests that come after.
                    self._send(_DIALOG, "Page.handleJavaScriptDialog", {"accept": True}, message.get("sessionId"))

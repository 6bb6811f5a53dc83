"""Tells systemd how the service is: sd_notify(3), a datagram to the socket that ``NOTIFY_SOCKET`` names.

Where nobody asked for it, as outside of systemd, nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress


class ServiceManager:
    """The one that started this process, if it wants to hear of it. No method waits or raises.

    Args:
        environ: that holds ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``.
        clock: gives seconds that never go back.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        watchdog_s = _watchdog_s(environ)
        # Twice in the time after which it would be killed.
        self._every_s = None if watchdog_s is None else watchdog_s / 2
        self._clock, self._told_s, self._status = clock, float("-inf"), ""

    @property
    def beats_every_s(self) -> float | None:
        """How often ``beat`` must be called at least, in seconds; None where nobody waits for it."""
        return self._every_s

    def ready(self, status: str) -> None:
        """Say that the service is up, which those that start after it wait for."""
        self._status = status
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, text: str) -> None:
        """Say in a line how it is going; ``systemctl status`` shows it."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={_line(text)}")

    def beat(self) -> None:
        """Say that the watch goes on; call it from the loop that must not hang, as often as you like."""
        now_s = self._clock()
        if self._every_s is not None and now_s - self._told_s >= self._every_s / 2:
            self._told_s = now_s
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the settings are read anew; ``ready`` says when that is done."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """Say that the service ends."""
        self._send(f"STOPPING=1\nSTATUS={_line(status)}")

    def _send(self, text: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode(), self._address)


def _address(named: str) -> str | None:
    if not hasattr(socket, "AF_UNIX") or not named.startswith(("/", "@")):
        return None
    return "\0" + named[1:] if named.startswith("@") else named


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return after how many seconds without a word this process is killed; None if it is not."""
    usec = environ.get("WATCHDOG_USEC", "")
    if not usec.isdecimal() or not int(usec) or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(usec) / 1e6


def _line(text: str) -> str:
    return " ".join(text.split())

"""Events posted to a receiver, in their order, by a thread that never holds up the job."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from maskinfer.engine.errors import OnError, RequestError
from maskinfer.engine.files.urls import public_host
from maskinfer.engine.records import EventRecord

MAX_WAITING = 10_000
_TIMEOUT_S = 10.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
# Predictions after which the same record may be taken later; after others it never will be.
_RETRIED = {408, 425, 429}


class Webhook:
    """A receiver of records: ``post`` never waits and never raises.

    Records wait while the receiver is down or answers 5xx, 408, 425 or 429, up to ``MAX_WAITING``; then the oldest go.

    Attributes:
        delivered: how many records were taken.
        refused: how many the receiver refused for good.
        dropped: how many had no room.
    """

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._name, self._timeout_s = public_host(url), timeout_s
        self._url, self._headers = _address(url)
        self._waiting: deque[EventRecord] = deque()
        self._news = threading.Condition()
        self._ends_s: float | None = None
        self.delivered = self.refused = self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def post(self, record: EventRecord) -> None:
        """Hand over a record."""
        with self._news:
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(record)
            self._news.notify_all()

    def close(self, linger_s: float) -> list[str]:
        """Post for at most so long what waits, and return a line for what was lost."""
        with self._news:
            self._ends_s = time.monotonic() + linger_s
            self._news.notify_all()
        self._thread.join(linger_s + self._timeout_s if linger_s else 0.0)
        lost = len(self._waiting) + self.dropped + self.refused
        if not lost:
            return []
        return [
            f"{lost} events did not reach {self._name}: {len(self._waiting)} were waiting, "
            f"{self.dropped} had no room, {self.refused} were refused"
        ]

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while (record := self._next()) is not None:
            taken = self._send(record)
            if taken is None:
                self._sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            pause_s = _FIRST_PAUSE_S
            with self._news:
                # It may have gone meanwhile, for want of room.
                if self._waiting and self._waiting[0] is record:
                    self._waiting.popleft()
                self.delivered, self.refused = self.delivered + taken, self.refused + (not taken)

    def _next(self) -> EventRecord | None:
        with self._news:
            while not self._waiting and self._ends_s is None:
                self._news.wait(timeout=0.5)
            return None if self._is_over() or not self._waiting else self._waiting[0]

    def _is_over(self) -> bool:
        return self._ends_s is not None and time.monotonic() >= self._ends_s

    def _sleep(self, seconds: float) -> None:
        ends_s = time.monotonic() + seconds
        with self._news:
            while (left_s := ends_s - time.monotonic()) > 0 and not self._is_over():
                self._news.wait(timeout=min(left_s, 0.5))

    def _send(self, record: EventRecord) -> bool | None:
        """Return whether the receiver took it, or None when it should be sent again."""
        body = json.dumps(record, ensure_ascii=False).encode()
        request = urllib.request.Request(self._url, body, self._headers)
        try:
            with _OPENER.open(request, timeout=self._timeout_s):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return None if error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _RETRIED else False
        except (OSError, http.client.HTTPException):
            return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes a redirection what it is to a record: refused. Followed, it would become a GET that carries nothing."""

    def redirect_request(self, *_: Any) -> None:
        """Return None, which makes the answer an HTTPError."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def _address(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without its name and password, and the headers that carry them.

    Raises:
        RequestError: it is no address of http or https.
    """
    headers = {"Content-Type": "application/json"}
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address or not url.isascii() or any(c <= " " for c in url):
        raise RequestError(f"{public_host(url)} is no address to post to: expected http or https, quoted where needed")
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), headers


@contextmanager
def open_webhook(url: str, on_error: OnError, *, linger_s: float = 5.0) -> Iterator[Webhook]:
    """Post to a receiver until the block ends; ``on_error`` is called with a line for what is lost.

    Raises:
        RequestError: the address is neither http nor https.
    """
    webhook = Webhook(url)
    try:
        yield webhook
    except KeyboardInterrupt:  # who asks to stop twice does not wait for a receiver
        linger_s = 0.0
        raise
    finally:
        for line in webhook.close(linger_s):
            on_error(line)

"""One record posted over HTTP: signed, within a total time, with redirections as configured."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.urls import public_host

_REDIRECTIONS = {301, 302, 307, 308}
_TOO_LATE = "it did not answer in time"
_SECRET_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """How a receiver is spoken to.

    Attributes:
        token: for ``Authorization: Bearer``; empty for none.
        secret: that posts are signed with by the Standard Webhooks specification
            (https://github.com/standard-webhooks/standard-webhooks): ``whsec_`` and base64, or any text; empty for
            none.
        headers: that are sent besides.
        redirects: how many redirections are followed; what is private is sent to the same scheme, host and port only.
        timeout_s: for one post as a whole, once its host's name is looked up.

    Raises:
        RequestError: a header's name or value cannot be sent, or the secret is no base64.
    """

    token: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    redirects: int = 0
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in {**self.headers, "Authorization": self.token}.items():
            if not name.isascii() or not name.replace("-", "").isalnum() or not value.isprintable():
                raise RequestError(f"the webhook's header {name!r:.40} cannot be sent: expected a name and one line")
        _key(self.secret)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a post.

    Attributes:
        status: HTTP status; None when none came.
        reason: what was wrong, for messages.
        retry_after_s: how long the receiver wants not to be asked.
        body: what it said, as far as that was asked for.
    """

    status: int | None
    reason: str = ""
    retry_after_s: float = 0.0
    body: bytes = field(default=b"", repr=False)

    @property
    def is_taken(self) -> bool:
        """Whether it was a success."""
        return self.status is not None and 200 <= self.status < 300


def poster(url: str, options: WebhookOptions) -> Callable[[dict[str, Any]], Answer]:
    """Return the function that posts one record; it has an ``id``.

    Raises:
        RequestError: the URL is no address of http or https.
    """
    target, headers = _address(url, options)

    def post(record: dict[str, Any]) -> Answer:
        body = json.dumps(record, ensure_ascii=False).encode()
        sent = {**headers, **_of_record(str(record["id"]), body, options.secret)}
        place, deadline_s = target, time.monotonic() + options.timeout_s
        for _ in range(options.redirects + 1):
            answer, location = exchange(place, body, sent, deadline_s)
            if answer.status not in _REDIRECTIONS or not location:
                break
            there = urljoin(place, location)
            if urlsplit(there).scheme not in ("http", "https"):
                break
            if _origin(there) != _origin(place):
                sent = {name: value for name, value in sent.items() if name not in headers or name == "Content-Type"}
            place = there
        return answer

    return post


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def exchange(
    url: str, body: bytes, headers: Mapping[str, str], deadline_s: float, *, method: str = "POST", most_bytes: int = 0
) -> tuple[Answer, str]:
    """Send one request to an address of http or https; return its answer, and where a redirection leads to.

    It never raises, follows nothing, and is over by ``deadline_s`` of ``time.monotonic``. Of the answer's body the
    first ``most_bytes`` are read.
    """
    sockets: list[socket.socket] = []
    left_s = max(0.1, deadline_s - time.monotonic())
    ends_s = time.monotonic() + left_s
    # Socket time-outs are for each read: a receiver that answers a byte at a time would hold the queue for ever.
    timer = threading.Timer(left_s, _shut, [sockets])
    timer.daemon = True
    timer.start()
    try:
        request = urllib.request.Request(url, body, dict(headers), method=method)
        with _opener(sockets).open(request, timeout=left_s) as answer:
            said = answer.read(most_bytes) if most_bytes else b""
            # What was cut by the timer looks like an answer whose headers were through.
            return (Answer(answer.status, body=said) if time.monotonic() < ends_s else Answer(None, _TOO_LATE)), ""
    except urllib.error.HTTPError as error:
        return _refusal(error, most_bytes), error.headers.get("Location", "")
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= ends_s:
            return Answer(None, _TOO_LATE), ""
        cause = getattr(error, "reason", error)
        return Answer(None, str(getattr(cause, "strerror", None) or type(cause).__name__)), ""
    finally:
        timer.cancel()


def _refusal(error: urllib.error.HTTPError, most_bytes: int) -> Answer:
    wait, said = error.headers.get("Retry-After", ""), b""
    with error, suppress(OSError, http.client.HTTPException):
        said = error.read(most_bytes) if most_bytes else b""
    return Answer(error.code, f"{error.code} {error.reason}", float(wait) if wait.isdecimal() else 0.0, said)


def _shut(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        with suppress(OSError):  # it is closed already
            one.shutdown(socket.SHUT_RDWR)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Gives redirections to the caller: followed by urllib, a post would become a GET that carries nothing."""

    def redirect_request(self, *_: Any) -> None:
        """Return None, which makes the answer an HTTPError."""


def _opener(sockets: list[socket.socket]) -> urllib.request.OpenerDirector:
    """Return an opener whose connections can be shut from another thread."""

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, request)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, request)

    return urllib.request.build_opener(_NoRedirects, PlainHandler, SecureHandler)


def _of_record(identifier: str, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers by which a receiver knows a record again, and that it is from us."""
    headers = {"Idempotency-Key": identifier}
    if not secret:
        return headers
    seconds = str(int(time.time()))
    signed = b".".join((identifier.encode(), seconds.encode(), body))
    signature = b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    return {
        **headers,
        "Webhook-Id": identifier,
        "Webhook-Timestamp": seconds,
        "Webhook-Signature": f"v1,{signature}",
    }


def _key(secret: str) -> bytes:
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except ValueError:  # whose text may show it
        raise RequestError(f"the webhook's secret begins with {_SECRET_PREFIX}, but no base64 follows") from None


def _address(url: str, options: WebhookOptions) -> tuple[str, dict[str, str]]:
    """Return a URL without its name and password, and the headers of every post."""
    headers = {"Content-Type": "application/json", **options.headers}
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address or not url.isascii() or any(c <= " " for c in url):
        raise RequestError(
            f"{public_host(url)} cannot be posted to: expected an http or https URL, special characters quoted"
        )
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    if options.token:
        headers["Authorization"] = f"Bearer {options.token}"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), headers

"""What every request passes before anything else looks at it: name of the server, rate, size; and headers of answers.

The names under which the page may be reached are checked because a page elsewhere on the web can let a name of its own
lead to this machine (DNS rebinding) and would then count as this page. An address in digits cannot be taken so.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import socket
from collections.abc import Callable, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskinfer.control.web.guard.brake import Brake, network_of

_POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:", "media-src 'self'"),
        *("connect-src 'self'", "manifest-src 'self'", "form-action 'self'", "base-uri 'none'"),
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
}
_BODY_WAIT_S = 30.0
_CLOSE = {"Connection": "close"}


class TooLargeError(Exception):
    """A request's body has more bytes than it may."""


class Shield:
    """ASGI middleware.

    Args:
        app: what is asked when nothing speaks against it.
        hosts: gives the names, without port, under which the page is reached, besides this machine's own.
        body_bytes: gives the most bytes of a request to a path.
        is_secure: gives whether the page is reached by HTTPS, so that browsers are told to use nothing else.
        brake: limits the requests from one address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Callable[[], Iterable[str]],
        body_bytes: Callable[[str], int],
        is_secure: Callable[[], bool],
        brake: Brake,
    ) -> None:
        self._app, self._hosts, self._body_bytes, self._is_secure = app, hosts, body_bytes, is_secure
        self._brake = brake
        self._own = own_names()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on; see the ASGI specification."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page speaks no other language
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        most = self._body_bytes(scope["path"])
        host = headers.get("host", "")
        wait_s = self._brake.take(network_of((scope.get("client") or ("",))[0]))
        if not is_known_host(host, [*self._own, *self._hosts()]):
            text = f"This page is not known as {host[:100]!r}. If it is to be, put that name into hosts of [page]."
            await _refuse(send, 421, text)
        elif wait_s:
            text = "Too many requests: wait a moment."
            await _refuse(send, 429, text, {"Retry-After": str(math.ceil(wait_s))})
        elif _promised(headers) > most:
            await _refuse(send, 413, _too_large(most), _CLOSE)
        else:
            await self._pass(scope, receive, send, most)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        begun, whole, got = False, False, 0

        async def counted() -> Message:
            nonlocal got, whole
            # Who sends a body drop by drop holds nothing for long; who has sent it may wait for the answer.
            message = await (receive() if whole else asyncio.wait_for(receive(), _BODY_WAIT_S))
            whole = not message.get("more_body", False)
            got += len(message.get("body", b""))
            if got > most:
                raise TooLargeError
            return message

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                dress(MutableHeaders(scope=message), secure=self._is_secure())
            await send(message)

        try:
            await self._app(scope, counted, dressed)
        except TooLargeError:
            if not begun:
                await _refuse(send, 413, _too_large(most), _CLOSE)
        except TimeoutError:
            if not begun:
                await _refuse(send, 408, "The request did not come to its end in time.", _CLOSE)


def dress(headers: MutableHeaders, *, secure: bool) -> None:
    """Add the headers that every answer has."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    if secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def own_names() -> set[str]:
    """Return the names by which this machine may be asked by anybody who reaches it."""
    name = socket.gethostname().lower()
    return {"localhost", name, f"{name.partition('.')[0]}.local"}


def is_known_host(host: str, names: Iterable[str]) -> bool:
    """Tell whether a ``Host`` header holds an address in digits or one of the names, with whatever port.

    >>> is_known_host("[::1]:8600", []), is_known_host("evil.example", ["localhost"])
    (True, False)
    """
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if port and not (port.isascii() and port.isdigit()):
        return False
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return name.lower().removesuffix(".") in {known.lower() for known in names}
    return True


def _promised(headers: Headers) -> float:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else math.inf


def _too_large(most: int) -> str:
    return f"The request is too large: at most {most / 1e6:.3g} MB are taken here."


async def _refuse(send: Send, status: int, text: str, more: dict[str, str] | None = None) -> None:
    body = json.dumps({"error": text}).encode()
    headers = MutableHeaders({"Content-Type": "application/json", "Content-Length": str(len(body)), **(more or {})})
    dress(headers, secure=False)
    await send({"type": "http.response.start", "status": status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body})

"""A real receiver of webhooks, that answers as it is told, dies, and comes back at the same address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG, TRICKLE = 0, 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


@dataclass
class Receiver:
    """A receiver.

    Attributes:
        answers: statuses of the next answers, ``HANG`` for none, ``TRICKLE`` for one that takes for ever; then 200.
        location: that redirections lead to; its own address by default.
        got: bodies of the posts that were answered with a success.
        headers: of all posts.
        bodies: of all posts, as they came.
    """

    port: int = 0
    answers: list[int] = field(default_factory=list)
    location: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        """Answer until the block ends."""
        httpd = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = httpd.server_port
        self.over.clear()
        thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            httpd.shutdown()
            thread.join()
            httpd.server_close()


def running_receiver() -> Any:
    """Return a new receiver that answers within a block."""
    return Receiver().running()


def _handler(state: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = state.answers.pop(0) if state.answers else 200
            state.headers.append(dict(self.headers))
            state.bodies.append(body)
            if code == HANG:
                state.over.wait(10)
                return
            if code == TRICKLE:
                with suppress(OSError):
                    self.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
                    while not state.over.wait(0.05):
                        self.wfile.write(b"x")
                return
            if code < 300:
                state.got.append(json.loads(body))
            self.send_response(code)
            self.send_header("Location", state.location or state.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None: ...

    return Handler

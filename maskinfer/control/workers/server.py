"""What a worker answers the first process, over HTTP on this machine."""

from __future__ import annotations

import hmac
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from maskinfer.control.watch.watch import Watch
from maskinfer.control.workers.relay import Relay
from maskinfer.control.workers.wire import Images, Mode, Task, decode, encode, news_of
from maskinfer.engine.errors import MaskinferError, OutputError

NUMBER = "X-Sequence"
_MOST_WAIT_S = 5.0
_MOST_BYTES = 1 << 30
Answer = tuple[int, bytes, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Served:
    """What a worker serves.

    Attributes:
        watch: of its cameras.
        relay: of what happens.
        token: that the first process has.
        end: called when the worker is to end.
    """

    watch: Watch
    relay: Relay
    token: str
    end: Callable[[], None]

    def answer(self, path: str, query: dict[str, str], body: bytes) -> Answer:
        """Return the answer to a request that has the token."""
        match path:
            case "/news":
                return self._news(query)
            case "/live":
                return self._live(query)
            case "/snapshot":
                data = self.watch.snapshot(query["camera"])
                return (204, b"", {}) if data is None else (200, data, {})
            case "/images":
                return self._images(decode(body, Images))
            case "/task":
                task = decode(body, Task)
                self.watch.call(lambda: self.watch.change(task.mine()))
            case "/mode":
                wanted = decode(body, Mode)
                self.watch.call(lambda: self.watch.set_mode(wanted.camera, wanted.mode))
            case "/end":
                self.end()
            case _:
                return 404, b"", {}
        return 204, b"", {}

    def _news(self, query: dict[str, str]) -> Answer:
        number, happened, is_over = self.relay.take(int(query["after"]), min(_MOST_WAIT_S, float(query["wait_s"])))
        news = news_of(number, happened, self.watch.cameras(), self.watch.counted(), is_over=is_over)
        return 200, encode(news), {}

    def _live(self, query: dict[str, str]) -> Answer:
        how = {name: query[name] == "1" for name in ("blurred", "small")}
        found = self.watch.live_jpeg(query["camera"], **how)
        if found is None:
            return 404, b"", {}
        number, jpeg = found
        return (204, b"", {}) if str(number) == query["after"] else (200, jpeg, {NUMBER: str(number)})

    def _images(self, wanted: Images) -> Answer:
        try:
            return 200, encode(self.watch.infer(wanted.images)), {}
        except OutputError as error:
            return 503, str(error).encode(), {}
        except MaskinferError as error:
            return 422, str(error).encode(), {}


@contextmanager
def open_server(served: Served) -> Iterator[int]:
    """Answer until the block ends; gives the port of 127.0.0.1."""

    class Handler(_Handler):
        what = served

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="answers", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False  # whoever asks still is the first process, and hears that this one has ended

    def handle_error(self, request: object, client_address: object) -> None:
        """Report a fault, unless it is that the first process is gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    what: Served
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if length > _MOST_BYTES or not hmac.compare_digest(given.encode(), self.what.token.encode()):
            self._send(401, b"", {"Connection": "close"})  # without having read what was sent along
            return
        body = self.rfile.read(length)
        place = urlsplit(self.path)
        try:
            answer = self.what.answer(place.path, dict(parse_qsl(place.query, keep_blank_values=True)), body)
        except (ValueError, KeyError) as error:
            answer = 400, f"{type(error).__name__}: {error}".encode(), {}
        self._send(*answer)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

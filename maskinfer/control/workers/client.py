"""Asks a worker, over HTTP on this machine."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlencode

from maskinfer.control.workers.wire import encode

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer.

    Attributes:
        status: of HTTP.
        body: of the answer.
        number: of a live picture; 0 for other answers.
    """

    status: int
    body: bytes
    number: int


class Client:
    """Asks one worker; every method may be called from any thread.

    Args:
        port: of 127.0.0.1.
        token: that the worker wants.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port, self._headers = port, {"Authorization": f"Bearer {token}"}
        self._idle: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()
        self._is_closed = False

    def ask(self, path: str, body: Any = None, *, patience_s: float = PATIENCE_S, **query: object) -> Answered:
        """Return the answer to a question.

        Args:
            path: what is asked.
            body: data of the types of ``wire``, to be sent along.
            patience_s: how long to wait for each part of the answer.
            query: more of the question.

        Raises:
            OSError: the worker does not answer.
        """
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            connection.timeout = patience_s
            if connection.sock is not None:
                connection.sock.settimeout(patience_s)
            data = None if body is None else encode(body)
            connection.request("GET" if body is None else "POST", f"{path}?{urlencode(query)}", data, self._headers)
            answer = connection.getresponse()
            found = Answered(answer.status, answer.read(), int(answer.headers.get("X-Sequence", 0)))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ConnectionError(f"a process does not answer: {error}") from error
        self._idle.put(connection)
        if self._is_closed:
            self.close()
        return found

    def close(self) -> None:
        """Ask nothing more."""
        self._is_closed = True
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

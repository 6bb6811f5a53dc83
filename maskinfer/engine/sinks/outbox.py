"""Records sent to a receiver, in their order, by a thread that never holds up the job."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.sinks.webhook_post import Answer
from maskinfer.engine.sinks.webhook_queue import Queue, Waiting

Send = Callable[[dict[str, Any]], Answer]
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_POLL_S = 0.5
# Answers after which the same record may be taken later, however often it takes.
_RETRIED = {408, 425, 429}
_SERVER_ERROR = 500
_GONE = 410
# Other refusals may pass too, such as those of a token that is being renewed; after so many it is a dead letter.
_MOST_REFUSALS = 5


class Outbox:
    """Records for a receiver: ``post`` never waits for it and never raises.

    Records wait in a file while the receiver is down or answers 5xx, 408, 425 or 429, up to ``MAX_WAITING``; then the
    oldest go. What waits when the process ends is sent by the next one that has the same file. A record that is
    refused ``_MOST_REFUSALS`` times, or once with 410, is kept in a file of dead letters.

    Args:
        name: of the receiver, without passwords.
        send: sends one record, within about ``timeout_s``, and returns what became of it.
        file: that the records wait in.
        timeout_s: how long one try takes at most.
        most_waiting: how many records may wait; None for ``MAX_WAITING``.
        on_status: called with a line when the receiver stops taking records, and when it does so again.

    Attributes:
        delivered: how many records were taken.
        refused: how many became dead letters.
        lost: how many could not even be kept.
    """

    def __init__(
        self,
        name: str,
        send: Send,
        file: Path,
        *,
        timeout_s: float,
        most_waiting: int | None = None,
        on_status: Callable[[str], None] = SILENT.say,
    ) -> None:
        self._name, self._send, self._timeout_s, self._on_status = name, send, timeout_s, on_status
        self._queue = Queue(file, uuid4().hex, most_waiting)
        if self._queue.problem:
            on_status(f"events for {name} wait in memory only, and are lost with the process: {self._queue.problem}")
        self._news = threading.Condition()
        self._ends_s: float | None = None
        self._is_dead, self._refusals = False, 0
        self.delivered = self.refused = self.lost = 0
        self._thread = threading.Thread(target=self._run, name=f"outbox {name}", daemon=True)
        self._thread.start()

    def post(self, record: Mapping[str, Any]) -> None:
        """Hand over a record; one without an ``id`` gets one."""
        try:
            self._queue.put({"id": uuid4().hex, **record})
        except sqlite3.Error as error:
            self.lost += 1
            self._on_status(f"an event for {self._name} could not be kept until it is posted: {error}")
        with self._news:
            self._news.notify_all()

    @property
    def waiting(self) -> int:
        """How many records wait now."""
        try:
            return len(self._queue)
        except sqlite3.Error:  # it is closed, or its disk is broken
            return 0

    def close(self, linger_s: float) -> list[str]:
        """Post for at most so long what waits, and return a line for what did not get there."""
        with self._news:
            self._ends_s = time.monotonic() + linger_s
            self._news.notify_all()
        self._thread.join(linger_s + self._timeout_s if linger_s else 0.0)
        waiting, dropped = len(self._queue), self._queue.dropped + self.lost
        self._queue.close()
        if not waiting + dropped + self.refused:
            return []
        kept = "are lost" if self._queue.problem else "wait on disk for the next run"
        letters = f", see {self._queue.dead_letters}" if self.refused else ""
        return [
            f"{waiting + dropped + self.refused} events did not reach {self._name}: {waiting} {kept}, "
            f"{dropped} had no room, {self.refused} were refused{letters}"
        ]

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._is_over():
            try:
                wait_s = self._step()
            except (sqlite3.Error, OSError):  # a full disk: the records stay where they are
                wait_s = 0.0
            if wait_s is None:
                pause_s = _FIRST_PAUSE_S
                continue
            self._sleep(max(pause_s * random.uniform(0.5, 1.0), min(wait_s, _LONGEST_PAUSE_S)))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _step(self) -> float | None:
        """Post the oldest record; return how long to wait at least before the next try, None for not at all."""
        waiting = self._queue.take()
        if waiting is not None:
            answer = self._send({**waiting.record, "attempt": waiting.attempts + 1})
            return None if self._is_settled(waiting, answer) else answer.retry_after_s
        if self._ends_s is not None and not len(self._queue):
            self._ends_s = time.monotonic()
        self._sleep(_POLL_S, until_news=True)
        return None

    def _is_settled(self, waiting: Waiting, answer: Answer) -> bool:
        """Do what an answer asks for, and tell whether the record is through."""
        if answer.is_taken:
            self._queue.remove(waiting)
            self._refusals = 0
            self.delivered += 1
            if self._is_dead:
                self._is_dead = False
                self._on_status(f"{self._name} takes events again")
            return True
        if not self._is_dead:
            self._is_dead = True
            self._on_status(f"{self._name} takes no events, which wait and are posted again: {answer.reason}")
        if self._is_refused(answer):
            self._refusals = 0
            self._queue.bury(waiting, answer.reason)
            self.refused += 1
            return True
        return False

    def _is_refused(self, answer: Answer) -> bool:
        """Tell whether the oldest record is a dead letter now."""
        if answer.status is None or answer.status >= _SERVER_ERROR or answer.status in _RETRIED:
            return False
        self._refusals += 1
        return answer.status == _GONE or self._refusals >= _MOST_REFUSALS

    def _is_over(self) -> bool:
        return self._ends_s is not None and time.monotonic() >= self._ends_s

    def _sleep(self, seconds: float, *, until_news: bool = False) -> None:
        ends_s = time.monotonic() + seconds
        with self._news:
            while (left_s := ends_s - time.monotonic()) > 0 and not self._is_over():
                is_closing = self._ends_s is not None
                self._news.wait(timeout=min(left_s, _POLL_S / 10 if is_closing else _POLL_S))
                if until_news:
                    return

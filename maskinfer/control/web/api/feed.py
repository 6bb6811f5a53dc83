"""What happens to visits, as it happens: the latest events in memory, and who waits for more."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

from maskinfer.control.report.to_json import visit_dict
from maskinfer.control.store.questions import StoredVisit
from maskinfer.control.store.store import Store
from maskinfer.engine.visits.visit import VisitChange

_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a visit.

    Attributes:
        number: grows from one to the next.
        id: of the event.
        kind: of ``VisitChange``.
        text: all of it as JSON, which takes a fifth of the memory of what it is made from.
    """

    number: int
    id: str
    kind: str
    text: str


class EventFeed:
    """The latest events of a store; each has an id, after which a program may ask for more."""

    def __init__(self, store: Store) -> None:
        self._count, self._lock = 0, Lock()
        self._events: deque[Event] = deque()
        self._numbers: dict[str, int] = {}
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._stop = store.listen(self._add)

    def close(self) -> None:
        """Listen no more."""
        self._stop()

    @property
    def last(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._count

    def number_of(self, event_id: str) -> int:
        """Return the number of an event; 0 for one that is not kept, or none, so that all that is comes after it."""
        return self._numbers.get(event_id, 0)

    def after(self, number: int) -> list[Event]:
        """Return the events after one, oldest first."""
        with self._lock:
            return [event for event in self._events if event.number > number]

    async def wait(self, number: int, seconds: float) -> None:
        """Wait until there is an event after one, but not for longer."""
        bell = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting.add(bell)
            is_there = self._count > number
        try:
            if not is_there:
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell[1].wait(), seconds)
        finally:
            with self._lock:
                self._waiting.discard(bell)

    def _add(self, stored: StoredVisit, change: VisitChange) -> None:
        told = {"id": change.id, "event": change.kind, "at": change.at.isoformat(), "visit": visit_dict(stored)}
        text = json.dumps(told)
        with self._lock:
            self._count += 1
            self._events.append(Event(self._count, change.id, change.kind, text))
            self._numbers[change.id] = self._count
            if len(self._events) > _KEPT:
                self._numbers.pop(self._events.popleft().id)
            waiting = list(self._waiting)
        for loop, bell in waiting:
            with suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(bell.set)

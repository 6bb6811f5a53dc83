"""A publisher that is told what happens: its faults cost nobody anything, and another may take its place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from maskinfer.control.room.state import CameraState, Publisher
from maskinfer.control.settings.types import Settings
from maskinfer.control.store.questions import StoredVisit
from maskinfer.engine.errors import MaskinferError
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.visits.visit import VisitChange

# What happens while one publisher takes the place of another waits; more than a few seconds' worth it never is.
_MOST_WAITING = 10_000


class OpenPublisher(Publisher, Protocol):
    """A publisher that says what waits for its receivers."""

    outboxes: Mapping[str, Outbox]


Opens = Callable[[Settings], OpenPublisher]


class Told:
    """Passes on what happens to a publisher that settings ask for; every method may be called from any thread.

    Args:
        opens: opens a publisher by settings.
        settings: by which it is opened first.
        say: called with one line for each fault.

    Raises:
        MaskinferError: whatever ``opens`` raises.
    """

    def __init__(self, opens: Opens, settings: Settings, say: Callable[[str], None]) -> None:
        self._opens, self._say, self._settings = opens, say, settings
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] | None = None
        self._faults: set[str] = set()
        self._change: threading.Thread | None = None
        self._publisher = opens(settings)

    @property
    def outboxes(self) -> Mapping[str, Outbox]:
        """In which records wait for receivers, by the receivers' public names."""
        return self._publisher.outboxes

    def changed(self, stored: StoredVisit, change: VisitChange) -> None:
        """Pass on what happened to a visit."""
        self._pass_on(lambda: self._publisher.changed(change, stored))

    def camera(self, state: CameraState) -> None:
        """Pass on how a camera does."""
        self._pass_on(lambda: self._publisher.camera(state))

    def change(self, settings: Settings) -> None:
        """Let a publisher by other settings take the place of this one, in a thread; nothing that happens is lost."""
        with self._lock:
            self._waiting = self._waiting or []
        replace = partial(self._replace, settings, self._change)
        self._change = threading.Thread(target=replace, name="publishers", daemon=True)
        self._change.start()

    def close(self) -> None:
        """Tell what waits, for a few seconds at most."""
        if self._change is not None:
            self._change.join()
        self._guard(self._close)

    def _close(self) -> None:
        for line in self._publisher.close() or ():
            self._say(line)

    def _replace(self, settings: Settings, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        with self._lock:
            self._waiting = self._waiting or []
        self._guard(self._close)
        try:
            self._publisher, self._settings = self._opens(settings), settings
        except MaskinferError as error:
            self._say(f"those who are told stay as they were: {error}")
            self._publisher = self._opens(self._settings)
        while True:
            with self._lock:
                waiting = self._waiting or []
                self._waiting = [] if waiting else None
            if not waiting:
                return
            for call in waiting:
                self._guard(call)

    def _pass_on(self, call: Callable[[], None]) -> None:
        with self._lock:
            if self._waiting is not None:
                self._waiting = [*self._waiting[-_MOST_WAITING:], call]
                return
        self._guard(call)

    def _guard(self, call: Callable[[], None]) -> None:
        """Call the publisher; each fault is said once."""
        try:
            call()
        except Exception as error:
            fault = f"{type(self._publisher).__name__} failed: {type(error).__name__}: {error}"
            if fault not in self._faults and len(self._faults) < _MOST_WAITING:
                self._faults.add(fault)
                self._say(fault)

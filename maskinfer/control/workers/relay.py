"""What happens in a worker, until the first process has heard of it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic

from maskinfer.control.store.questions import CameraEventKind
from maskinfer.control.store.recordings import folder_for, size_of, why_not
from maskinfer.control.store.retention import Retention
from maskinfer.control.workers.wire import CameraHappened, Happened, Looked, Recorded
from maskinfer.engine.drift.counts import Counts
from maskinfer.engine.visits.visit import VisitChange

_AT_ONCE = 50
# Nothing waits for longer than a moment, unless the first process hangs; then pictures would fill the memory.
_MOST_PICTURES, _MOST_WAITING = 500, 50_000


class Relay:
    """Keeps what happens until it was taken; see ``Keeper``. Recordings go into the folder of the store at once.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: deque[tuple[int, Happened]] = deque(maxlen=_MOST_WAITING)
        self._count, self._is_over = 0, False
        self._news = threading.Condition()

    def add(self, change: VisitChange) -> None:
        """Keep a change of a visit."""
        if len(self._waiting) > _MOST_PICTURES:
            change = replace(change, picture=None)
        self._put(Happened(change=change))

    def camera_event(self, camera: str, kind: CameraEventKind, at: datetime, reason: str) -> None:
        """Keep what happened to a camera."""
        self._put(Happened(camera=CameraHappened(camera, kind, at, reason)))

    def add_looks(self, camera: str, models: str, at: datetime, counts: Counts) -> None:
        """Keep how what a camera sees looked since the last call."""
        plain = {what: dict(counted) for what, counted in counts.items()}
        self._put(Happened(looked=Looked(camera, models, at, plain)))

    def recording_folder(self, name: str) -> Path:
        """Return the folder for a camera's recordings."""
        return folder_for(self._folder, name)

    def add_recording(self, camera: str, path: Path, from_at: datetime, to_at: datetime) -> None:
        """Keep that there is a recording."""
        size_of(path)
        self._put(Happened(recorded=Recorded(camera, str(path), from_at, to_at)))

    def why_no_recording(self) -> str:
        """Return why nothing may be recorded now."""
        return why_not(self._folder, Retention().min_free_bytes)

    def say(self, line: str) -> None:
        """Keep a line for people."""
        self._put(Happened(line=line))

    def take(self, after: int, wait_s: float) -> tuple[int, Sequence[Happened], bool]:
        """Forget what was heard of, and return what follows.

        Args:
            after: number of the last thing that was heard of.
            wait_s: how long to wait for more.

        Returns:
            The number of the last thing returned, what happened, and whether that was the last of all.
        """
        ends_s = monotonic() + wait_s
        with self._news:
            while self._waiting and self._waiting[0][0] <= after:
                self._waiting.popleft()
            while not self._waiting and not self._is_over and monotonic() < ends_s:
                self._news.wait(max(0.0, ends_s - monotonic()))
            some = [self._waiting[i] for i in range(min(_AT_ONCE, len(self._waiting)))]
            self._news.notify_all()
            last = some[-1][0] if some else after
            return last, [one for _, one in some], self._is_over and len(some) == len(self._waiting)

    def end(self, wait_s: float) -> None:
        """Take nothing more, and wait until all was heard of, but not for longer."""
        ends_s = monotonic() + wait_s
        with self._news:
            self._is_over = True
            self._news.notify_all()
            while self._waiting and monotonic() < ends_s:
                self._news.wait(max(0.0, ends_s - monotonic()))

    def _put(self, happened: Happened) -> None:
        with self._news:
            self._count += 1
            self._waiting.append((self._count, happened))
            self._news.notify_all()

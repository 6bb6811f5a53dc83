"""One worker, as the first process sees it: begun, asked what happened, and begun again when it ends."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import IO

from maskinfer.control.room.state import CameraMode, CameraState
from maskinfer.control.watch.tally import Tally
from maskinfer.control.watch.watching import Counted, Keeper
from maskinfer.control.workers.client import PATIENCE_S, Answered, Client
from maskinfer.control.workers.figures import added
from maskinfer.control.workers.wire import Happened, Mode, News, Ready, Start, Task, counted_of, decode, encode
from maskinfer.engine import errors
from maskinfer.engine.drift.counts import Counts
from maskinfer.engine.errors import MaskinferError, OutputError
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.visits.visit import Visit, VisitChange

ENDED = "the process that watches it ended, and is started again"
_ENDED_THEN = "the process that watched it ended, and another one began"
_SILENT = "the process that watches it does not answer"
_WAIT_S = 0.5
# A process that tells nothing for so long is ended, and another one begun.
_NEWS_S = 30.0
_LATE_S = 15.0
# Whoever looks at the page waits no longer for a picture.
_LIVE_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STEADY_S = 60.0
_END_S = 30.0
# Live pictures of one process have other numbers than those of the process that takes its place.
_NUMBERS = 1_000_000_000


class Worker:
    """A worker; what happens before its cameras goes to a keeper. Methods may be called from any thread.

    Args:
        number: of the worker, for people, from 1.
        task: what it is to do first.
        keeper: of what happens.
        say: called with one line for news and faults, from any thread.
    """

    def __init__(self, number: int, task: Task, keeper: Keeper, say: Callable[[str], None]) -> None:
        self._number, self._task, self._keeper, self._say = number, task, keeper, say
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None
        self._token = ""
        self._began, self._began_s = 0, 0.0
        self._news: News | None = None
        self._news_s = 0.0
        self._before: Counted | None = None
        self._figures = threading.Lock()
        self._open: dict[str, Visit] = {}
        self._made: dict[tuple[str, bool, bool], tuple[int, bytes]] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._client is None or self._process is None else self._process.pid

    @property
    def is_there(self) -> bool:
        """Whether it can be asked now."""
        return self._client is not None

    def spawn(self) -> None:
        """Begin the process, which then loads its models."""
        command = [sys.executable, "-m", "maskinfer.control.workers.worker"]
        self._token = secrets.token_hex(16)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        stdin = _pipe(self._process.stdin)
        with suppress(OSError):  # it has ended, which is seen when it should be ready
            stdin.write(encode(Start(self._token, self._task)) + b"\n")
            stdin.flush()

    def wait_ready(self) -> None:
        """Wait until the process answers.

        Raises:
            MaskinferError: it cannot begin; the class is that of the fault in the process.
        """
        line = b"" if self._process is None else _pipe(self._process.stdout).readline()
        ready = decode(line, Ready) if line else Ready(error=f"process {self._number} of the watch ended at once")
        if ready.error:
            self._kill(0.0)
            kind = getattr(errors, ready.kind, OutputError)
            raise kind(ready.error)
        self._began, self._began_s = self._began + 1, monotonic()
        self._client = Client(ready.port, self._token)

    def follow(self) -> None:
        """Hear what happens from now on, in a thread."""
        self._thread = threading.Thread(target=self._run, name=f"process {self._number}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let it end its watch; ``join`` waits for that."""
        self._over.set()

    def join(self) -> None:
        """Wait until all that it told was kept and it has ended, or end it."""
        if self._thread is not None:
            self._thread.join(_END_S)
        self._kill(0.0)

    def ask(self, path: str, body: object = None, *, patience_s: float = PATIENCE_S, **query: object) -> Answered:
        """Ask it something; see ``Client.ask``.

        Raises:
            ConnectionError: it does not answer, or is not there.
        """
        client = self._client
        if client is None:
            raise ConnectionError(ENDED)
        return client.ask(path, body, patience_s=patience_s, **query)

    def change(self, task: Task) -> None:
        """Give it another task, also for when it is started again."""
        self._task = task
        with suppress(OSError):
            self.ask("/task", task)

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        """Change when a camera is watched, also for when it is started again."""
        self._task = replace(self._task, modes={**self._task.modes, camera: mode})
        with suppress(OSError):
            self.ask("/mode", Mode(camera, mode))

    def cameras(self) -> dict[str, CameraState]:
        """Return its cameras as they are now, by name."""
        task, news, since_s = self._task, self._news, monotonic() - self._news_s
        known = {} if news is None else {state.name: state for state in news.cameras}
        found = {}
        for camera in task.mine().cameras:
            state = known.get(camera.name, CameraState(camera.name, "no frame yet"))
            if self._client is None or (news is not None and since_s > _LATE_S):
                reason = ENDED if self._client is None else _SILENT
                age_s, size_wh, labels = state.age_s, state.size_wh, state.labels
                state = CameraState(camera.name, "lost", reason, age_s=age_s, size_wh=size_wh, labels=labels)
            found[camera.name] = replace(
                state,
                age_s=None if state.age_s is None else state.age_s + since_s,
                zone_faces={zone.name: state.zone_faces.get(zone.name, {}) for zone in camera.zones},
                zones=camera.zones,
                lines=camera.lines,
                mode=task.modes.get(camera.name, "auto"),
            )
        return found

    def live_jpeg(self, camera: str, *, blurred: bool, small: bool = False) -> tuple[int, bytes] | None:
        """Return the newest drawn frame with its number."""
        if monotonic() - self._news_s > _LATE_S:
            return None
        began, key = self._began, (camera, blurred, small)
        made = self._made.get(key)
        after = made[0] - began * _NUMBERS if made is not None else ""
        try:
            asked = {"camera": camera, "blurred": int(blurred), "small": int(small), "after": after}
            answer = self.ask("/live", patience_s=_LIVE_S, **asked)
        except OSError:
            return None
        if answer.status == 200:
            made = self._made[key] = answer.number + began * _NUMBERS, answer.body
        return made if answer.status in (200, 204) else None

    def snapshot(self, camera: str) -> bytes | None:
        """Return the newest frame, undrawn."""
        try:
            answer = self.ask("/snapshot", patience_s=_LIVE_S, camera=camera)
        except OSError:
            return None
        return answer.body if answer.status == 200 else None

    def counted(self) -> Counted | None:
        """Return what was counted since the start, over all of its processes."""
        with self._figures:
            before, news = self._before, self._news
        now = None if news is None else counted_of(news)
        return now if before is None else before if now is None else added(before, now)

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            is_over = self._hear()
            self._lose()
            if is_over or self._over.is_set():
                return
            self._say(f"process {self._number} of the watch ended, and is started again")
            while not self._over.wait(pause_s):
                try:
                    self.spawn()
                    self.wait_ready()
                    break
                except (MaskinferError, OSError) as error:
                    self._say(f"process {self._number} of the watch cannot be started, and is tried again: {error}")
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            pause_s = _FIRST_PAUSE_S if monotonic() - self._began_s > _STEADY_S else min(2 * pause_s, _LONGEST_PAUSE_S)

    def _hear(self) -> bool:
        """Hear what happens until the process is gone; tells whether it ended in order."""
        after, is_told = 0, False
        while True:
            try:
                if self._over.is_set() and not is_told:
                    is_told = self.ask("/end", b"").status == 204
                news = decode(self.ask("/news", patience_s=_NEWS_S, after=after, wait_s=_WAIT_S).body, News)
            except (OSError, ValueError):
                return False
            for one in news.happened:
                self._keep(one)
            after, self._news, self._news_s = news.number, news, monotonic()
            if news.is_over:
                with suppress(OSError):  # by which it hears that all was kept
                    self.ask("/news", after=after, wait_s=0)
                return True

    def _keep(self, one: Happened) -> None:
        if one.change is not None:
            visit = one.change.visit
            if visit.ended is None:
                self._open[visit.id] = visit
            else:
                self._open.pop(visit.id, None)
            self._keeper.add(one.change)
        if one.camera is not None:
            self._keeper.camera_event(one.camera.camera, one.camera.kind, one.camera.at, one.camera.reason)
        if one.recorded is not None:
            recorded = one.recorded
            with suppress(OutputError):  # retention was quicker
                self._keeper.add_recording(recorded.camera, Path(recorded.path), recorded.from_at, recorded.to_at)
        if one.looked is not None:
            counts: Counts = {what: Counter(counted) for what, counted in one.looked.counts.items()}
            self._keeper.add_looks(one.looked.camera, one.looked.models, one.looked.at, counts)
        if one.line is not None:
            self._say(one.line)

    def _lose(self) -> None:
        """Let the process go: who was there is there no longer, and its cameras are not watched."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        self._kill(_END_S if self._over.is_set() else 0.0)
        now, left = local_now(), Tally()
        for visit in self._open.values():
            change = VisitChange("ended", replace(visit, ended="stopped"), now)
            left.changed(change)
            self._keeper.add(change)
        self._open.clear()
        counted = self.counted()
        with self._figures:
            self._before, self._news = left.seen() if counted is None else added(counted, left.seen()), None
        self._made.clear()
        if not self._over.is_set():
            for camera in self._task.cameras:
                self._keeper.camera_event(camera, "stopped", now, _ENDED_THEN)

    def _kill(self, wait_s: float) -> None:
        """End the process, which has so many seconds to do so by itself."""
        process = self._process
        if process is None:
            return
        with suppress(OSError):
            _pipe(process.stdin).close()
        if wait_s:
            with suppress(subprocess.TimeoutExpired):
                process.wait(wait_s)
        process.kill()
        process.wait()
        _pipe(process.stdout).close()


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    if end is None:
        raise OutputError("a process of the watch was begun without a pipe to it")
    return end

"""Several processes that look at the cameras of one watch."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import reduce

from maskinfer.control.room.state import CameraMode, CameraState
from maskinfer.control.settings.types import Settings
from maskinfer.control.watch.calls import Calls
from maskinfer.control.watch.tally import Tally
from maskinfer.control.watch.watching import Counted, Keeper
from maskinfer.control.workers.figures import added
from maskinfer.control.workers.process import Worker
from maskinfer.control.workers.wire import Images, Task, decode
from maskinfer.engine.errors import OutputError, SourceError
from maskinfer.engine.results import FrameResult
from maskinfer.engine.runtime.cpu import available_threads

_WAKE_S = 0.2


class Processes:
    """See ``Watching``. Use as a context manager: no process outlives its block.

    Args:
        settings: what is watched.
        keeper: of what happens.
        count: how many processes; no more than there are cameras now are begun.
        say: called with one line for news and faults, from any thread.

    Raises:
        MaskinferError: a process cannot begin; what is wrong is what it would be in this one.
    """

    def __init__(self, settings: Settings, keeper: Keeper, *, count: int, say: Callable[[str], None]) -> None:
        self._count = min(count, len(settings.cameras))
        self._settings, self._modes = settings, dict[str, CameraMode]()
        self._shares = shared_out([one.name for one in settings.cameras], self._count, {})
        self._woken = threading.Event()
        self._calls = Calls(self._woken.set)
        self._turn = itertools.count()
        self.workers = [Worker(i + 1, self._task(i), keeper, say) for i in range(self._count)]
        for worker in self.workers:
            worker.spawn()
        try:
            for worker in self.workers:
                worker.wait_ready()
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def run(self, stopped: Callable[[], int], between: Callable[[], None]) -> None:
        """Let the processes look until something stops them; see ``Watching.run``."""
        for worker in self.workers:
            worker.follow()
        try:
            while not stopped():
                between()
                self._woken.wait(_WAKE_S)
                self._woken.clear()
                self._calls.do()
        finally:
            self._close()
            self._calls.do()

    def call(self, change: Callable[[], None]) -> None:
        """Let the thread that runs do something."""
        self._calls.call(change)

    def change(self, settings: Settings) -> None:
        """Go on by other settings; each camera stays with its process."""
        self._settings = settings
        self._shares = shared_out([one.name for one in settings.cameras], self._count, self._shares)
        self._modes = {name: mode for name, mode in self._modes.items() if name in self._shares}
        self._all(lambda i: self.workers[i].change(self._task(i)))

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        """Change when a camera is watched."""
        self._modes[camera] = mode
        if camera in self._shares:
            self.workers[self._shares[camera]].set_mode(camera, mode)

    def cameras(self) -> Sequence[CameraState]:
        """Return all cameras as they are now."""
        known = {name: state for worker in self.workers for name, state in worker.cameras().items()}
        return [known[one.name] for one in self._settings.cameras if one.name in known]

    def live_jpeg(self, camera: str, *, blurred: bool, small: bool = False) -> tuple[int, bytes] | None:
        """Return the newest drawn frame with its number."""
        place = self._shares.get(camera)
        return None if place is None else self.workers[place].live_jpeg(camera, blurred=blurred, small=small)

    def snapshot(self, camera: str) -> bytes | None:
        """Return the newest frame, undrawn."""
        place = self._shares.get(camera)
        return None if place is None else self.workers[place].snapshot(camera)

    def infer(self, images: Sequence[bytes]) -> list[FrameResult]:
        """Return the results of encoded images, of one process after the other."""
        there = [worker for worker in self.workers if worker.is_there]
        if not there:
            raise OutputError("no process of the watch answers now: try again in a moment")
        try:
            answer = there[next(self._turn) % len(there)].ask("/images", Images(tuple(images)))
        except OSError as error:
            raise OutputError(f"the images were not looked at: {error}") from error
        if answer.status != 200:
            raise (SourceError if answer.status == 422 else OutputError)(answer.body.decode())
        return decode(answer.body, list[FrameResult])

    def counted(self) -> Counted:
        """Return what was counted since the start, by all processes together."""
        found = [one for worker in self.workers if (one := worker.counted()) is not None]
        return reduce(added, found, Tally().seen())

    def _task(self, place: int) -> Task:
        models = self._settings.models
        if models.threads is None:  # otherwise each would take all there are
            models = replace(models, threads=max(1, available_threads() // self._count))
        mine = tuple(name for name, where in self._shares.items() if where == place)
        modes = {name: mode for name, mode in self._modes.items() if name in mine}
        return Task(replace(self._settings, models=models), mine, modes)

    def _close(self) -> None:
        self._all(lambda i: self.workers[i].end())
        self._all(lambda i: self.workers[i].join())

    def _all(self, do: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(max(1, len(self.workers))) as pool:
            list(pool.map(do, range(len(self.workers))))


def shared_out(names: Sequence[str], count: int, before: dict[str, int]) -> dict[str, int]:
    """Return which process each camera goes to: where it was, and new ones to the process with the fewest.

    >>> shared_out(["a", "b", "c"], 2, {"b": 0})
    {'a': 1, 'b': 0, 'c': 0}
    """
    shares = {name: before[name] for name in names if name in before}
    taken = Counter(shares.values())
    for name in names:
        if name not in shares:
            shares[name] = min(range(count), key=lambda place: taken[place])
            taken[shares[name]] += 1
    return {name: shares[name] for name in names}

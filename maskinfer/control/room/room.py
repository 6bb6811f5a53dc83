"""The running control room: cameras are looked at, visits kept, and those who want to know are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from maskinfer.control.drift.words import drift_words
from maskinfer.control.room.state import CameraMode, CameraState, RoomCounters
from maskinfer.control.room.told import Opens, Told
from maskinfer.control.settings.change import save_zones
from maskinfer.control.settings.force import in_force
from maskinfer.control.settings.read import read_settings
from maskinfer.control.settings.types import LineSettings, Settings, ZoneSettings
from maskinfer.control.store.retention import retention_of
from maskinfer.control.store.store import Store
from maskinfer.control.watch.watching import Watching
from maskinfer.engine.drift.compare import Drift
from maskinfer.engine.errors import MaskinferError, RequestError, SourceError
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.run import local_now

_TICK_S = 0.5
_TELL_S = 1.0
_DRIFT_S = 60.0
# Whoever is told of what happens is opened anew when one of these changes.
_TOLD = ("mqtt", "webhooks", "notify")


class ControlRoom:
    """A control room; see ``control.room.state.Room`` for what others may do with it.

    Args:
        watching: looks at the cameras; what happens goes to ``store``.
        settings: what is watched.
        store: open to write; closing it is up to the caller, after ``run`` has ended.
        file: of the settings; None when there is none.
        say: called with one line for news and faults, from any thread.
    """

    def __init__(
        self, watching: Watching, settings: Settings, store: Store, *, file: Path | None, say: Callable[[str], None]
    ) -> None:
        self._watching, self._settings, self._store, self._file, self._say = watching, settings, store, file, say
        # What a caller set in the place of the file's is no change of the file.
        self._in_file = settings if file is None else read_settings(file)
        self._saving = threading.Lock()
        self._started_at = local_now()
        self._told: list[Told] = []
        self._states: dict[str, tuple[float, CameraState]] = {}
        self._ticked_s = float("-inf")
        self._drifted: tuple[float, dict[str, Drift]] = (float("-inf"), {})

    @property
    def store(self) -> Store:
        """What happened."""
        return self._store

    @property
    def settings(self) -> Settings:
        """That are in force now."""
        return self._settings

    @property
    def counters(self) -> RoomCounters:
        """What happened since the start, as figures."""
        boxes = {name: box for told in self._told for name, box in told.outboxes.items()}
        waiting = {name: box.waiting for name, box in boxes.items()}
        lost = {name: box.lost + box.refused for name, box in boxes.items()}
        counted = self._watching.counted()
        return RoomCounters(self._started_at, counted.cameras, counted.models, waiting, lost)

    def publish_to(self, opens: Opens) -> Told:
        """Tell a publisher what happens from now on; call it before ``run``, and close it after.

        Args:
            opens: opens it by settings, now and when others come into force.
        """
        told = Told(opens, self._settings, self._say)
        self._told.append(told)
        self._store.listen(told.changed)
        return told

    def run(
        self,
        stopped: Callable[[], int],
        *,
        reload: Callable[[], bool] = lambda: False,
        on_reload: Callable[[], None] = lambda: None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Watch until something stops it; every visit and camera then ends in the store.

        Args:
            stopped: asked again and again; gives a signal's number to end, or 0.
            reload: asked as often; returns True once when the settings file is to be read again.
            on_reload: called when that is done.
            on_tick: called once or twice a second for as long as the watch goes on.
        """

        def between() -> None:
            if reload():
                self._reload()
                on_reload()
            if monotonic() - self._ticked_s >= _TICK_S:
                self._ticked_s = monotonic()
                self._tell()
                on_tick()

        self._watching.run(stopped, between)

    def cameras(self) -> Sequence[CameraState]:
        """Return all cameras as they are now, in the order of the settings."""
        drifts = self._drifts()
        return [replace(state, drift=drifts.get(state.name)) for state in self._watching.cameras()]

    def live_jpeg(self, camera: str, *, blurred: bool, small: bool = False) -> tuple[int, bytes] | None:
        """Return the newest drawn frame with its number, made only while somebody looks; None if there is none."""
        return self._watching.live_jpeg(camera, blurred=blurred, small=small)

    def snapshot(self, camera: str) -> bytes | None:
        """Return the newest frame as JPEG, undrawn; None if there is none."""
        return self._watching.snapshot(camera)

    def save_zones(self, camera: str, zones: Sequence[ZoneSettings], lines: Sequence[LineSettings]) -> None:
        """Write a camera's zones and lines into the settings file; they are in force when this returns.

        Raises:
            RequestError: there is no such camera or no settings file, or a zone or line cannot be.
            OutputError: the file cannot be written.
        """
        if self._file is None:
            raise RequestError(
                "there is no settings file that zones could be kept in: begin one with  maskinfer serve --init"
            )
        self._refuse_unknown(camera)
        with self._saving:
            save_zones(self._file, camera, zones, lines)
        self._watching.call(self._reload)

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        """Change when a camera is watched, until the room ends.

        Raises:
            RequestError: there is no such camera.
        """
        self._refuse_unknown(camera)

        def change() -> None:
            self._watching.set_mode(camera, mode)
            self._tell()

        self._watching.call(change)

    def pause(self, camera: str, paused: bool) -> None:
        """Set the mode ``paused``, or ``auto``; see ``set_mode``."""
        self.set_mode(camera, "paused" if paused else "auto")

    def infer(self, images: Sequence[bytes]) -> list[FrameResult]:
        """Return the results of encoded images; requests that wait together share a batch.

        Raises:
            SourceError: one is no image that can be read.
        """
        return self._watching.infer(images)

    def renew_looks(self, camera: str) -> None:
        """Let a camera's reference begin anew: it looks as it should now.

        Raises:
            RequestError: there is no such camera. OutputError: the store cannot be written now.
        """
        self._refuse_unknown(camera)
        self._store.renew_looks(camera)
        self._store.flush()
        self._drifted = float("-inf"), {}

    def _drifts(self) -> dict[str, Drift]:
        """Return how cameras look; read anew at times, since it changes in days."""
        at_s, found = self._drifted
        if monotonic() - at_s >= _DRIFT_S:
            before = found
            with suppress(SourceError):  # which the store tells
                found = self._store.drifts()
            self._drifted = monotonic(), found
            for name, drift in found.items():
                if drift.state == "moved" and (name not in before or before[name].state != "moved"):
                    self._say(f"{name}: {drift_words(drift)}")
        return found

    def _refuse_unknown(self, camera: str) -> None:
        names = [one.name for one in self._settings.cameras]
        if camera not in names:
            raise RequestError(f"there is no camera {camera!r}, expected one of {', '.join(names)}")

    def _tell(self) -> None:
        for state in self._watching.cameras():
            told_s, before = self._states.get(state.name, (float("-inf"), state))
            is_other = (before.state, before.mode) != (state.state, state.mode)
            if is_other or monotonic() - told_s >= _TELL_S:
                self._states[state.name] = monotonic(), state
                for told in self._told:
                    told.camera(state)

    def _reload(self) -> None:
        """Read the settings file again; with a mistake in it, all stays as it was."""
        if self._file is None:
            self._say("there is no settings file to read again")
            return
        try:
            settings = read_settings(self._file)
        except MaskinferError as error:
            self._say(f"the settings stay as they were: {error}")
            return
        before = self._settings
        self._settings, later = in_force(settings, self._in_file, before)
        self._in_file = settings
        if later:
            self._say(f"what has changed in {', '.join(later)} takes effect at the next start")
        if before.store.retention != settings.store.retention:
            self._store.keep(retention_of(settings.store.retention))
        if any(getattr(before, name) != getattr(settings, name) for name in _TOLD):
            for told in self._told:
                told.change(self._settings)
        self._watching.change(self._settings)
        self._tell()
        self._say(f"the settings of {self._file} are in force")

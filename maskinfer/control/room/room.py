"""The running control room: cameras are looked at, visits kept, and those who want to know are told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic

from maskinfer.control.room.camera import Camera, Parts
from maskinfer.control.room.state import CameraMode, CameraState, RoomCounters
from maskinfer.control.room.tally import Tally
from maskinfer.control.room.told import Opens, Told
from maskinfer.control.room.uploads import Uploads
from maskinfer.control.settings.change import save_zones
from maskinfer.control.settings.force import in_force
from maskinfer.control.settings.read import read_settings
from maskinfer.control.settings.types import LineSettings, Settings, ZoneSettings
from maskinfer.control.store.retention import retention_of
from maskinfer.control.store.store import Store
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError, RequestError
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.jobs.look import look
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.sources.feeds import Feeds
from maskinfer.engine.sources.live import POLL_S, Feed
from maskinfer.engine.visits.visit import VisitChange

_TICK_S = 0.5
_TELL_S = 1.0
_PATIENCE_S = 10.0
_FINISH_S = 3.0
_MOST_REMOVED = 16
# Whoever is told of what happens is opened anew when one of these changes.
_TOLD = ("mqtt", "webhooks", "notify")


class ControlRoom:
    """A control room; see ``control.room.state.Room`` for what others may do with it.

    Args:
        engine: finds and labels.
        settings: what is watched.
        store: open to write; closing it is up to the caller, after ``run`` has ended.
        file: of the settings; None when there is none.
        say: called with one line for news and faults, from any thread.
    """

    def __init__(
        self, engine: Engine, settings: Settings, store: Store, *, file: Path | None, say: Callable[[str], None]
    ) -> None:
        self._engine, self._settings, self._store, self._file, self._say = engine, settings, store, file, say
        # What a caller set in the place of the file's is no change of the file.
        self._in_file = settings if file is None else read_settings(file)
        self._saving = threading.Lock()
        self._feeds = Feeds(say)
        self._parts = Parts(engine, self._feeds, store, say)
        self._cameras = {one.name: Camera(one, settings, self._parts) for one in settings.cameras}
        self._removed: deque[Camera] = deque(maxlen=_MOST_REMOVED)
        self._uploads = Uploads(engine)
        self._tally = Tally(local_now())
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._told: list[Told] = []
        self._states: dict[str, tuple[float, CameraState]] = {}
        self._ticked_s = float("-inf")

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
        return self._tally.seen({name: box for told in self._told for name, box in told.outboxes.items()})

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
            on_tick: called once or twice a second for as long as frames are looked at.
        """
        try:
            self._tick()
            seen_by = look(
                self._engine, self._feeds, self._tracker_of, stopped,
                endless=True, wake_s=POLL_S, on_models=self._tally.batch,
            )  # fmt: skip
            for seen in seen_by:
                for fed, result in seen:
                    camera = self._camera_of(fed.feed)
                    if camera is not None:
                        self._tally.frame(camera.settings.name, result, monotonic() - fed.arrived_s)
                        self._keep(camera.saw(fed, result, local_now()))
                self._do_calls()
                if reload():
                    self._reload()
                    on_reload()
                if monotonic() - self._ticked_s >= _TICK_S:
                    self._tick()
                    on_tick()
        finally:
            self._end()

    def cameras(self) -> list[CameraState]:
        """Return all cameras as they are now, in the order of the settings."""
        cameras = self._cameras
        return [cameras[one.name].now() for one in self._settings.cameras if one.name in cameras]

    def live_jpeg(self, camera: str, *, blurred: bool) -> tuple[int, bytes] | None:
        """Return the newest drawn frame with its number, made only while somebody looks; None if there is none."""
        one = self._cameras.get(camera)
        return None if one is None else one.view.live(blurred=blurred, most_fps=self._settings.page.live_fps)

    def snapshot(self, camera: str) -> bytes | None:
        """Return the newest frame as JPEG, undrawn; None if there is none."""
        one = self._cameras.get(camera)
        return None if one is None else one.view.snapshot()

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
        self._of(camera)
        with self._saving:
            save_zones(self._file, camera, zones, lines)
        self._call(self._reload)

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        """Change when a camera is watched, until the room ends.

        Raises:
            RequestError: there is no such camera.
        """
        one = self._of(camera)

        def change() -> None:
            one.mode = mode
            self._tick()

        self._call(change)

    def pause(self, camera: str, paused: bool) -> None:
        """Set the mode ``paused``, or ``auto``; see ``set_mode``."""
        self.set_mode(camera, "paused" if paused else "auto")

    def infer(self, images: Sequence[bytes]) -> list[FrameResult]:
        """Return the results of encoded images; requests that wait together share a batch.

        Raises:
            SourceError: one is no image that can be read.
        """
        return self._uploads.infer(images)

    def _of(self, camera: str) -> Camera:
        if camera not in self._cameras:
            raise RequestError(f"there is no camera {camera!r}, expected one of {', '.join(self._cameras)}")
        return self._cameras[camera]

    def _camera_of(self, feed: Feed) -> Camera | None:
        return next((camera for camera in self._cameras.values() if camera.feed is feed), None)

    def _tracker_of(self, feed: Feed) -> Tracker | None:
        camera = self._camera_of(feed)
        return None if camera is None else camera.tracker

    def _call(self, change: Callable[[], None]) -> None:
        """Let the room's own thread do something, and wait until it is done, or has ended."""
        done = threading.Event()

        def call() -> None:
            try:
                change()
            finally:
                done.set()

        self._calls.put(call)
        with self._feeds.news:
            self._feeds.news.notify_all()
        done.wait(_PATIENCE_S)

    def _do_calls(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            call()

    def _keep(self, changes: Sequence[VisitChange]) -> None:
        for change in changes:
            self._tally.changed(change)
            self._store.add(change)

    def _tick(self) -> None:
        self._ticked_s = monotonic()
        now = local_now()
        for name, camera in self._cameras.items():
            self._keep(camera.tick(now))
            if camera.feed is not None:
                self._tally.fed(name, dropped=camera.feed.dropped, returns=camera.feed.returns)
        for state in self.cameras():
            self._tell_of(state)

    def _tell_of(self, state: CameraState) -> None:
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
        self._change_cameras(self._settings)
        self._tick()
        self._say(f"the settings of {self._file} are in force")

    def _change_cameras(self, settings: Settings) -> None:
        now, before = local_now(), self._cameras
        after: dict[str, Camera] = {}
        for one in settings.cameras:
            camera = before.get(one.name)
            if camera is not None:
                self._keep(camera.change(one, settings, now))
            after[one.name] = camera or Camera(one, settings, self._parts)
        for name in before.keys() - after.keys():
            self._keep(before[name].close(now))
            self._removed.append(before[name])
            self._store.camera_event(name, "stopped", now, "it is not in the settings any more")
        self._cameras = after

    def _end(self) -> None:
        now = local_now()
        for camera in self._cameras.values():
            self._keep(camera.close(now))
        self._feeds.close()
        for camera in [*self._cameras.values(), *self._removed]:
            camera.join(_FINISH_S)
        self._uploads.close()
        self._do_calls()

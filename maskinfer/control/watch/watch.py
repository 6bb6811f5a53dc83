"""Looks at cameras in this process: one engine for all of them, and what happens goes to a keeper."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic

from maskinfer.control.room.state import SMALL_FPS, CameraMode, CameraState
from maskinfer.control.settings.types import ModelSettings, Settings
from maskinfer.control.watch.calls import Calls
from maskinfer.control.watch.camera import Camera, Parts
from maskinfer.control.watch.collecting import Collecting
from maskinfer.control.watch.models import (
    ExchangeableClassifier,
    file_sha256,
    follow_promotion,
    open_shadow,
    shadow_of,
)
from maskinfer.control.watch.tally import Tally
from maskinfer.control.watch.uploads import Uploads
from maskinfer.control.watch.watching import Counted, Keeper
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.jobs.look import look
from maskinfer.engine.load import load
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.sources.feeds import Feeds
from maskinfer.engine.sources.live import POLL_S, Feed
from maskinfer.engine.visits.visit import VisitChange

_TICK_S = 0.5
_SHADOW_S = 3600.0
_FINISH_S = 3.0
_MOST_REMOVED = 16


def open_engine(models: ModelSettings) -> Engine:
    """Open the models that settings name.

    Raises:
        ModelError: one cannot be used, or is not there. ProviderError: it cannot run where it is to run.
        MissingExtraError: onnxruntime is not installed.
    """
    # Before the file is opened: one that is promoted meanwhile is then seen as another.
    sha256 = file_sha256(models.classifier)
    engine = load(
        models.detector,
        models.classifier,
        preset=models.preset,
        provider=models.provider,
        threads=models.threads,
        lanes=1,
    )
    shadow = open_shadow(models, engine.classifier.contract)
    return replace(engine, classifier=ExchangeableClassifier(engine.classifier, sha256, shadow))


class Watch:
    """See ``Watching``.

    Args:
        engine: finds and labels.
        settings: what is watched.
        keeper: of what happens.
        say: called with one line for news and faults, from any thread.
    """

    def __init__(self, engine: Engine, settings: Settings, keeper: Keeper, *, say: Callable[[str], None]) -> None:
        self._engine, self._settings, self._keeper = engine, settings, keeper
        self._feeds = Feeds(say)
        self._parts = Parts(engine, self._feeds, keeper, say, self._collecting(settings, say))
        self._cameras = {one.name: Camera(one, settings, self._parts) for one in settings.cameras}
        self._removed: deque[Camera] = deque(maxlen=_MOST_REMOVED)
        self._uploads = Uploads(engine)
        self._tally = Tally()
        self._calls = Calls(self._wake)
        self._ticked_s, self._shadow_s = float("-inf"), monotonic()

    def run(self, stopped: Callable[[], int], between: Callable[[], None]) -> None:
        """Look until something stops it; see ``Watching.run``."""
        try:
            self._tick()
            between()
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
                self._calls.do()
                if monotonic() - self._ticked_s >= _TICK_S:
                    self._tick()
                between()
        finally:
            self._end()

    def call(self, change: Callable[[], None]) -> None:
        """Let the thread that looks do something."""
        self._calls.call(change)

    def change(self, settings: Settings) -> None:
        """Go on by other settings; cameras that are read as before lose no frame."""
        for one_of in self._cameras.values():  # what the classifier of before said counts as its own
            one_of.tell_looks(local_now())
        follow_promotion(self._engine, settings.models, self._parts.say)
        if settings.collect != self._settings.collect:
            self._parts.collecting = self._collecting(settings, self._parts.say)
            for one_of in self._cameras.values():
                if one_of.feed is not None:
                    one_of.collect(self._parts.collecting)
        self._settings = settings
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
            self._keeper.camera_event(name, "stopped", now, "it is not in the settings any more")
        self._cameras = after
        self._tick()

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        """Change when a camera is watched."""
        if camera in self._cameras:  # it may have been removed meanwhile
            self._cameras[camera].mode = mode
            self._tick()

    def cameras(self) -> list[CameraState]:
        """Return all cameras as they are now."""
        cameras = self._cameras
        return [cameras[one.name].now() for one in self._settings.cameras if one.name in cameras]

    def live_jpeg(self, camera: str, *, blurred: bool, small: bool = False) -> tuple[int, bytes] | None:
        """Return the newest drawn frame with its number."""
        one = self._cameras.get(camera)
        most_fps = min(self._settings.page.live_fps, SMALL_FPS if small else math.inf)
        return None if one is None else one.view.live(blurred=blurred, most_fps=most_fps, small=small)

    def snapshot(self, camera: str) -> bytes | None:
        """Return the newest frame, undrawn."""
        one = self._cameras.get(camera)
        return None if one is None else one.view.snapshot()

    def infer(self, images: Sequence[bytes]) -> list[FrameResult]:
        """Return the results of encoded images; requests that wait together share a batch."""
        return self._uploads.infer(images)

    def counted(self) -> Counted:
        """Return what was counted since the start."""
        return self._tally.seen()

    def _collecting(self, settings: Settings, say: Callable[[str], None]) -> Collecting | None:
        return None if settings.collect is None else Collecting(settings.collect, self._engine, say)

    def _wake(self) -> None:
        with self._feeds.news:
            self._feeds.news.notify_all()

    def _camera_of(self, feed: Feed) -> Camera | None:
        return next((camera for camera in self._cameras.values() if camera.feed is feed), None)

    def _tracker_of(self, feed: Feed) -> Tracker | None:
        camera = self._camera_of(feed)
        return None if camera is None else camera.tracker

    def _keep(self, changes: Sequence[VisitChange]) -> None:
        for change in changes:
            self._tally.changed(change)
            self._keeper.add(change)

    def _tick(self) -> None:
        self._ticked_s = monotonic()
        if self._ticked_s - self._shadow_s >= _SHADOW_S:
            self._tell_shadow()
        now = local_now()
        for name, camera in self._cameras.items():
            self._keep(camera.tick(now))
            if camera.feed is not None:
                self._tally.fed(name, dropped=camera.feed.dropped, returns=camera.feed.returns)

    def _tell_shadow(self) -> None:
        self._shadow_s = monotonic()
        shadow = shadow_of(self._engine)
        if shadow is not None:
            self._parts.say(shadow.told())

    def _end(self) -> None:
        now = local_now()
        for camera in self._cameras.values():
            self._keep(camera.close(now))
        self._feeds.close()
        for camera in [*self._cameras.values(), *self._removed]:
            camera.join(_FINISH_S)
        self._uploads.close()
        self._tell_shadow()
        self._calls.do()

"""One camera of a running room: its feed, its visits, its recording, and how it does."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

from maskinfer.control.room.state import CameraMode, CameraState, CameraStatus
from maskinfer.control.settings.hours import is_active
from maskinfer.control.settings.rules import rules_of, zone_rules
from maskinfer.control.settings.types import CameraSettings, Settings, ZoneSettings
from maskinfer.control.store.questions import CameraEventKind
from maskinfer.control.watch.collecting import Collecting
from maskinfer.control.watch.models import models_of
from maskinfer.control.watch.recorder import CameraRecorder
from maskinfer.control.watch.view import View
from maskinfer.control.watch.watching import Keeper
from maskinfer.engine.drift.observe import Observer
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.files.urls import is_url, public_host, public_name
from maskinfer.engine.frames.stillness import LOOK_AFTER_S
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.run import Run
from maskinfer.engine.sources.feeds import Feeds
from maskinfer.engine.sources.live import Feed, FeedFrame, FeedOptions
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.geometry import foot, holds
from maskinfer.engine.visits.visit import VisitChange
from maskinfer.site.picker import Picker

_RATE_S = 5.0
_MOST_TIMES = 1000
_LOOKS_S = 60.0
_KINDS: Mapping[CameraStatus, CameraEventKind] = {
    "running": "connected", "lost": "lost", "ended": "stopped", "paused": "paused", "off hours": "off hours",
}  # fmt: skip
_WAITING: tuple[CameraStatus, ...] = ("paused", "off hours")


@dataclass(slots=True)
class Parts:
    """What the cameras of a room share.

    Attributes:
        engine: finds and labels.
        feeds: reads the cameras.
        keeper: keeps what happens.
        say: told of faults, in one line each.
        collecting: keeps pictures to be labelled; None if none are kept.
    """

    engine: Engine
    feeds: Feeds
    keeper: Keeper
    say: Callable[[str], None]
    collecting: Collecting | None = None


class Camera:
    """A camera; all methods are for the room's own thread, but ``now`` and ``view`` for any.

    Attributes:
        settings: of the camera.
        view: what it shows now.
        feed: that it is read by; None while it is not watched.
        tracker: follows its faces.
        mode: what people asked for.
    """

    def __init__(self, settings: CameraSettings, room: Settings, parts: Parts) -> None:
        self.settings, self._room, self._parts = settings, room, parts
        self.view = View()
        self.mode: CameraMode = "auto"
        self.feed: Feed | None = None
        self.tracker: Tracker | None = None
        self._book: VisitBook | None = None
        self._recorder: CameraRecorder | None = None
        self._ending: list[CameraRecorder] = []
        self._frames_of_feed = self._unchanged_of_feed = 0
        self._size_wh: tuple[int, int] | None = None
        self._times_s: deque[float] = deque(maxlen=_MOST_TIMES)
        self._status: CameraStatus = "no frame yet"
        self._noted: tuple[CameraStatus, str] | None = None
        self._picker: Picker | None = None
        self._observer, self._told_looks_s = Observer(), monotonic()

    def saw(self, fed: FeedFrame, result: FrameResult, now: datetime) -> list[VisitChange]:
        """Take a frame with its result; returns what it changes."""
        at = now - timedelta(seconds=monotonic() - fed.arrived_s)
        changes = [] if self._book is None else self._book.add(fed.frame, result, at)
        self._frames_of_feed += 1
        self._size_wh = result.size_wh
        self._times_s.append(monotonic())
        self._observer.saw(fed.frame.picture, result)
        if self._picker is not None:
            self._picker.see(fed.frame, result, at)
        self.view.show(fed.frame.picture, result, is_unchanged=self._count_unchanged())
        return changes

    def tick(self, now: datetime) -> list[VisitChange]:
        """Begin or stop to watch by mode and hours, and note a change of the state; returns what that changes."""
        changes: list[VisitChange] = []
        if self._why_not(now) is None and self.feed is None:
            self._open()
        elif self._why_not(now) is not None and self.feed is not None:
            changes = self.close(now)
        self._status, reason = self._find_status(now)
        if self._book is not None and self._status in ("lost", "ended"):
            changes += self._book.lost(now) if self._status == "lost" else self._book.close(now)
        self._note(now, reason)
        if monotonic() - self._told_looks_s >= _LOOKS_S:
            self.tell_looks(now)
        return changes

    def tell_looks(self, now: datetime) -> None:
        """Let the keeper know how what it sees looked since the last call."""
        self._told_looks_s, counts = monotonic(), self._observer.take()
        if any(counts.values()):
            self._parts.keeper.add_looks(self.settings.name, models_of(self._parts.engine), now, counts)

    def change(self, settings: CameraSettings, room: Settings, now: datetime) -> list[VisitChange]:
        """Go on by other settings; frames are lost only where the camera has to be read anew."""
        before, self.settings, self._room = self.settings, settings, room
        changes: list[VisitChange] = []
        if _way_of(before) != _way_of(settings):
            changes = self.close(now)
        elif self._book is not None:
            self._book.change(rules_of(settings, room.visits, self._parts.engine.classifier.contract))
        if self.feed is not None:
            self._record(settings.record)
        return changes

    def close(self, now: datetime) -> list[VisitChange]:
        """Stop watching; returns the visits that end."""
        self._record(False)
        if self.feed is not None:
            self._parts.feeds.remove(self.feed)
        book, self._book, self.feed = self._book, None, None
        self._observer.begin_anew()
        self.tell_looks(now)
        self.collect(None)
        self._times_s.clear()
        return [] if book is None else book.close(now)

    def collect(self, collecting: Collecting | None) -> None:
        """Keep pictures to be labelled by other settings from now on; those of visits until now are kept."""
        if self._picker is not None:
            self._picker.close()
        self._picker = None if collecting is None else collecting.picker(self.settings.name)

    def join(self, wait_s: float) -> None:
        """Wait for recordings to be finished, once it is closed."""
        for recorder in self._ending:
            recorder.join(wait_s)

    def now(self) -> CameraState:
        """Return how it does."""
        feed, newest = self.feed, self.view.newest
        status, reason = self._find_status(None)
        here = newest if status == "running" else None
        times_s = [at_s for at_s in self._times_s.copy() if at_s > monotonic() - _RATE_S]
        last_s = self._times_s[-1] if times_s else None
        return CameraState(
            self.settings.name,
            status,
            reason,
            fps=len(times_s) / _RATE_S,
            dropped=0 if feed is None else feed.dropped,
            age_s=None if last_s is None else monotonic() - last_s,
            size_wh=self._size_wh,
            faces={} if here is None else dict(here.counts()),
            zone_faces={} if here is None else {zone.name: _in_zone(zone, here) for zone in self.settings.zones},
            zones=self.settings.zones,
            lines=self.settings.lines,
            mode=self.mode,
            labels=self._parts.engine.classifier.contract.labels,
        )

    def _count_unchanged(self) -> bool:
        """Return whether nothing had changed in the newest frame, so that no model looked at it."""
        before, self._unchanged_of_feed = self._unchanged_of_feed, 0 if self.tracker is None else self.tracker.unchanged
        return self._unchanged_of_feed > before

    def _open(self) -> None:
        camera = self.settings
        options = FeedOptions(policy="latest", max_fps=camera.max_fps, paced=True)
        self.feed = self._parts.feeds.add(camera.look_at or camera.url, camera.name, options)
        self._frames_of_feed = self._unchanged_of_feed = 0
        # A feed's clock begins anew, so what follows faces and people does too.
        still_s = None if camera.every_frame else LOOK_AFTER_S
        self.tracker = self._parts.engine.tracker(TrackOptions(still_s=still_s))
        rules = rules_of(camera, self._room.visits, self._parts.engine.classifier.contract)
        self._book = VisitBook(camera.name, rules, Run().id)
        self.view.begin_anew()
        self.collect(self._parts.collecting)
        self._record(camera.record)

    def _record(self, wanted: bool) -> None:
        if self._recorder is not None and not wanted:
            self._recorder.stop()
            self._ending = [*(one for one in self._ending if one.is_alive), self._recorder]
            self._recorder = None
        elif self._recorder is None and wanted:
            camera, parts = self.settings, self._parts
            segment_s = self._room.recording.segment_s
            self._recorder = CameraRecorder(camera.name, camera.url, parts.keeper, segment_s, parts.say)

    def _why_not(self, now: datetime) -> CameraStatus | None:
        """Return why it is not to be watched now; None if it is."""
        if self.mode == "paused":
            return "paused"
        zone = self.settings.time_zone or self._room.time_zone
        return None if self.mode == "always" or is_active(self.settings.active, zone, now) else "off hours"

    def _find_status(self, now: datetime | None) -> tuple[CameraStatus, str]:
        feed = self.feed
        if feed is None:
            why = self._status if now is None else self._why_not(now)
            return why or "no frame yet", ""
        reason = _without_address(feed.reason, self.settings)
        if feed.is_over:
            return "ended", reason
        if feed.is_lost:
            return "lost", reason
        return ("running", "") if self._frames_of_feed else ("no frame yet", reason)

    def _note(self, now: datetime, reason: str) -> None:
        """Tell the store of another state than it knows; a camera that never opened counts as lost."""
        is_unopened = self._status == "no frame yet"
        if is_unopened and not reason:
            return
        status: CameraStatus = "lost" if is_unopened else self._status
        if self._noted is not None and self._noted[0] == status:
            return
        kind = _KINDS[status]
        if kind == "connected" and self._noted is not None and self._noted[0] in _WAITING:
            kind = "resumed"
        self._noted = status, reason
        self._parts.keeper.camera_event(self.settings.name, kind, now, reason)


def _way_of(camera: CameraSettings) -> CameraSettings:
    """Return what of the settings decides how a camera is read."""
    return replace(camera, active=(), time_zone=None, record=False, zones=(), lines=())


def _in_zone(zone: ZoneSettings, result: FrameResult) -> dict[str, int]:
    polygon = zone_rules(zone).polygon
    return dict(Counter(face.label for face in result.faces if holds(polygon, foot(face.xyxy, result.size_wh))))


def _without_address(reason: str, camera: CameraSettings) -> str:
    """Return a reason as a page may show it: the camera by its name, no address."""
    for address in (camera.look_at or "", camera.url):
        if is_url(address):
            host = public_host(address).partition("://")[2]
            for part in (public_name(address), host, host.rpartition(":")[0]):
                reason = reason.replace(part, camera.name) if part else reason
    return reason

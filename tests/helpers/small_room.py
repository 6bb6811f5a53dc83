"""A small real room: cameras as one sets them, a store on disk, counters that count, and publishers that are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from maskinfer.control.room.state import CameraMode, CameraState, Publisher, RoomCounters
from maskinfer.control.settings.types import CameraSettings, LineSettings, Settings, ZoneSettings
from maskinfer.control.store.store import Store
from maskinfer.control.watch.tally import Tally
from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.images import decode_image
from maskinfer.engine.results import BGRFrame, FrameResult
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.visits.visit import VisitChange
from tests.helpers.visits_made import NOON

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def settings_for(*names: str, zones: tuple[str, ...] = ()) -> Settings:
    """Return settings with cameras of these names, each with the same zones."""
    made = tuple(ZoneSettings(name, SQUARE) for name in zones)
    return Settings(tuple(CameraSettings(name, f"rtsp://127.0.0.1:9/{i}", zones=made) for i, name in enumerate(names)))


@dataclass
class SmallRoom:
    """See ``Room``; what happens is told by ``happen`` and ``camera_is``."""

    store: Store
    settings: Settings
    frame: BGRFrame = field(default_factory=lambda: np.full((120, 160, 3), 127, np.uint8))
    tally: Tally = field(default_factory=Tally)
    outboxes: dict[str, Outbox] = field(default_factory=dict)
    publishers: list[Publisher] = field(default_factory=list)
    states: dict[str, CameraState] = field(default_factory=dict)
    frames_shown: int = 0

    def __post_init__(self) -> None:
        for one in self.settings.cameras:
            self.states[one.name] = CameraState(one.name, "running", zones=one.zones, lines=one.lines)
        self.store.listen(lambda stored, change: [one.changed(change, stored) for one in self.publishers])

    @property
    def counters(self) -> RoomCounters:
        counted = self.tally.seen()
        waiting = {name: outbox.waiting for name, outbox in self.outboxes.items()}
        lost = {name: outbox.lost + outbox.refused for name, outbox in self.outboxes.items()}
        return RoomCounters(NOON, counted.cameras, counted.models, waiting, lost)

    def cameras(self) -> Sequence[CameraState]:
        return list(self.states.values())

    def live_jpeg(self, camera: str, *, blurred: bool, small: bool = False) -> tuple[int, bytes] | None:
        data = self.snapshot(camera)
        self.frames_shown += 1 if data else 0
        return None if data is None else (self.frames_shown, data)

    def snapshot(self, camera: str) -> bytes | None:
        return cv2.imencode(".jpg", self.frame)[1].tobytes() if camera in self.states else None

    def save_zones(self, camera: str, zones: Sequence[ZoneSettings], lines: Sequence[LineSettings]) -> None:
        self._refuse_unknown(camera)
        names = [*(zone.name for zone in zones), *(line.name for line in lines)]
        if len(set(names)) < len(names):
            raise RequestError("two zones or lines have one name, expected a name of its own for each")
        cameras = [
            replace(one, zones=tuple(zones), lines=tuple(lines)) if one.name == camera else one
            for one in self.settings.cameras
        ]
        self.settings = replace(self.settings, cameras=tuple(cameras))
        self.camera_is(replace(self.states[camera], zones=tuple(zones), lines=tuple(lines)))

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        self._refuse_unknown(camera)
        state = "paused" if mode == "paused" else "running"
        self.camera_is(replace(self.states[camera], mode=mode, state=state))

    def pause(self, camera: str, paused: bool) -> None:
        self.set_mode(camera, "paused" if paused else "auto")

    def renew_looks(self, camera: str) -> None:
        self._refuse_unknown(camera)
        self.store.renew_looks(camera)
        self.store.flush()
        self.camera_is(replace(self.states[camera], drift=self.store.drifts().get(camera)))

    def infer(self, images: list[bytes]) -> list[FrameResult]:
        sizes = [decode_image(data, "image").shape for data in images]
        return [FrameResult("", 0, 0.0, (shape[1], shape[0]), ()) for shape in sizes]

    def _refuse_unknown(self, camera: str) -> None:
        if camera not in self.states:
            raise RequestError(f"there is no camera {camera!r}")

    def camera_is(self, state: CameraState) -> None:
        """Let a camera be so from now on, and tell it."""
        self.states[state.name] = state
        for publisher in self.publishers:
            publisher.camera(state)

    def happen(self, *changes: VisitChange) -> None:
        """Let visits change, and wait until all have heard of it."""
        for change in changes:
            self.tally.changed(change)
            self.store.add(change)
        self.store.flush()


def small_room(folder: Path, settings: Settings | None = None) -> SmallRoom:
    """Return a room with a store in a folder, and one camera ``door`` unless settings say otherwise."""
    return SmallRoom(Store.open(folder), settings or settings_for("door"))

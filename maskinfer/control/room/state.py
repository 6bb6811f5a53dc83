"""What the page and the publishers see of the running watch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from maskinfer.control.settings.types import LineSettings, Settings, ZoneSettings
from maskinfer.control.store.questions import StoredVisit
from maskinfer.control.store.store import Store
from maskinfer.engine.drift.compare import Drift
from maskinfer.engine.results import LABELS, FrameResult, label_order
from maskinfer.engine.visits.visit import VisitChange

CameraStatus = Literal["running", "lost", "no frame yet", "ended", "paused", "off hours"]
CameraMode = Literal["auto", "always", "paused"]
"""``auto`` watches in the camera's active hours, ``always`` outside of them too, ``paused`` not at all."""
SMALL_FPS = 2.0
"""Most small live pictures a second of each camera, as on a page with several."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """A camera as it is now.

    Attributes:
        name: of the camera.
        state: whether it is watched, and if not, why.
        reason: more of the why, for people, without addresses and passwords; may be empty.
        fps: frames a second that got a result lately.
        dropped: frames that were replaced by newer ones before they were looked at, since the start.
        age_s: seconds since its last frame came; None when there was none yet.
        size_wh: width and height of its frames in pixels; None when there was none yet.
        faces: how many faces of each label are before it now.
        zone_faces: the same for each of its zones.
        zones, lines: that it has now.
        mode: what people asked for.
        drift: whether it looks as it did when its reference was taken; None before anything is known.
        labels: that the classifier knows.
    """

    name: str
    state: CameraStatus
    reason: str = ""
    fps: float = 0.0
    dropped: int = 0
    age_s: float | None = None
    size_wh: tuple[int, int] | None = None
    faces: Mapping[str, int] = field(default_factory=dict)
    zone_faces: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    zones: tuple[ZoneSettings, ...] = ()
    lines: tuple[LineSettings, ...] = ()
    mode: CameraMode = "auto"
    drift: Drift | None = None
    labels: tuple[str, ...] = LABELS


def camera_labels(cameras: Iterable[CameraState]) -> list[str]:
    """Return the labels that faces before cameras may have, in the order in which they are counted."""
    return label_order({*LABELS, *(label for camera in cameras for label in camera.labels)})


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often a time was how long, since the start.

    Attributes:
        bounds_s: upper bounds in seconds, rising.
        counts: how many were within each bound and above the one before; the last one those above all bounds.
        sum_s: of all.
    """

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    sum_s: float


@dataclass(frozen=True, slots=True)
class CameraCounters:
    """What happened to one camera since the start; no figure ever falls.

    Attributes:
        frames: that got a result.
        dropped: that were replaced by newer ones before they were looked at.
        returns: how often it came back after it was lost.
        faces: found in its frames, by label.
        visits: that ended, by label.
        violations: that began, by zone (empty for a camera without zones) and label.
        ages: from the arrival of a frame to its result.
    """

    frames: int
    dropped: int
    returns: int
    faces: Mapping[str, int]
    visits: Mapping[str, int]
    violations: Mapping[tuple[str, str], int]
    ages: Distribution


@dataclass(frozen=True, slots=True)
class RoomCounters:
    """What happened since the start.

    Attributes:
        started_at: when that was.
        cameras: by name.
        models: time of the models for each batch of frames, which the frames that wait at the same time share.
        waiting: how many records wait for each receiver: of webhooks, chats and the broker, by its public name.
        lost: how many records for each receiver were lost or refused for good.
    """

    started_at: datetime
    cameras: Mapping[str, CameraCounters]
    models: Distribution
    waiting: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)


class Room(Protocol):
    """The running watch. Every method may be called from any thread."""

    @property
    def store(self) -> Store:
        """What happened."""

    @property
    def settings(self) -> Settings:
        """That are in force now."""

    @property
    def counters(self) -> RoomCounters:
        """What happened since the start, as figures."""

    def cameras(self) -> Sequence[CameraState]:
        """Return all cameras as they are now, in the order of the settings."""

    def live_jpeg(self, camera: str, *, blurred: bool, small: bool = False) -> tuple[int, bytes] | None:
        """Return the newest drawn frame with its number, made only while somebody looks; None if there is none.

        Args:
            camera: its name.
            blurred: faces are made unrecognizable.
            small: 480 pixels wide at most, rather than 1280, and no more than ``SMALL_FPS`` a second.
        """

    def snapshot(self, camera: str) -> bytes | None:
        """Return the newest frame as JPEG, undrawn; None if there is none."""

    def save_zones(self, camera: str, zones: Sequence[ZoneSettings], lines: Sequence[LineSettings]) -> None:
        """Write a camera's zones and lines into the settings file; they are in force at once."""

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        """Change when a camera is watched, until the watch ends. Raises ``RequestError`` for one that is not there."""

    def pause(self, camera: str, paused: bool) -> None:
        """Set the mode ``paused``, or ``auto``."""

    def renew_looks(self, camera: str) -> None:
        """Let a camera's reference begin anew: it looks as it should now. Raises ``RequestError`` as ``set_mode``."""

    def infer(self, images: list[bytes]) -> list[FrameResult]:
        """Return the results of encoded images; requests that wait together share a batch."""


class Publisher(Protocol):
    """Somebody who is told what happens. No method waits for anybody, or raises."""

    def changed(self, change: VisitChange, stored: StoredVisit) -> None:
        """Hear of a change of a visit."""

    def camera(self, state: CameraState) -> None:
        """Hear of a camera: when its state or mode changes, and about once a second besides."""

    def close(self) -> list[str]:
        """Tell what waits, for a few seconds at most; return a line for what did not get there."""

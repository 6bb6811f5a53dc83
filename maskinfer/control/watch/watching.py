"""What a room needs of those who look at its cameras, and what they need of those who keep what happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from maskinfer.control.room.state import CameraCounters, CameraMode, CameraState, Distribution
from maskinfer.control.settings.types import Settings
from maskinfer.control.store.questions import CameraEventKind
from maskinfer.engine.drift.counts import Counts
from maskinfer.engine.results import FrameResult
from maskinfer.engine.visits.visit import VisitChange


class Keeper(Protocol):
    """Keeps what happens; see the methods of ``Store``. Every method may be called from any thread."""

    def add(self, change: VisitChange) -> None:
        """Keep a change of a visit."""

    def camera_event(self, camera: str, kind: CameraEventKind, at: datetime, reason: str) -> None:
        """Keep what happened to a camera."""

    def add_looks(self, camera: str, models: str, at: datetime, counts: Counts) -> None:
        """Keep how what a camera sees looked since the last call."""

    def recording_folder(self, name: str) -> Path:
        """Return the folder for a camera's recordings. Raises ``OutputError`` if it cannot be made."""

    def add_recording(self, camera: str, path: Path, from_at: datetime, to_at: datetime) -> None:
        """Keep that there is a recording, or that it is longer. Raises ``OutputError`` if it is not there."""

    def why_no_recording(self) -> str:
        """Return why nothing may be recorded now; empty when it may."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted since the start.

    Attributes:
        cameras: by name.
        models: time of the models for each batch of frames.
    """

    cameras: Mapping[str, CameraCounters]
    models: Distribution


class Watching(Protocol):
    """Looks at the cameras of settings. Methods may be called from any thread, where they do not say otherwise."""

    def run(self, stopped: Callable[[], int], between: Callable[[], None]) -> None:
        """Look until something stops it; every visit then ends.

        Args:
            stopped: asked again and again; gives a signal's number to end, or 0.
            between: called between frames, and a few times a second when there are none.
        """

    def call(self, change: Callable[[], None]) -> None:
        """Let the thread that runs do something between two frames, and wait until it is done, or has ended."""

    def change(self, settings: Settings) -> None:
        """Go on by other settings; for the thread that runs."""

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        """Change when a camera that is there is watched; for the thread that runs."""

    def cameras(self) -> Sequence[CameraState]:
        """Return all cameras as they are now, in the order of the settings."""

    def live_jpeg(self, camera: str, *, blurred: bool, small: bool = False) -> tuple[int, bytes] | None:
        """Return the newest drawn frame with its number; see ``Room.live_jpeg``."""

    def snapshot(self, camera: str) -> bytes | None:
        """Return the newest frame as JPEG, undrawn; None if there is none."""

    def infer(self, images: Sequence[bytes]) -> list[FrameResult]:
        """Return the results of encoded images. Raises ``SourceError`` for one that is no image."""

    def counted(self) -> Counted:
        """Return what was counted since the start."""

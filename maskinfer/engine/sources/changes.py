"""What becomes of a live source, kept in its order until somebody asks."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from maskinfer.engine.records import CameraEventKind

_MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class CameraChange:
    """A live source was lost, or is back.

    Attributes:
        kind: which of the two.
        source: as its results name it.
        reason: why it was lost; empty when it is back.
        frame: index of the first frame after the change.
    """

    kind: CameraEventKind
    source: str
    reason: str
    frame: int


class CameraChanges:
    """The changes of one source. Any thread may call.

    Args:
        source: as its results name it.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._kept: deque[CameraChange] = deque(maxlen=_MOST_KEPT)
        self._is_lost = False

    def lost(self, reason: str, frame: int) -> None:
        """Note that it gives no frames, if that is new."""
        self._note(True, CameraChange("camera_lost", self._source, reason, frame))

    def back(self, frame: int) -> None:
        """Note that it gives frames again, if it did not."""
        self._note(False, CameraChange("camera_back", self._source, "", frame))

    def take(self, before: int | None) -> list[CameraChange]:
        """Return the changes up to a frame, given by its index, or all; each once."""
        taken: list[CameraChange] = []
        with self._lock:
            while self._kept and (before is None or self._kept[0].frame <= before):
                taken.append(self._kept.popleft())
        return taken

    def _note(self, is_lost: bool, change: CameraChange) -> None:
        with self._lock:
            if is_lost != self._is_lost:
                self._is_lost = is_lost
                self._kept.append(change)

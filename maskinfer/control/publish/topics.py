"""Which MQTT topics there are, and what they hold: JSON, but for the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskinfer.control.room.state import CameraState
from maskinfer.control.store.questions import CountRow
from maskinfer.engine.results import LABELS, UNCERTAIN

ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of all topics.

    Attributes:
        base: that all begin with.
    """

    base: str

    @property
    def status(self) -> str:
        """``online``, or ``offline``, which the broker says when the connection is lost; retained."""
        return f"{self.base}/status"

    def state(self, camera: str) -> str:
        """How a camera is now, see ``state_payload``; retained."""
        return f"{self.base}/{camera}/state"

    def today(self, camera: str) -> str:
        """Who came today, see ``today_payload``; retained."""
        return f"{self.base}/{camera}/today"

    def event(self, camera: str) -> str:
        """What happens, once for each event, see ``records``."""
        return f"{self.base}/{camera}/event"

    def picture(self, camera: str) -> str:
        """The picture of the latest violation, a JPEG, if that was asked for; retained."""
        return f"{self.base}/{camera}/picture"

    def set_mode(self, camera: str) -> str:
        """Takes ``auto``, ``always`` or ``paused``."""
        return f"{self.base}/{camera}/mode/set"

    def set_paused(self, camera: str) -> str:
        """Takes ``ON`` or ``OFF``."""
        return f"{self.base}/{camera}/paused/set"

    def command(self, topic: str) -> tuple[str, str] | None:
        """Return the camera and ``mode`` or ``paused`` that a topic of commands is for; None for other topics."""
        parts = topic.removeprefix(f"{self.base}/").split("/")
        if len(parts) != 3 or parts[1] not in ("mode", "paused") or parts[2] != "set":
            return None
        return parts[0], parts[1]


def state_payload(camera: CameraState) -> dict[str, Any]:
    """Return how a camera is now."""
    return {
        "state": camera.state,
        "reason": camera.reason,
        "mode": camera.mode,
        "paused": "ON" if camera.mode == "paused" else "OFF",
        "fps": round(camera.fps, 1),
        "dropped": camera.dropped,
        "faces": _with_sum(camera.faces, camera.labels),
        "zones": {zone.name: _with_sum(camera.zone_faces.get(zone.name, {}), camera.labels) for zone in camera.zones},
    }


def changes_at_once(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a camera's state that is told as soon as it changes; frame rates change all the time."""
    return {key: value for key, value in payload.items() if key not in ("fps", "dropped")}


def today_payload(
    day: str,
    zones: Sequence[str],
    by_label: Iterable[CountRow],
    by_zone: Iterable[CountRow],
    labels: Sequence[str] = LABELS,
) -> dict[str, Any]:
    """Return who came to a camera today.

    Args:
        day: the day, as in 2026-11-25.
        zones: of the camera.
        by_label, by_zone: counts of the day's visits.
        labels: that the classifier knows.
    """
    people = _counted(by_label, labels)
    found: dict[str, list[CountRow]] = {zone: [] for zone in zones}
    for row in by_zone:
        if row.key in found:
            found[row.key].append(row)
    return {"day": day, **people, "zones": {zone: _counted(rows, labels) for zone, rows in found.items()}}


def _counted(rows: Iterable[CountRow], known: Sequence[str]) -> dict[str, int]:
    rows = list(rows)
    labels: dict[str, int] = {}
    for row in rows:
        labels[row.label] = labels.get(row.label, 0) + row.visits
    return {**_with_sum(labels, known, "people"), "violations": sum(row.violations for row in rows)}


def _with_sum(counts: Mapping[str, int], known: Sequence[str], name: str = "all") -> dict[str, int]:
    # The sum last: whatever a label is called, it is there.
    return {**dict.fromkeys((*LABELS, *known, UNCERTAIN), 0), **counts, name: sum(counts.values())}

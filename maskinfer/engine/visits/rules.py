"""What a camera is watched for: zones, lines, and when something counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import WITH_MASK
from maskinfer.engine.sinks.events import EventOptions

Point = tuple[float, float]
"""x and y as shares of the picture's width and height, from the top left corner."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the picture where only some labels are allowed.

    A face is in the zone that holds the middle of its lower edge; it may be in several zones.

    Attributes:
        name: unique among the camera's zones and lines.
        polygon: at least three corners, in shares of the picture, 0 to 1; the last is joined to the first.
        allowed: labels that are no violation. ``uncertain`` never is one.
        hold_s: how long a label that is not allowed must be held there before it counts.
        cooldown_s: a violation of the same person and label that begins so soon after the last one goes on with it.

    Raises:
        RequestError: the name is empty, a corner lies outside of the picture, or a time is negative.
    """

    name: str
    polygon: tuple[Point, ...]
    allowed: tuple[str, ...] = (WITH_MASK,)
    hold_s: float = 1.0
    cooldown_s: float = 10.0

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.name.strip():
            raise RequestError("a zone has no name")
        if len(self.polygon) < 3:
            raise RequestError(f"zone {self.name} has {len(self.polygon)} corners, expected at least 3")
        _check_points(f"zone {self.name}", self.polygon)
        _check_times(f"zone {self.name}", hold_s=self.hold_s, cooldown_s=self.cooldown_s)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that counts who passes which way.

    Who stands at its first end and looks to its second has ``out`` on the left and ``in`` on the right: over a line
    drawn from left to right, people who come down the picture, towards the camera, go in.

    Attributes:
        name: unique among the camera's zones and lines.
        ends: x and y of the first end and of the second one, in shares of the picture, 0 to 1.

    Raises:
        RequestError: the name is empty, an end lies outside of the picture, or both ends are the same.
    """

    name: str
    ends: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.name.strip():
            raise RequestError("a line has no name")
        x1, y1, x2, y2 = self.ends
        _check_points(f"line {self.name}", [(x1, y1), (x2, y2)])
        if (x1, y1) == (x2, y2):
            raise RequestError(f"line {self.name} begins where it ends, expected two points")


@dataclass(frozen=True, slots=True)
class VisitRules:
    """When something counts.

    Attributes:
        zones: where which labels are allowed. Without any, the whole picture counts, and only ``with_mask`` is allowed.
        lines: where passages are counted.
        events: when a face has appeared, when a label is settled or changed, and when a face is lost.
        join_gap_s: a person who is seen again so soon, near the place and of the size of before, is on the same visit.
            A visit ends so long after the last sight, but never before ``events.leave_s``.
        pictures: whether the best picture of each label is kept.

    Raises:
        RequestError: two zones or lines have one name, or the gap is negative.
    """

    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    events: EventOptions = field(default_factory=EventOptions)
    join_gap_s: float = 3.0
    pictures: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        names = [*(zone.name for zone in self.zones), *(line.name for line in self.lines)]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise RequestError(f"two zones or lines are named {twice[0]}, expected a name of its own for each")
        _check_times("the rules of visits", join_gap_s=self.join_gap_s)

    @property
    def forget_s(self) -> float:
        """How long after the last sight a visit ends, in seconds."""
        return max(self.join_gap_s, self.events.leave_s)


def _check_points(what: str, points: Sequence[Point]) -> None:
    for x, y in points:
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise RequestError(f"{what} has the point ({x}, {y}), expected shares of the picture from 0 to 1")


def _check_times(what: str, **times_s: float) -> None:
    for name, value in times_s.items():
        if not (value >= 0 and math.isfinite(value)):
            raise RequestError(f"{name} of {what} is {value}, expected seconds from 0")

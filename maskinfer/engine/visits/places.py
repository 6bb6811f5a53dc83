"""Where one person was: zones, violations in them, and lines that were passed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maskinfer.engine.results import UNCERTAIN
from maskinfer.engine.visits.geometry import crosses, distance_px, holds
from maskinfer.engine.visits.rules import Line, Point, VisitRules, Zone
from maskinfer.engine.visits.visit import Passage, Violation

# Who is seen outside of a zone for no longer than this has not left it.
_EDGE_S = 0.5
# So far from a line, in widths of the face, somebody must be to have passed it: faces tremble.
_CLEARANCE = 0.2
# Of a poster that is there for months; the oldest are forgotten.
_MOST = 500
_EVERYWHERE = Zone("everywhere", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))


@dataclass(slots=True)
class _Stay:
    """A person in a zone."""

    entered_s: float
    entered_at: datetime
    outside_s: float | None = None  # since when the person is seen outside


@dataclass(slots=True)
class _Breach:
    """A violation that may still go on."""

    zone: str | None
    label: str
    from_at: datetime
    to_at: datetime
    last_s: float
    bare: str | None
    stay: _Stay
    label_s: float

    def goes_on(self, stay: _Stay, sight: Sight, cooldown_s: float) -> bool:
        """Tell whether what is seen is still this violation: not interrupted, or so shortly that it does not count."""
        return (self.stay is stay and self.label_s == sight.label_s) or sight.now_s - self.last_s <= cooldown_s

    def violation(self) -> Violation:
        return Violation(self.zone, self.label, self.from_at, self.to_at, self.bare)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one frame shows of a person.

    Attributes:
        foot: where the person stands, in shares of the picture.
        width_px: of the face.
        size_wh: of the picture, in pixels.
        shown: the label that the frame shows; ``uncertain`` if it is not clear.
        label: the label that is settled.
        label_s, label_at: since when it is.
        bare: what the mask leaves bare, if that is known.
        now_s, at: the time of the frame.
    """

    foot: Point
    width_px: float
    size_wh: tuple[int, int]
    shown: str
    label: str
    label_s: float
    label_at: datetime
    bare: str | None
    now_s: float
    at: datetime


class Places:
    """Knows where one person was.

    Attributes:
        zones: names of those in which the person was seen, in the order of their first entering.
    """

    def __init__(self, rules: VisitRules) -> None:
        self.zones: list[str] = []
        self._named = False
        self._rules: Sequence[Zone] = ()
        self._lines: Sequence[Line] = ()
        self.change(rules)
        self._stays: dict[str, _Stay] = {}
        self._breaches: deque[_Breach] = deque(maxlen=_MOST)
        self._latest: dict[tuple[str, str], _Breach] = {}  # by zone and label
        self._passages: deque[Passage] = deque(maxlen=_MOST)
        self._sides: dict[str, Point] = {}

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All so far, in the order in which they were noticed."""
        return tuple(breach.violation() for breach in self._breaches)

    @property
    def passages(self) -> tuple[Passage, ...]:
        """All so far."""
        return tuple(self._passages)

    def change(self, rules: VisitRules) -> None:
        """Go on by other zones and lines; what was noted by those of before stays."""
        self._named = bool(rules.zones)
        self._rules = rules.zones or (_EVERYWHERE,)
        self._lines = rules.lines

    def pass_lines(self, sight: Sight) -> int:
        """Note which lines were passed since the last frame, and return how many."""
        return sum(self._pass(line, sight) for line in self._lines)

    def stand(self, sight: Sight) -> int:
        """Note in which zones the person is, and return how many violations begin to count."""
        return sum(self._stand(zone, sight) for zone in self._rules)

    def _pass(self, line: Line, sight: Sight) -> bool:
        away_px = distance_px(line, sight.foot, sight.size_wh)
        if abs(away_px) < _CLEARANCE * sight.width_px:
            return False
        before = self._sides.get(line.name, sight.foot)
        self._sides[line.name] = sight.foot
        if not crosses(line, before, sight.foot):
            return False
        self._passages.append(Passage(line.name, "in" if away_px > 0 else "out", sight.at))
        return True

    def _stand(self, zone: Zone, sight: Sight) -> bool:
        stay = self._stays.get(zone.name)
        if not holds(zone.polygon, sight.foot):
            if stay is not None and stay.outside_s is None:
                stay.outside_s = sight.now_s
            return False
        if stay is None or (stay.outside_s is not None and sight.now_s - stay.outside_s > _EDGE_S):
            stay = self._stays[zone.name] = _Stay(sight.now_s, sight.at)
            if self._named and zone.name not in self.zones:
                self.zones.append(zone.name)
        stay.outside_s = None
        if sight.label == UNCERTAIN or sight.label in zone.allowed or sight.shown != sight.label:
            return False
        return self._breach(zone, stay, sight)

    def _breach(self, zone: Zone, stay: _Stay, sight: Sight) -> bool:
        """Go on with the violation of before, or begin one if the label was held for long enough."""
        name = zone.name if self._named else None
        last = self._latest.get((zone.name, sight.label))
        if last is not None and last.goes_on(stay, sight, zone.cooldown_s):
            last.to_at, last.last_s, last.bare = sight.at, sight.now_s, sight.bare or last.bare
            return False
        if sight.now_s - max(stay.entered_s, sight.label_s) < zone.hold_s:
            return False
        from_at = max(stay.entered_at, sight.label_at)
        breach = _Breach(name, sight.label, from_at, sight.at, sight.now_s, sight.bare, stay, sight.label_s)
        self._latest[zone.name, sight.label] = breach
        self._breaches.append(breach)
        return True

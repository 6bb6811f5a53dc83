"""The rules of visits that settings ask for."""

from __future__ import annotations

from typing import Any

from maskinfer.control.settings.types import CameraSettings, LineSettings, VisitSettings, ZoneSettings
from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.sinks.events import EventOptions, events_for
from maskinfer.engine.visits.rules import Line, VisitRules, Zone


def rules_of(camera: CameraSettings, visits: VisitSettings, contract: ClassifierContract) -> VisitRules:
    """Return when something counts before a camera.

    Args:
        camera: whose zones and lines they are.
        visits: what differs from the defaults.
        contract: of the classifier, which may say from which score on few of its labels are wrong.
    """
    given = {name: getattr(visits, name) for name in ("min_score", "appear_s", "hold_s", "cooldown_s", "leave_s")}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    more: dict[str, Any] = {} if visits.join_s is None else {"join_gap_s": visits.join_s}
    return VisitRules(
        zones=tuple(map(zone_rules, camera.zones)),
        lines=tuple(map(line_rules, camera.lines)),
        events=events_for(contract, EventOptions(**options)),
        **more,
    )


def zone_rules(zone: ZoneSettings) -> Zone:
    """Return a zone as visits know it.

    Raises:
        RequestError: it cannot be.
    """
    return Zone(zone.name, zone.polygon, zone.allowed, zone.hold_s, zone.cooldown_s)


def line_rules(line: LineSettings) -> Line:
    """Return a line as visits know it.

    Raises:
        RequestError: it cannot be.
    """
    return Line(line.name, (*line.ends[0], *line.ends[1]))

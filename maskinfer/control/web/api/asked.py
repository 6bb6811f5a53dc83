"""What a form or a program asks for, as questions to the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo

from maskinfer.control.report.period import read_period
from maskinfer.control.store.questions import VisitQuery
from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import LABELS, UNCERTAIN, label_order


def asked_visits(
    asked: Mapping[str, str], now: datetime, zone: tzinfo | None, labels: Callable[[], Sequence[str]]
) -> VisitQuery:
    """Return the visits that fields ask for; those that are empty ask for nothing.

    Args:
        asked: ``day``, or ``from`` and ``to``, as ``read_period`` takes them; ``camera``, ``zone``, ``label``,
            ``violations`` (anything for only those) and ``before``.
        now: what ``today`` is of.
        zone: time zone of days; None for this machine's.
        labels: gives those that visits may have besides ours.

    Raises:
        RequestError: a field holds what it cannot.
    """
    given = {name: text.strip() for name, text in asked.items() if text.strip()}
    if given.get("label", UNCERTAIN) not in (*LABELS, UNCERTAIN):
        known = label_order({*LABELS, UNCERTAIN, *labels()})
        if given["label"] not in known:
            raise RequestError(f"label is {given['label']!r:.40}, expected one of {', '.join(known)}")
    from_at, to_at = read_period(given.get("day"), given.get("from"), given.get("to"), now=now, time_zone=zone)
    return VisitQuery(
        from_at=from_at,
        to_at=to_at,
        camera=given.get("camera"),
        zone=given.get("zone"),
        label=given.get("label"),
        only_violations="violations" in given,
        before=given.get("before"),
        time_zone=zone,
    )

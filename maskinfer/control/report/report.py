"""What happened in a period, counted from a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from maskinfer.control.store.questions import CountRow, PassageRow, StoredVisit, VisitQuery, WatchedSpan
from maskinfer.control.store.store import Store
from maskinfer.engine.drift.compare import Drift
from maskinfer.engine.intervals import wilson
from maskinfer.engine.results import LABELS, UNCERTAIN
from maskinfer.engine.sinks.run import local_now

# Up to so long a report counts by the hour, a longer one by the day.
HOURS_UP_TO = timedelta(days=2)
MOST_VIOLATIONS = 60


@dataclass(frozen=True, slots=True)
class LabelShare:
    """How many people have one label.

    Attributes:
        label: one of the classifier's.
        people: how many.
        share: of the people whose label is known, 0 to 1; 0 when there is none.
        low, high: 95 % interval of the share by Wilson's score.
    """

    label: str
    people: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Counted:
    """How many people there were in one hour, on one day, in one zone or before one camera.

    Attributes:
        key: see ``CountRow.key``; of the zone, ``""`` for people who were in none.
        people: how many by label.
        violations: how many of them had on what a zone does not allow.
    """

    key: str
    people: Mapping[str, int]
    violations: int

    @property
    def total(self) -> int:
        """How many people, of whatever label."""
        return sum(self.people.values())


@dataclass(frozen=True, slots=True)
class CameraWatch:
    """How much of the period a camera was watched.

    Attributes:
        camera: its name.
        watched_s: for how long, in seconds.
        known_s: for how long it is known whether it was, in seconds: from its first event on.
        gaps: when it was not, and why, in order.
    """

    camera: str
    watched_s: float
    known_s: float
    gaps: tuple[WatchedSpan, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a period.

    A person is a visit: who comes twice counts twice. A visit counts where it began, under its last settled label.

    Attributes:
        from_at, to_at: the period; aware datetimes in the time zone of the report.
        camera, zone: what the report was asked to be of alone; None for all.
        made_at: when it was made.
        clock: ``wall`` when the times are those of the wall; ``recording`` when they count from the recording's begin,
            which stands for midnight of 1 January 1970 UTC, as it is not known when that was.
        people: how many.
        labels: how many of them by label, and what share of those whose label is known.
        unknown: how many whose label was never settled; they are in no share.
        violations: how many people had on what a zone does not allow.
        unit: what ``by_time`` counts by.
        by_time: in order, from the first with people to the last, those without included.
        by_zone: by the zones' names; empty when nobody was in a zone.
        by_camera: by the cameras' names.
        passages: how many passed each line which way.
        shown: the newest violations, at most ``MOST_VIOLATIONS``.
        watches: what was watched of each camera.
        looks: whether cameras looked as they did, at the end of the period; without those that nothing is known of.
    """

    from_at: datetime
    to_at: datetime
    camera: str | None
    zone: str | None
    made_at: datetime
    clock: Literal["wall", "recording"]
    people: int
    labels: tuple[LabelShare, ...]
    unknown: int
    violations: int
    unit: Literal["hour", "day"]
    by_time: tuple[Counted, ...]
    by_zone: tuple[Counted, ...]
    by_camera: tuple[Counted, ...]
    passages: tuple[PassageRow, ...]
    shown: tuple[StoredVisit, ...]
    watches: tuple[CameraWatch, ...]
    looks: Mapping[str, Drift] = field(default_factory=dict)


def make_report(
    store: Store,
    where: VisitQuery,
    *,
    clock: Literal["wall", "recording"] = "wall",
    most_violations: int = MOST_VIOLATIONS,
) -> Report:
    """Return the report of a period.

    Args:
        store: what to report on.
        where: period, camera, zone and time zone. An open period reaches from the first that is known to now.
        clock: see ``Report.clock``.
        most_violations: most of ``Report.shown``.

    Raises:
        SourceError: the store cannot be read.
    """
    spans = store.watched(where)
    where = _closed(store, where, spans)
    from_at, to_at = where.from_at or local_now(), where.to_at or local_now()
    unit: Literal["hour", "day"] = "hour" if to_at - from_at <= HOURS_UP_TO else "day"
    by_time, by_camera, by_zone = _by_time_camera_zone(store, where, unit)
    people = _summed(row.people for row in by_time)
    wanted = replace(where, only_violations=True, newest_first=True, limit=max(1, most_violations))
    return Report(
        from_at=from_at.astimezone(where.time_zone),
        to_at=to_at.astimezone(where.time_zone),
        camera=where.camera,
        zone=where.zone,
        made_at=local_now().astimezone(where.time_zone),
        clock=clock,
        people=sum(people.values()),
        labels=shares_of(people),
        unknown=people.get(UNCERTAIN, 0),
        violations=sum(row.violations for row in by_time),
        unit=unit,
        by_time=_without_holes(by_time, unit),
        by_zone=by_zone if any(row.key for row in by_zone) else (),
        by_camera=by_camera,
        passages=tuple(store.passages(where)),
        shown=tuple(store.visits(wanted)[:most_violations]),
        watches=tuple(_watch(camera, list(some)) for camera, some in groupby(spans, lambda span: span.camera)),
        looks=_looks(store, where, to_at),
    )


def _by_time_camera_zone(store: Store, where: VisitQuery, unit: Literal["hour", "day"]) -> list[tuple[Counted, ...]]:
    """Return the counts of a report; those by zone need a pass of their own, unless one zone alone is asked for."""
    if where.zone is None:
        counts = [*store.counts_by(where, unit, "camera"), store.counts(where, "zone")]
    else:
        counts = store.counts_by(where, unit, "camera", "zone")
    return [counted(rows) for rows in counts]


def _closed(store: Store, where: VisitQuery, spans: list[WatchedSpan]) -> VisitQuery:
    """Return the question with both ends of its period."""
    if where.from_at is None:
        first = store.visits(replace(where, newest_first=False, limit=1))
        known = [*(span.from_at for span in spans), *(stored.visit.first_at for stored in first)]
        where = replace(where, from_at=min(known, default=where.to_at or local_now()))
    if where.to_at is None:
        last = store.visits(replace(where, newest_first=True, limit=1))
        known = [*(span.to_at for span in spans), *(stored.visit.last_at for stored in last)]
        begin = where.from_at or local_now()
        where = replace(where, to_at=max([begin, *known]) + timedelta(microseconds=1))
    return where


def counted(rows: Iterable[CountRow]) -> tuple[Counted, ...]:
    """Return rows of one key each, in the order of the first ones."""
    found: dict[str, list[CountRow]] = {}
    for row in rows:
        found.setdefault(row.key, []).append(row)
    return tuple(
        Counted(key, {row.label: row.visits for row in some}, sum(row.violations for row in some))
        for key, some in found.items()
    )


def labels_of(found: Iterable[str]) -> list[str]:
    """Return the labels that are told of: those that are shipped, others that were found, and ``uncertain`` last.

    >>> labels_of(["visor", "with_mask"])
    ['with_mask', 'without_mask', 'incorrect_mask', 'visor', 'uncertain']
    """
    return [*LABELS, *sorted(set(found) - {*LABELS, UNCERTAIN}), UNCERTAIN]


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for label, people in count.items():
            total[label] = total.get(label, 0) + people
    return total


def shares_of(people: Mapping[str, int]) -> tuple[LabelShare, ...]:
    """Return the shares of the shipped labels, and of others that occur."""
    labels = labels_of(people)[:-1]
    known = sum(people.get(label, 0) for label in labels)
    return tuple(
        LabelShare(label, count, count / known if known else 0.0, *wilson(count, known))
        for label in labels
        for count in [people.get(label, 0)]
    )


def _without_holes(rows: tuple[Counted, ...], unit: str) -> tuple[Counted, ...]:
    """Return the hours or days, those between them in which nobody came included."""
    step = timedelta(hours=1) if unit == "hour" else timedelta(days=1)
    filled: list[Counted] = []
    for row in rows:
        at = datetime.fromisoformat(row.key)
        while filled and (after := datetime.fromisoformat(filled[-1].key) + step) < at:
            # An hour between two of different offsets has that of the one before it.
            filled.append(Counted(after.isoformat() if unit == "hour" else after.date().isoformat(), {}, 0))
        filled.append(row)
    return tuple(filled)


def _looks(store: Store, where: VisitQuery, to_at: datetime) -> dict[str, Drift]:
    found = store.drifts(min(to_at, local_now()).astimezone(where.time_zone))
    # A reference that began later says nothing of the period.
    return {name: one for name, one in found.items() if where.camera in (None, name) and one.since < to_at}


def _watch(camera: str, spans: list[WatchedSpan]) -> CameraWatch:
    lengths = [(span, (span.to_at - span.from_at).total_seconds()) for span in spans]
    return CameraWatch(
        camera,
        watched_s=sum(seconds for span, seconds in lengths if span.state == "watched"),
        known_s=sum(seconds for _, seconds in lengths),
        gaps=tuple(span for span in spans if span.state != "watched"),
    )

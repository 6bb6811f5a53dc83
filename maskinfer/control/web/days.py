"""What happened: today, all visits, one visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from maskinfer.control.report.charts import CHART_WH, draw_bars
from maskinfer.control.report.report import Counted, counted, labels_of
from maskinfer.control.report.words import same, short_time, zone_name
from maskinfer.control.store.questions import CountRow, StoredVisit, VisitQuery, WatchedSpan
from maskinfer.control.store.store import Store
from maskinfer.control.web import words
from maskinfer.control.web.api.asked import asked_visits
from maskinfer.control.web.site import plain, site_of, visitor_of

_ON_A_PAGE = 48
_LEAST_GAP_S = 60.0


@dataclass(frozen=True, slots=True)
class Totals:
    """How many people there were.

    Attributes:
        visits: all.
        violations: who had on what a zone does not allow.
        by_label: visits of each label.
        wrong: of those, who had on what a zone does not allow.
    """

    visits: int
    violations: int
    by_label: dict[str, int]
    wrong: dict[str, int]


def counted_by_label(store: Store, where: VisitQuery) -> Totals:
    """Return how many visits there were, of each label, whether against the rules or not."""
    rows = store.counts(replace(where, only_violations=False), "label")
    counts = dict.fromkeys(labels_of(row.label for row in rows), 0)
    for row in rows:
        counts[row.label] += row.visits
    wrong = {row.label: row.violations for row in rows}
    return Totals(sum(counts.values()), sum(wrong.values()), counts, wrong)


def today(request: Request) -> Response:
    """Show who came on a day: today, or the one that is asked for."""
    site, asked = site_of(request), plain(request.query_params)
    from_at, to_at = site.day(asked.get("day", "today"))
    query = VisitQuery(from_at=from_at, to_at=to_at, time_zone=site.zone(), limit=_ON_A_PAGE)
    store = site.room.store
    hours = hours_of(from_at, to_at, store.counts(query, "hour"))
    return site.page(
        request,
        "today.html",
        date=from_at,
        before=(from_at - timedelta(days=1)).date().isoformat(),
        after=(from_at + timedelta(days=1)).date().isoformat() if to_at <= site.now() else "",
        totals=counted_by_label(store, query),
        hours=[hour for hour in hours if hour.total],
        hour_name=_hour,
        chart=draw_bars(hours, _hour, lambda key: short_time(key, "hour")),
        chart_size=CHART_WH,
        zones=[row for row in counted(store.counts(query, "zone")) if row.key],
        zone_name=zone_name,
        same=same,
        passages=store.passages(query),
        cameras=counted(store.counts(query, "camera")),
        violations=store.visits(replace(query, only_violations=True)),
        gaps=gaps_of(store.watched(query), site.now()),
    )


def hours_of(from_at: datetime, to_at: datetime, rows: Sequence[CountRow]) -> list[Counted]:
    """Return all hours of a day, those without anybody too."""
    found = {datetime.fromisoformat(row.key): row for row in counted(rows)}
    hours, at = [], from_at
    while at < to_at:
        hours.append(found.get(at) or Counted(at.isoformat(), {}, 0))
        at = datetime.fromtimestamp(at.timestamp() + 3600, at.tzinfo)  # a day of summer time has 23 hours or 25
    return hours


def _hour(key: str) -> str:
    return words.clock(datetime.fromisoformat(key))


def gaps_of(spans: Sequence[WatchedSpan], now: datetime) -> list[WatchedSpan]:
    """Return when nobody was counted and why; what is shorter than a minute or still to come is left out."""
    return [
        span
        for span in spans
        if span.state != "watched"
        and span.from_at < now
        and (span.to_at - span.from_at).total_seconds() >= _LEAST_GAP_S
    ]


def visits(request: Request) -> Response:
    """Show visits, newest first, those that are asked for."""
    site, asked = site_of(request), plain(request.query_params)
    query = asked_visits(asked, site.now(), site.zone(), site.labels)
    found = site.room.store.visits(replace(query, limit=_ON_A_PAGE + 1))
    shown = found[:_ON_A_PAGE]
    cameras = site.room.cameras()
    return site.page(
        request,
        "visits.html",
        asked=asked,
        total=counted_by_label(site.room.store, replace(query, before=None)),
        days=by_day(shown),
        older=shown[-1].cursor if len(found) > _ON_A_PAGE else "",
        cameras=sorted({camera.name for camera in cameras}),
        zones=sorted({zone.name for camera in cameras for zone in camera.zones}),
    )


def by_day(visits: Sequence[StoredVisit]) -> list[tuple[datetime, list[StoredVisit]]]:
    """Return visits under the days on which they began."""
    days: dict[str, list[StoredVisit]] = {}
    for stored in visits:
        days.setdefault(stored.visit.first_at.date().isoformat(), []).append(stored)
    return [(some[0].visit.first_at, some) for some in days.values()]


def visit(request: Request) -> Response:
    """Show one visit."""
    site = site_of(request)
    stored = site.room.store.visit(request.path_params["id"], site.zone())
    if stored is None:
        raise HTTPException(404, "This visit is not kept any more.")
    found = stored.visit
    clips = site.room.store.recordings(found.camera, found.first_at, found.last_at)
    return site.page(request, "visit.html", stored=stored, clips=clips if visitor_of(request).sees_faces else [])

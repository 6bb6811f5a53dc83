"""The report of any period, to read, to print and to take along."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from maskinfer.control.report.report import Counted, make_report
from maskinfer.control.report.words import gap_words, percent_words, period_words, place_words, row_words
from maskinfer.control.web.api.asked import asked_visits
from maskinfer.control.web.charts import Group, day_chart, hour_chart
from maskinfer.control.web.site import Site, link, plain, site_of
from maskinfer.control.web.words import ALL_LABELS
from maskinfer.engine.results import UNCERTAIN

_LEAST_GAP_S = 60.0


def report(request: Request) -> Response:
    """Show the page."""
    site, asked = site_of(request), plain(request.query_params)
    if not {"day", "from", "to"} & set(asked):
        asked["day"] = "today"
    made = make_report(site.room.store, asked_visits(asked, site.now(), site.zone()))
    times = [_group(row) for row in made.by_time]
    cameras = site.room.cameras()
    rest = {name: asked[name] for name in ("camera", "zone") if name in asked}
    return site.page(
        request,
        "report.html",
        asked=asked,
        report=made,
        counts={row.label: row.people for row in made.labels} | {UNCERTAIN: made.unknown},
        last_day=(made.to_at - timedelta(microseconds=1)).date().isoformat(),
        title=period_words(made),
        place=place_words(made),
        chart=hour_chart(times) if made.unit == "hour" else day_chart(times),
        times=[replace(group, key=row_words(made, group.key)) for group in times],
        groups=[("Zones", [_group(row) for row in made.by_zone]), ("Cameras", [_group(row) for row in made.by_camera])],
        percent=percent_words,
        why=gap_words,
        gaps=[gap for watch in made.watches for gap in watch.gaps if (gap.to_at - gap.from_at).seconds >= _LEAST_GAP_S],
        presets=[(name, link("/report", **query, **rest)) for name, query in _presets(site)],
        here=link("/report", **asked),
        take=lambda kind: link("/v1/report", format=kind, **asked),
        cameras=sorted({camera.name for camera in cameras}),
        zones=sorted({zone.name for camera in cameras for zone in camera.zones}),
    )


def _group(row: Counted) -> Group:
    return Group(row.key, row.total, row.violations, {label: row.people.get(label, 0) for label in ALL_LABELS})


def _presets(site: Site) -> list[tuple[str, dict[str, str]]]:
    today = site.now().date()
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    last = first - timedelta(days=1)
    return [
        ("Today", {"day": "today"}),
        ("Yesterday", {"day": "yesterday"}),
        ("This week", {"from": monday.isoformat(), "to": today.isoformat()}),
        ("This month", {"from": first.isoformat(), "to": today.isoformat()}),
        ("Last month", {"from": last.replace(day=1).isoformat(), "to": last.isoformat()}),
    ]

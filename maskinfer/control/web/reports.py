"""The report of any period, to read, to print and to take along."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from maskinfer.control.report.charts import CHART_WH, draw_bars
from maskinfer.control.report.report import make_report
from maskinfer.control.report.words import (
    gap_words,
    looks_words,
    percent_words,
    period_words,
    place_words,
    row_names,
    same,
    short_row_names,
    zone_name,
)
from maskinfer.control.web.api.asked import asked_visits
from maskinfer.control.web.site import Site, link, plain, site_of
from maskinfer.engine.results import UNCERTAIN

_LEAST_GAP_S = 60.0


def report(request: Request) -> Response:
    """Show the page."""
    site, asked = site_of(request), plain(request.query_params)
    if not {"day", "from", "to"} & set(asked):
        asked["day"] = "today"
    made = make_report(site.room.store, asked_visits(asked, site.now(), site.zone(), site.labels))
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
        looks=looks_words(made),
        chart=draw_bars(made.by_time, row_names(made), short_row_names(made)),
        chart_size=CHART_WH,
        row_name=row_names(made),
        zone_name=zone_name,
        same=same,
        percent=percent_words,
        why=gap_words,
        gaps=[gap for watch in made.watches for gap in watch.gaps if (gap.to_at - gap.from_at).seconds >= _LEAST_GAP_S],
        presets=[(name, link("/report", **query, **rest)) for name, query in _presets(site)],
        here=link("/report", **asked),
        take=lambda kind: link("/v1/report", format=kind, **asked),
        cameras=sorted({camera.name for camera in cameras}),
        zones=sorted({zone.name for camera in cameras for zone in camera.zones}),
    )


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

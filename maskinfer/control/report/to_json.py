"""A report as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from maskinfer.control.drift.words import drift_dict
from maskinfer.control.report.report import Counted, Report
from maskinfer.control.store.questions import StoredVisit, WatchedSpan

Plain = dict[str, Any]


def report_dict(report: Report) -> Plain:
    """Return a report as plain data, times in ISO 8601 with their offset; docs/reference/store.md describes it."""
    return {
        "from_at": report.from_at.isoformat(),
        "to_at": report.to_at.isoformat(),
        "made_at": report.made_at.isoformat(timespec="seconds"),
        "clock": report.clock,
        "camera": report.camera,
        "zone": report.zone,
        "people": report.people,
        "unknown": report.unknown,
        "violations": report.violations,
        "labels": [
            {
                "label": label.label,
                "people": label.people,
                "share": round(label.share, 4),
                "low": round(label.low, 4),
                "high": round(label.high, 4),
            }
            for label in report.labels
        ],
        "unit": report.unit,
        "by_time": _counted(report.by_time),
        "by_zone": _counted(report.by_zone),
        "by_camera": _counted(report.by_camera),
        "passages": [
            {"camera": row.camera, "line": row.line, "direction": row.direction, "passages": row.passages}
            for row in report.passages
        ],
        "newest_violations": [visit_dict(stored) for stored in report.shown],
        "watched": [
            {
                "camera": watch.camera,
                "watched_s": round(watch.watched_s, 3),
                "known_s": round(watch.known_s, 3),
                "gaps": [_gap(span) for span in watch.gaps],
            }
            for watch in report.watches
        ],
        "looks": {camera: drift_dict(drift) for camera, drift in report.looks.items()},
    }


def visit_dict(stored: StoredVisit) -> Plain:
    """Return a visit as plain data, with the ids of its pictures."""
    visit = stored.visit
    return {
        "id": visit.id,
        "camera": visit.camera,
        "first_at": visit.first_at.isoformat(),
        "last_at": visit.last_at.isoformat(),
        "label": visit.label,
        "bare": visit.bare,
        "ended": visit.ended,
        "zones": list(visit.zones),
        "spans": [
            {
                "label": span.label,
                "bare": span.bare,
                "score": round(span.score, 4),
                "from_at": span.from_at.isoformat(),
                "to_at": span.to_at.isoformat(),
            }
            for span in visit.spans
        ],
        "passages": [
            {"line": passage.line, "direction": passage.direction, "at": passage.at.isoformat()}
            for passage in visit.passages
        ],
        "violations": [
            {
                "zone": violation.zone,
                "label": violation.label,
                "bare": violation.bare,
                "from_at": violation.from_at.isoformat(),
                "to_at": violation.to_at.isoformat(),
            }
            for violation in visit.violations
        ],
        "pictures": [
            {"id": picture.id, "label": picture.label, "at": picture.at.isoformat()} for picture in stored.pictures
        ],
    }


def _counted(rows: Iterable[Counted]) -> list[Plain]:
    return [{"key": row.key, "people": dict(row.people), "violations": row.violations} for row in rows]


def _gap(span: WatchedSpan) -> Plain:
    return {
        "from_at": span.from_at.isoformat(),
        "to_at": span.to_at.isoformat(),
        "state": span.state,
        "reason": span.reason,
    }

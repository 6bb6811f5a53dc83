from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from maskinfer.control.report.report import Report, make_report
from maskinfer.control.report.table import visit_rows
from maskinfer.control.report.to_json import report_dict
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, WITH_MASK, WITHOUT_MASK
from maskinfer.engine.visits.visit import Passage
from tests.helpers.visits_made import after, change, picture, visit

DAY = VisitQuery(from_at=after(-12 * 3600), to_at=after(12 * 3600), time_zone=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A morning of one door: eight people, two of them wrong, one that nobody can tell."""
    with Store.open(tmp_path / "store", on_error=pytest.fail) as opened:
        opened.camera_event("door", "connected", after(-3600), "")
        opened.camera_event("door", "lost", after(3600), "no route to host")
        opened.camera_event("door", "connected", after(5400), "")
        for number in range(5):
            opened.add(change(visit(number, WITH_MASK, first_s=number * 60, zones=("ward",))))
        passed = (Passage("sill", "in", after(1802)),)
        opened.add(change(visit(5, WITHOUT_MASK, first_s=1800, passages=passed), "violation", picture(WITHOUT_MASK)))
        opened.add(change(visit(6, INCORRECT_MASK, first_s=3 * 3600, zones=("ward",))))
        opened.add(change(visit(7, UNCERTAIN, first_s=3 * 3600)))
        opened.flush()
        yield opened


@pytest.fixture
def report(store: Store) -> Report:
    return make_report(store, DAY)


def test_people_by_label(report: Report) -> None:
    assert (report.people, report.unknown, report.violations) == (8, 1, 2)
    assert [(label.label, label.people, label.share) for label in report.labels] == [
        (WITH_MASK, 5, pytest.approx(5 / 7)),
        (WITHOUT_MASK, 1, pytest.approx(1 / 7)),
        (INCORRECT_MASK, 1, pytest.approx(1 / 7)),
    ]
    assert all(label.low < label.share < label.high for label in report.labels)


def test_people_by_hour_without_holes(report: Report) -> None:
    assert report.unit == "hour"
    assert [(row.key[11:16], row.total, row.violations) for row in report.by_time] == [
        *(("12:00", 6, 1), ("13:00", 0, 0), ("14:00", 0, 0), ("15:00", 2, 1)),
    ]


def test_people_by_zone(report: Report) -> None:
    assert [(row.key, row.total, row.violations) for row in report.by_zone] == [("", 2, 1), ("ward", 6, 1)]
    assert [(row.line, row.direction, row.passages) for row in report.passages] == [("sill", "in", 1)]


def test_the_violations_newest_first(store: Store, report: Report) -> None:
    assert [stored.visit.label for stored in report.shown] == [INCORRECT_MASK, WITHOUT_MASK]
    assert [len(stored.pictures) for stored in report.shown] == [0, 1]
    assert len(make_report(store, DAY, most_violations=1).shown) == 1


def test_what_was_not_watched(report: Report) -> None:
    (watch,) = report.watches
    assert [(gap.state, gap.reason, gap.from_at) for gap in watch.gaps] == [("lost", "no route to host", after(3600))]
    assert watch.known_s - watch.watched_s == 1800


def test_a_long_period_counts_by_the_day(store: Store) -> None:
    store.add(change(visit(8, first_s=3 * 86_400)))
    store.flush()
    report = make_report(store, VisitQuery(time_zone=UTC))
    assert report.unit == "day"
    assert [(row.key, row.total) for row in report.by_time] == [
        *(("2026-11-25", 8), ("2026-11-26", 0), ("2026-11-27", 0), ("2026-11-28", 1)),
    ]
    assert (report.from_at, report.to_at > after(3 * 86_400 + 10)) == (after(-3600), True)


def test_of_one_zone(store: Store) -> None:
    report = make_report(store, VisitQuery(zone="ward", time_zone=UTC))
    assert (report.people, report.violations, [row.key for row in report.by_zone]) == (6, 1, ["ward"])


def test_of_an_empty_store(tmp_path: Path) -> None:
    with Store.open(tmp_path, on_error=pytest.fail) as store:
        report = make_report(store, DAY)
    assert (report.people, report.by_time, report.shown, report.watches) == (0, (), (), ())
    assert {(label.people, label.share, label.low, label.high) for label in report.labels} == {(0, 0.0, 0.0, 1.0)}


def test_as_json(report: Report) -> None:
    plain = json.loads(json.dumps(report_dict(report)))
    assert plain["people"] == 8
    assert plain["by_time"][0] == {
        "key": "2026-11-25T12:00:00+00:00",
        "people": {"with_mask": 5, "without_mask": 1},
        "violations": 1,
    }
    assert plain["newest_violations"][1]["pictures"][0]["label"] == WITHOUT_MASK
    assert plain["watched"][0]["gaps"][0]["state"] == "lost"


def test_as_a_table(store: Store) -> None:
    store.add(change(visit(9, camera="=cmd|' /C calc'!A0", zones=("a", "b"), first_s=4 * 3600)))
    store.flush()
    rows = list(visit_rows(store, DAY))
    assert rows[0] == "id,camera,first_at,last_at,seconds,label,bare,zones,violations,in,out,ended"
    assert rows[6].split(",", 1)[1] == (
        "door,2026-11-25T12:30:00+00:00,2026-11-25T12:30:10+00:00,10.0,without_mask,,,1,1,0,left"
    )
    assert ",'=cmd|' /C calc'!A0," in rows[-1]
    assert ",a; b," in rows[-1]
    assert len(rows) == 10

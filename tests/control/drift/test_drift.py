"""Whether cameras look as they did: kept in a store, told by command, and begun anew."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from maskinfer.control.drift.tables import TABLES, WHOLE_WEEK, monday
from maskinfer.control.drift.words import drift_dict, drift_words
from maskinfer.control.report.page import report_html
from maskinfer.control.report.report import make_report
from maskinfer.control.report.to_json import report_dict
from maskinfer.control.report.words import looks_words
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.retention import Kept, Retention
from maskinfer.control.store.schema import STEPS, VERSION, version_of
from maskinfer.control.store.store import Store
from maskinfer.engine.drift.compare import LEAST_PEOPLE
from maskinfer.engine.drift.counts import Counts, no_counts
from maskinfer.engine.sinks.run import local_now
from tests.commands.test_run import check_error, maskinfer

MONDAY = datetime(2026, 9, 7, 8, 0, tzinfo=UTC)
MODELS = "retinaface-mask 1, mobilenetv2-128 3"


def seen(people: int, brightness: str = "100", label: str = "with_mask") -> Counts:
    counts = no_counts()
    counts["label"], counts["face_brightness"] = Counter({label: people}), Counter({brightness: people})
    return counts


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "store", on_error=pytest.fail) as opened:
        yield opened


def look(store: Store, day: float, people: int, brightness: str = "100", models: str = MODELS) -> None:
    store.add_looks("door", models, MONDAY + timedelta(days=day), seen(people, brightness))


def state(store: Store, day: float) -> str:
    store.flush()
    return store.drifts(MONDAY + timedelta(days=day))["door"].state


def test_the_reference_is_a_full_week_with_enough_people(store: Store) -> None:
    assert store.drifts() == {}
    look(store, 0, 90)
    look(store, 3, 40)
    assert state(store, 3) == "learning"
    assert store.drifts(MONDAY)["door"].people == 130
    look(store, 7, 5)  # completes it
    assert state(store, 7) == "too little"
    look(store, 8, 150)
    assert state(store, 8) == "too little"  # the second day of the week: its light may not be the week's
    assert state(store, 11) == "as before"
    drift = store.drifts(MONDAY + timedelta(days=11))["door"]
    assert (drift.people, drift.shifts) == (150, ())
    assert drift.since == MONDAY


def test_a_camera_that_was_dimmed_is_told_and_begins_anew_when_asked(store: Store) -> None:
    for day, brightness in ((0, "100"), (7, "100"), (8, "100"), (15, "25"), (16, "25")):
        look(store, day, 200, brightness)
    assert state(store, 13) == "as before"
    assert state(store, 18) == "moved"
    drift = store.drifts(MONDAY + timedelta(days=18))["door"]
    assert "faces are darker (38 of 255, before 112)" in drift_words(drift)
    (shift,) = (drift_dict(drift) or {})["shifts"]
    assert (shift["what"], shift["which"]) == ("face_brightness", None)
    assert shift["psi"] > 1
    # Long ago is not how it looks now.
    assert state(store, 50) == "too little"
    store.renew_looks("door")
    assert state(store, 18) == "learning"


def test_the_report_of_a_day_says_which_cameras_had_changed(store: Store) -> None:
    for day, brightness in ((0, "100"), (7, "100"), (8, "100"), (15, "25"), (16, "25")):
        look(store, day, 200, brightness)
    store.flush()

    def of(day: int, camera: str | None = None) -> VisitQuery:
        begin = MONDAY + timedelta(days=day)
        return VisitQuery(from_at=begin, to_at=begin + timedelta(days=1), camera=camera, time_zone=UTC)

    changed = make_report(store, of(17))
    (line,) = looks_words(changed)
    assert line.startswith("door: it no longer looks as it did from 2026-09-07: faces are darker")
    assert report_dict(changed)["looks"] == {"door": drift_dict(changed.looks["door"])}
    assert "Cameras that have changed" in report_html(changed, lambda picture: None)
    before = make_report(store, of(12))
    assert (before.looks["door"].state, looks_words(before)) == ("as before", [])
    assert "Cameras that have changed" not in report_html(before, lambda picture: None)
    assert make_report(store, of(17, camera="yard")).looks == {}
    assert make_report(store, of(-9)).looks == {}, "the reference began later"


def test_other_models_begin_anew_and_few_people_are_counted_over_two_weeks(store: Store) -> None:
    for day in (0, 7):
        look(store, day, 120)
    for day, people in ((8, 60), (15, 70)):
        look(store, day, people)
    assert state(store, 18) == "as before"
    assert store.drifts(MONDAY + timedelta(days=18))["door"].people == 130
    look(store, 19, 10, models="retinaface-mask 1, site 4")
    assert state(store, 19) == "learning"


def test_a_camera_before_which_nobody_comes_has_a_reference_after_four_weeks(store: Store) -> None:
    counts = no_counts()
    counts["picture_brightness"] = Counter({"100": 200})
    for day in (0, 28, 30):
        store.add_looks("door", MODELS, MONDAY + timedelta(days=day), counts)
    assert state(store, 31) == "as before"
    counts["picture_brightness"] = Counter({"0": 900})
    store.add_looks("door", MODELS, MONDAY + timedelta(days=36), counts)
    assert state(store, 39) == "moved"


def test_old_weeks_are_forgotten_and_the_reference_stays(tmp_path: Path) -> None:
    retention = Retention(events=Kept(14, 14, None))
    with Store.open(tmp_path / "s", retention=retention, on_error=pytest.fail) as store:
        for day in (0, 7, 8, 15):
            look(store, day, 200)
        store.add_looks("door", MODELS, local_now(), seen(200))
        store.flush()
        store.sweep()
    with sqlite3.connect(tmp_path / "s" / "store.sqlite") as db:
        weeks = list(db.execute("SELECT DISTINCT is_reference, week FROM looks ORDER BY is_reference, week"))
    assert weeks == [(0, monday(local_now())), (1, "2026-09-07"), (1, "2026-09-14")]


def test_days_that_are_compared_no_more_become_a_week(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s", on_error=pytest.fail) as store:
        for day in (0, 7, 14, 15, 16):
            look(store, day, 100)
        store.flush()
        store.sweep()
        look(store, 16, 1)  # late, but not lost
        store.flush()
        store.sweep()
    with sqlite3.connect(tmp_path / "s" / "store.sqlite") as db:
        rows = list(db.execute("SELECT week, day, count FROM looks WHERE is_reference = 0 AND what = 'label'"))
    assert rows == [("2026-09-21", WHOLE_WEEK, 301)]


def test_a_store_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with Store.open(folder, on_error=pytest.fail):
        pass
    with sqlite3.connect(folder / "store.sqlite") as db:  # back to how version 1 made it
        db.executescript("DROP TABLE looks; DROP TABLE baselines; PRAGMA user_version = 1")
    with Store.open(folder, readonly=True) as store:
        assert store.drifts() == {}
        assert make_report(store, VisitQuery()).looks == {}
    with Store.open(folder, on_error=pytest.fail) as store:
        look(store, 0, 1)
        store.flush()
        assert store.drifts(MONDAY)["door"].state == "learning"
    with sqlite3.connect(folder / "store.sqlite") as db:
        assert version_of(db) == VERSION == len(STEPS) == 2
    assert TABLES in STEPS


def test_a_year_of_a_camera_is_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "store"
    with Store.open(folder, on_error=pytest.fail) as store:
        empty = store.usage().events_bytes
        for week in range(52):
            counts = no_counts()
            for what in counts:
                counts[what] = Counter({str(i): int(n) for i, n in enumerate(rng.integers(1, 99, 10))})
            store.add_looks("door", MODELS, MONDAY + timedelta(weeks=week), counts)
        store.flush()
        assert store.usage().events_bytes - empty < 300_000


def test_the_command_tells_and_begins_anew(tmp_path: Path) -> None:
    folder, now = tmp_path / "store", local_now()
    monday = now - timedelta(days=now.weekday())
    with Store.open(folder, on_error=pytest.fail) as store:
        for day, brightness in ((-28, "100"), (-20, "100"), (-7, "25")):
            store.add_looks("door", MODELS, monday + timedelta(days=day), seen(2 * LEAST_PEOPLE, brightness))
        store.add_looks("yard", MODELS, now, seen(3))
    told = maskinfer("drift", folder)
    assert told.returncode == 0, told.stderr
    assert "door: it no longer looks as it did" in told.stdout
    assert f"yard: how it looks is learnt since {now:%Y-%m-%d}: 3 of at least 100 people" in told.stdout
    assert maskinfer("drift", folder, "--gate").returncode == 1
    as_json = json.loads(maskinfer("drift", folder, "--json").stdout)
    assert as_json["door"]["shifts"][0]["what"] == "face_brightness"
    anew = maskinfer("drift", folder, "--renew", "door", "--gate")
    assert anew.returncode == 0, anew.stderr
    assert "door: how it looks is learnt since" in anew.stdout
    check_error(maskinfer("drift", folder, "--renew", "porch"), 2, "porch")
    check_error(maskinfer("drift", tmp_path / "none"), 2, "no store")

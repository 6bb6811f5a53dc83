from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maskinfer.control.settings.types import Keep, RetentionSettings
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.retention import Kept, Retention, retention_of
from maskinfer.control.store.store import Store
from maskinfer.engine.results import WITH_MASK, WITHOUT_MASK
from tests.helpers.visits_made import NOON, change, picture, visit

FOREVER = Kept(None, None, None)
KEEP_ALL = Retention(FOREVER, FOREVER, FOREVER)
DAY_S = 86_400
ALL = VisitQuery(newest_first=False, limit=1000)
# Visits are made on days before noon of 25 November 2026; this is how long ago that is.
AGO_DAYS = (datetime.now(UTC) - NOON).total_seconds() / DAY_S


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A visit a day for ten days, every second one a violation, each with a picture and a recording."""
    with Store.open(tmp_path, retention=KEEP_ALL, on_error=pytest.fail) as store:
        for day in range(10):
            label = WITHOUT_MASK if day % 2 else WITH_MASK
            one = visit(day, label, first_s=-day * DAY_S)
            store.add(change(one, "ended", picture(label, at_s=-day * DAY_S)))
            path = store.recording_folder("door") / f"{day}.mp4"
            path.write_bytes(b"x" * 1000)
            store.add_recording("door", path, one.first_at, one.last_at)
    return tmp_path


def kept(folder: Path, retention: Retention) -> dict[str, list[int]]:
    """Return the days whose visits, pictures and recordings are there after a sweep."""
    with Store.open(folder, retention=retention, on_error=pytest.fail) as store:
        store.sweep()
        visits = store.visits(ALL)
        files = {file.stem for file in (folder / "pictures").rglob("*.jpg")}
        assert files == {shown.id for stored in visits for shown in stored.pictures}
        return {
            "events": sorted(int(stored.visit.id.rpartition("-")[2]) for stored in visits),
            "pictures": sorted(int(stored.visit.id.rpartition("-")[2]) for stored in visits if stored.pictures),
            "recordings": sorted(int(file.stem) for file in (folder / "recordings").rglob("*.mp4")),
        }


EVERY = list(range(10))
YOUNG = [0, 1, 2, 3, 5, 7]  # four days, and a week of violations


@pytest.mark.parametrize("kind", ["events", "pictures", "recordings"])
def test_by_days_each_kind_apart_and_violations_longer(folder: Path, kind: str) -> None:
    days = Kept(AGO_DAYS + 3.5, AGO_DAYS + 7.5, None)
    expected = {name: YOUNG if name == kind else EVERY for name in ("events", "pictures", "recordings")}
    if kind == "events":
        expected["pictures"] = YOUNG
    assert kept(folder, replace(KEEP_ALL, **{kind: days})) == expected


def test_by_bytes_the_oldest_first_and_violations_last(folder: Path) -> None:
    found = kept(folder, replace(KEEP_ALL, recordings=Kept(None, None, 7_400)))
    assert found == {"events": EVERY, "pictures": EVERY, "recordings": [0, 1, 2, 3, 5, 7, 9]}
    found = kept(folder, replace(KEEP_ALL, recordings=Kept(None, None, 3_200)))
    assert found["recordings"] == [1, 3, 5]


def test_pictures_by_bytes(folder: Path) -> None:
    total = sum(file.stat().st_size for file in (folder / "pictures").rglob("*.jpg"))
    assert kept(folder, replace(KEEP_ALL, pictures=Kept(None, None, int(total * 0.75))))["pictures"] == [
        *(0, 1, 2, 3, 5, 7, 9),
    ]


def test_events_by_bytes(tmp_path: Path) -> None:
    with Store.open(tmp_path, retention=KEEP_ALL, on_error=pytest.fail) as store:
        for number in range(3000):
            store.add(change(visit(number, WITHOUT_MASK if number < 100 else WITH_MASK, first_s=number)))
        store.flush()
        full = store.usage()
        store.keep(replace(KEEP_ALL, events=Kept(None, None, int(full.events_bytes * 0.6))))
        store.sweep()
        usage = store.usage()
        assert usage.events_bytes <= full.events_bytes * 0.6
        assert 500 <= usage.visits < 2500
        oldest = store.visits(replace(ALL, limit=101))
        assert [stored.visit.label for stored in oldest] == [WITHOUT_MASK] * 100 + [WITH_MASK]
    assert (tmp_path / "store.sqlite").stat().st_size < full.events_bytes * 0.7


def test_a_visit_that_goes_on_is_not_forgotten(tmp_path: Path) -> None:
    with Store.open(tmp_path, retention=replace(KEEP_ALL, events=Kept(0, 0, 0)), on_error=pytest.fail) as store:
        store.add(change(visit(1, ended=None), "began"))
        store.add(change(visit(2)))
        store.sweep()
        assert [stored.visit.id for stored in store.visits(ALL)] == [visit(1).id]


def test_what_happened_to_cameras_is_forgotten_but_for_the_last_state(tmp_path: Path) -> None:
    with Store.open(tmp_path, retention=KEEP_ALL, on_error=pytest.fail) as store:
        for day in range(9, -1, -1):
            at = visit(day, first_s=-day * DAY_S).first_at
            store.camera_event("door", "connected" if day % 2 else "lost", at, f"{day}")
        store.flush()
        store.keep(replace(KEEP_ALL, events=Kept(AGO_DAYS + 1, AGO_DAYS + 3.5, None)))
        store.sweep()
        assert [span.reason for span in store.watched(VisitQuery())] == ["4", "3", "2", "1", "0"]


def test_the_settings_say_what_is_kept() -> None:
    settings = RetentionSettings(Keep(days=365), Keep(days=30, violation_days=90, max_gb=0.5), Keep())
    assert retention_of(settings) == Retention(Kept(365, 365, None), Kept(30, 90, 500_000_000), FOREVER)

from __future__ import annotations

import stat
import threading
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import pytest

from maskinfer.control.store.questions import CountBy, CountRow, PassageRow, StoredVisit, VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.engine.errors import OutputError, RequestError, SourceNotFoundError
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, WITH_MASK, WITHOUT_MASK
from maskinfer.engine.visits.visit import Passage, VisitChange
from tests.helpers.visits_made import NOON, after, change, picture, visit

ALL = VisitQuery(newest_first=False, time_zone=UTC)


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "store", on_error=pytest.fail) as opened:
        yield opened


def ids(visits: list[StoredVisit]) -> list[int]:
    return [int(stored.visit.id.rpartition("-")[2]) for stored in visits]


def test_a_visit_comes_back_as_it_was(store: Store) -> None:
    passages = (Passage("sill", "in", after(3)), Passage("sill", "out", after(4)))
    one = visit(1, INCORRECT_MASK, zones=("ward", "hall"), passages=passages)
    store.add(change(one))
    store.flush()
    (stored,) = store.visits(ALL)
    assert stored.visit == one
    assert store.visit(one.id) == StoredVisit(one, (), stored.cursor)
    assert store.visit("nobody") is None


def test_a_visit_grows(store: Store) -> None:
    store.add(change(visit(1, UNCERTAIN, ended=None), "began"))
    store.add(change(visit(1, WITHOUT_MASK, zones=("ward",), ended=None), "violation"))
    last = visit(1, WITH_MASK, zones=("ward",))
    store.add(change(last))
    store.flush()
    assert [stored.visit for stored in store.visits(ALL)] == [last]
    assert store.counts(ALL, "zone") == [CountRow("ward", WITH_MASK, 1, 0)]


def test_the_best_picture_takes_the_place_of_the_last(store: Store) -> None:
    one = visit(1, WITHOUT_MASK)
    first, better = picture(WITHOUT_MASK, at_s=1), picture(WITHOUT_MASK, at_s=2, quality=60)
    for shown in (first, better, better):
        store.add(change(one, "picture", shown))
        store.flush()
    store.add(change(one, "settled", picture(WITH_MASK, at_s=3)))
    store.flush()
    bare, masked = store.visits(ALL)[0].pictures
    assert (bare.label, bare.at, bare.quality, bare.xyxy, bare.size_wh) == (
        *(WITHOUT_MASK, after(2), 60, better.xyxy, (64, 64)),
    )
    assert masked.label == WITH_MASK
    path = store.picture(bare.id)
    assert path is not None
    read = cv2.imread(str(path))
    assert read is not None
    assert cv2.absdiff(read, better.bgr).mean() < cv2.absdiff(read, first.bgr).mean()
    assert len(list((store.folder / "pictures").rglob("*.jpg"))) == 2


@pytest.mark.parametrize("name", ["nobody", "", "../../store.sqlite", "0" * 16, "/etc/passwd"])
def test_no_other_file_is_given_as_a_picture(store: Store, name: str) -> None:
    assert store.picture(name) is None
    assert store.recording(name) is None


def test_only_their_owner_reads_what_shows_people(store: Store) -> None:
    store.add(change(visit(), "picture", picture()))
    folder = store.recording_folder("door")
    store.flush()
    for path in [store.folder, *store.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert folder.is_dir()


def test_questions(store: Store) -> None:
    store.add(change(visit(1, WITH_MASK, first_s=0, zones=("ward",))))
    store.add(change(visit(2, WITHOUT_MASK, first_s=60, zones=("ward", "hall"))))
    store.add(change(visit(3, INCORRECT_MASK, first_s=60, camera="gate")))
    store.add(change(visit(4, UNCERTAIN, first_s=3600)))
    store.flush()
    asked = {
        "all": VisitQuery(),
        "from": VisitQuery(from_at=after(60)),
        "to": VisitQuery(to_at=after(60)),
        "camera": VisitQuery(camera="gate"),
        "zone": VisitQuery(zone="ward", newest_first=False),
        "label": VisitQuery(label=UNCERTAIN),
        "violations": VisitQuery(only_violations=True),
        "together": VisitQuery(zone="hall", only_violations=True, camera="door", from_at=NOON, to_at=after(61)),
        "nothing": VisitQuery(zone="' OR 1 = 1 --"),
    }
    assert {name: ids(store.visits(where)) for name, where in asked.items()} == {
        **{"all": [4, 3, 2, 1], "from": [4, 3, 2], "to": [1], "camera": [3], "zone": [1, 2], "label": [4]},
        **{"violations": [3, 2], "together": [2], "nothing": []},
    }


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("zone", [None, "ward"])
def test_pages_join_without_gap_or_double(store: Store, newest_first: bool, zone: str | None) -> None:
    for number in range(10):
        store.add(change(visit(number, first_s=number // 3, zones=("ward",))))
    store.flush()
    found: list[int] = []
    before = None
    while page := store.visits(VisitQuery(newest_first=newest_first, limit=3, before=before, zone=zone)):
        assert len(page) <= 3
        found, before = [*found, *ids(page)], page[-1].cursor
    assert found == sorted(range(10), reverse=newest_first)


def test_counts(store: Store) -> None:
    store.add(change(visit(1, WITH_MASK, zones=("ward",))))
    store.add(change(visit(2, WITHOUT_MASK, first_s=1800, zones=("ward", "hall"))))
    store.add(change(visit(3, WITHOUT_MASK, first_s=3600, camera="gate")))
    store.flush()
    assert {by: store.counts(ALL, by) for by in ("hour", "zone", "camera", "label")} == {
        "hour": [
            CountRow("2026-11-25T12:00:00+00:00", WITH_MASK, 1, 0),
            CountRow("2026-11-25T12:00:00+00:00", WITHOUT_MASK, 1, 1),
            CountRow("2026-11-25T13:00:00+00:00", WITHOUT_MASK, 1, 1),
        ],
        "zone": [
            *(CountRow("", WITHOUT_MASK, 1, 1), CountRow("hall", WITHOUT_MASK, 1, 1)),
            *(CountRow("ward", WITH_MASK, 1, 0), CountRow("ward", WITHOUT_MASK, 1, 1)),
        ],
        "camera": [
            *(CountRow("door", WITH_MASK, 1, 0), CountRow("door", WITHOUT_MASK, 1, 1)),
            CountRow("gate", WITHOUT_MASK, 1, 1),
        ],
        "label": [CountRow(WITH_MASK, WITH_MASK, 1, 0), CountRow(WITHOUT_MASK, WITHOUT_MASK, 2, 2)],
    }
    half = VisitQuery(from_at=after(1), to_at=after(3600), time_zone=UTC)
    assert store.counts(half, "minute") == [CountRow("2026-11-25T12:30:00+00:00", WITHOUT_MASK, 1, 1)]
    assert store.counts(VisitQuery(zone="hall", only_violations=True, time_zone=UTC), "day") == [
        CountRow("2026-11-25", WITHOUT_MASK, 1, 1)
    ]


def test_hours_and_days_are_those_of_the_time_zone(store: Store) -> None:
    """Kathmandu is 5:45 ahead: noon of Greenwich lies in the hour from 17:00 on; Kiritimati has tomorrow."""
    store.add(change(visit()))
    store.flush()
    expected: list[tuple[str, CountBy, str]] = [
        ("Asia/Kathmandu", "hour", "2026-11-25T17:00:00+05:45"),
        ("Asia/Kathmandu", "minute", "2026-11-25T17:45:00+05:45"),
        ("Pacific/Kiritimati", "day", "2026-11-26"),
    ]
    for zone, by, key in expected:
        assert [row.key for row in store.counts(VisitQuery(time_zone=ZoneInfo(zone)), by)] == [key]


def test_the_hour_that_a_clock_repeats_is_two(store: Store) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = after(0).replace(month=10, day=25, hour=0, minute=30) - NOON
    for hour in range(3):
        store.add(change(visit(hour, first_s=(night + timedelta(hours=hour)).total_seconds())))
    store.flush()
    where = VisitQuery(time_zone=berlin)
    assert [row.key for row in store.counts(where, "hour")] == [
        *("2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"),
    ]
    assert store.counts(where, "day") == [CountRow("2026-10-25", WITH_MASK, 3, 0)]


def test_times_are_in_order_whatever_the_cameras_are_called(store: Store) -> None:
    for number, camera in enumerate("dcba"):
        store.add(change(visit(number, first_s=number * 120, camera=camera)))
    store.flush()
    minutes, cameras = store.counts_by(ALL, "minute", "camera")
    assert [row.key[14:16] for row in minutes] == ["00", "02", "04", "06"]
    assert [row.key for row in cameras] == ["a", "b", "c", "d"]


def test_several_ways_of_counting_at_once(store: Store) -> None:
    store.add(change(visit(1, WITHOUT_MASK, zones=("ward", "hall"))))
    store.add(change(visit(2, camera="gate")))
    store.flush()
    ward = VisitQuery(zone="ward", time_zone=UTC)
    for where, ways in ((ALL, ("hour", "camera", "label", "day")), (ward, ("hour", "zone"))):
        assert store.counts_by(where, *ways) == [store.counts(where, way) for way in ways]


def test_names(store: Store) -> None:
    store.camera_event("gate", "paused", after(0), "")
    store.add(change(visit(1, camera="door", zones=("ward", "hall"))))
    store.add(change(visit(2, camera="yard")))
    store.flush()
    assert (store.cameras(), store.zones()) == (["door", "gate", "yard"], ["hall", "ward"])


def test_passages(store: Store) -> None:
    passed = [Passage("sill", "in", after(3)), Passage("sill", "out", after(4)), Passage("sill", "in", after(5))]
    store.add(change(visit(passages=tuple(passed))))
    store.flush()
    assert store.passages(ALL) == [PassageRow("door", "sill", "in", 2), PassageRow("door", "sill", "out", 1)]
    assert store.passages(VisitQuery(from_at=after(4.5))) == [PassageRow("door", "sill", "in", 1)]
    assert store.passages(VisitQuery(camera="gate")) == []


def test_what_was_watched_and_why_not(store: Store) -> None:
    store.camera_event("door", "connected", after(0), "")
    store.camera_event("door", "connected", after(5), "")
    store.camera_event("door", "lost", after(10), "no route to host")
    store.camera_event("door", "connected", after(20), "")
    store.camera_event("gate", "off hours", after(0), "from 08:00 to 18:00")
    store.flush()
    spans = store.watched(VisitQuery(to_at=after(30), time_zone=UTC))
    assert [(s.camera, s.state, s.from_at, s.to_at, s.reason) for s in spans] == [
        ("door", "watched", after(0), after(10), ""),
        ("door", "lost", after(10), after(20), "no route to host"),
        ("door", "watched", after(20), after(30), ""),
        ("gate", "off hours", after(0), after(30), "from 08:00 to 18:00"),
    ]
    (part,) = store.watched(VisitQuery(from_at=after(12), to_at=after(18), camera="door"))
    assert (part.state, part.from_at, part.to_at) == ("lost", after(12), after(18))
    assert store.watched(VisitQuery(to_at=after(-1))) == []


def test_who_listens_is_told_after_the_commit(store: Store) -> None:
    told: list[tuple[VisitChange, StoredVisit | None]] = []
    stop = store.listen(lambda stored, made: told.append((made, store.visit(stored.visit.id))))
    began = change(visit(ended=None), "began")
    store.add(began)
    store.flush()
    stop()
    store.add(change(visit()))
    store.flush()
    assert [made for made, _ in told] == [began]
    assert told[0][1] is not None


def test_a_listener_that_fails_costs_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with Store.open(tmp_path, on_error=said.append) as store:
        store.listen(lambda *_: 1 / 0)
        store.add(change(visit()))
        store.flush()
        assert len(store.visits(ALL)) == 1
    assert said == ["a change of a visit could not be passed on: ZeroDivisionError: division by zero"]


def test_many_threads_write_and_read(store: Store) -> None:
    def work(camera: int) -> None:
        for number in range(25):
            store.add(change(visit(number, camera=f"c{camera}")))
            store.visits(VisitQuery(limit=3))

    threads = [threading.Thread(target=work, args=(camera,)) for camera in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.flush()
    assert sum(row.visits for row in store.counts(ALL, "camera")) == 200


def test_recordings(store: Store) -> None:
    path = store.recording_folder("door") / "door-1.mp4"
    path.write_bytes(b"film")
    store.add_recording("door", path, after(0), after(1))
    path.write_bytes(b"longer film")
    store.add_recording("door", path, after(0), after(60))
    store.flush()
    (recording,) = store.recordings("door", after(50), after(55))
    assert (recording.to_at, recording.size_bytes, store.recording(recording.id)) == (after(60), 11, path)
    assert store.recordings("door", after(61), after(70)) == store.recordings("gate", after(0), after(9)) == []
    with pytest.raises(ValueError, match="not in the subpath"):
        store.add_recording("door", Path(__file__), after(0), after(1))
    with pytest.raises(OutputError, match="there is no recording"):
        store.add_recording("door", path.with_name("none.mp4"), after(0), after(1))


def test_usage(store: Store) -> None:
    store.add(change(visit(), "picture", picture()))
    store.flush()
    usage = store.usage()
    (file,) = (store.folder / "pictures").rglob("*.jpg")
    assert (usage.visits, usage.pictures, usage.recordings, usage.oldest_at) == (1, 1, 0, NOON)
    assert usage.pictures_bytes == file.stat().st_size
    assert usage.events_bytes > 0 < usage.free_bytes


def test_readers_see_what_another_process_writes(store: Store) -> None:
    reader = Store.open(store.folder, readonly=True)
    store.add(change(visit()))
    store.flush()
    assert reader.visits(ALL) == store.visits(ALL)
    with pytest.raises(RequestError, match="to read only"):
        reader.add(change(visit()))
    reader.close()


def test_a_reader_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="there is no store in"):
        Store.open(tmp_path / "none", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_questions_that_cannot_be(store: Store) -> None:
    for fields, message in [
        ({"from_at": NOON.replace(tzinfo=None)}, "has no time zone"),
        ({"from_at": NOON, "to_at": after(-1)}, "before it begins"),
        ({"limit": 0}, "expected from 1 to 10000"),
    ]:
        with pytest.raises(RequestError, match=message):
            VisitQuery(**fields)
    with pytest.raises(RequestError, match="expected the cursor of a visit"):
        store.visits(VisitQuery(before="1; DROP TABLE visits"))
    with pytest.raises(RequestError, match="expected one of minute, hour"):
        store.counts(ALL, "week; DROP TABLE visits")  # type: ignore[arg-type]

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from maskinfer.control.report.recorded import open_recorded, result_files
from maskinfer.control.report.report import make_report
from maskinfer.control.report.words import gap_words
from maskinfer.control.store.questions import VisitQuery
from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.files.jsonl import to_line
from maskinfer.engine.results import WITH_MASK, WITHOUT_MASK, Face, FrameResult

ALL = VisitQuery(time_zone=UTC)
BEGAN = datetime(2026, 11, 25, 8, tzinfo=UTC)


def face(label: str, track_id: int | None) -> Face:
    scores = {WITH_MASK: 0.98 if label == WITH_MASK else 0.02, WITHOUT_MASK: 0.98 if label == WITHOUT_MASK else 0.02}
    return Face((100.0, 100.0, 160.0, 170.0), 0.99, None, label, 0.98, scores, track_id, 20.0)


def save(file: Path, source: str, *, tracked: bool = True, began: datetime | None = None) -> Path:
    """Write ten seconds in which one person with a mask comes, then, five seconds later, one without."""
    lines = []
    for number in range(200):
        label = WITH_MASK if number < 60 else WITHOUT_MASK
        track = 1 + (number >= 60) if tracked else None
        faces = (face(label, track),) if not 60 <= number < 160 else ()
        result = FrameResult(source, number, number / 20, (640, 360), faces)
        stamp = {} if began is None else {"run": "3f2a91c0", "at": (began + timedelta(seconds=number / 20)).isoformat()}
        lines.append(to_line(result, stamp))
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text("\n".join(lines) + "\n")
    return file


def test_recorded_results_are_visits(tmp_path: Path) -> None:
    file = save(tmp_path / "door.jsonl", "door.mp4")
    with open_recorded([file]) as recorded:
        store = recorded.store
        where = VisitQuery(from_at=recorded.from_at, to_at=recorded.to_at, time_zone=UTC)
        report = make_report(store, where, clock=recorded.clock)
        visits = store.visits(VisitQuery(newest_first=False, time_zone=UTC))
    assert recorded.clock == "recording"
    assert [stored.visit.label for stored in visits] == [WITH_MASK, WITHOUT_MASK]
    assert (report.people, report.violations) == (2, 1)
    assert report.from_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert visits[1].visit.camera == "door.mp4"
    (watch,) = report.watches
    assert (watch.watched_s, watch.gaps) == (pytest.approx(9.95, abs=0.01), ())
    assert not store.folder.exists()


@pytest.mark.parametrize("way", ["option", "stamp", "name"])
def test_the_time_on_the_wall_where_it_is_known(tmp_path: Path, way: str) -> None:
    local = BEGAN.astimezone()
    source = f"films/door-{local:%Y%m%dT%H%M%S}_002.mp4" if way == "name" else "door.mp4"
    file = save(tmp_path / "door.jsonl", source, began=BEGAN if way == "stamp" else None)
    with open_recorded([file], began=BEGAN if way == "option" else None) as recorded:
        first = recorded.store.visits(VisitQuery(newest_first=False, time_zone=UTC))[0].visit
    assert recorded.clock == "wall"
    assert BEGAN <= first.first_at < BEGAN + timedelta(seconds=1)


def test_of_several_recordings_all_or_none_are_on_the_wall(tmp_path: Path) -> None:
    files = [save(tmp_path / "a.jsonl", "a.mp4", began=BEGAN), save(tmp_path / "b.jsonl", "b.mp4")]
    with open_recorded(files) as recorded:
        visits = recorded.store.visits(ALL)
    assert recorded.clock == "recording"
    assert {stored.visit.first_at.year for stored in visits} == {1970}
    assert len(visits) == 4


def test_between_two_recordings_nothing_was_recorded(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    files = [save(tmp_path / f"{n}.jsonl", f"{n}.mp4", began=BEGAN + n * hour) for n in range(2)]
    with open_recorded(files) as recorded:
        where = VisitQuery(from_at=recorded.from_at, to_at=recorded.to_at, time_zone=UTC)
        first, second = make_report(recorded.store, where, clock=recorded.clock).watches
    assert [gap_words(gap) for gap in first.gaps] == ["not recorded"]
    assert (first.camera, first.gaps[0].to_at, second.gaps) == ("0.mp4", recorded.to_at, ())


def test_the_files_of_folders(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(json.dumps({"event": "appeared"}))
    (tmp_path / ".done.jsonl").write_text("{}")
    said: list[str] = []
    two = [save(tmp_path / "x" / "a.jsonl", "a.mp4"), save(tmp_path / "x" / "y" / "b.jsonl", "b.mp4")]
    assert result_files([tmp_path], said.append) == two
    assert said == [f"{tmp_path / 'events.jsonl'} holds no results and is left out"]
    assert result_files(two[:1]) == two[:1]
    for place in (tmp_path / "none", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(SourceNotFoundError, match=r"neither a store nor a \.jsonl file"):
            result_files([place])


def test_what_makes_no_report(tmp_path: Path) -> None:
    untracked = save(tmp_path / "u.jsonl", "u.mp4", tracked=False)
    with pytest.raises(RequestError, match="were not followed"), open_recorded([untracked]):
        pass
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(SourceError, match="there are no results in"), open_recorded([empty]):
        pass
    broken = tmp_path / "broken.jsonl"
    broken.write_text(json.dumps({"event": "appeared"}))
    with pytest.raises(SourceError, match=r"line 1 of .* is not a result"), open_recorded([broken]):
        pass

"""The book of visits: from results, frame by frame, to who was there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from maskinfer.engine.results import LABELS, Face, FrameResult
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import VisitRules
from maskinfer.engine.visits.visit import VisitChange

RATE = 10.0
START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SIZE_WH = (640, 480)
BOX = (100.0, 100.0, 160.0, 180.0)


def face(label: str = "with_mask", *, track: int = 1, score: float = 0.97, xyxy: Sequence[float] = BOX) -> Face:
    scores = {name: score if name == label else (1 - score) / 2 for name in LABELS}
    left, top, right, bottom = xyxy
    return Face((left, top, right, bottom), 0.9, None, label, score, scores, track, 15.0)


def at(frame: float) -> datetime:
    return START + timedelta(seconds=frame / RATE)


def feed(book: VisitBook, frames: Sequence[Sequence[Face]], start: int = 0) -> list[VisitChange]:
    changes = []
    for i, faces in enumerate(frames, start):
        changes += book.add(None, FrameResult("door", i, i / RATE, SIZE_WH, tuple(faces)), at(i))
    return changes


def test_a_person_comes_takes_the_mask_off_and_leaves() -> None:
    book = VisitBook("door", VisitRules(), "r1")
    changes = feed(book, [[face()]] * 40 + [[face("without_mask")]] * 40 + [[]] * 60)
    kinds = [change.kind for change in changes if change.kind not in ("violation", "picture")]
    assert kinds == ["began", "settled", "changed", "ended"]
    visit = changes[-1].visit
    assert (visit.id, visit.camera, visit.label, visit.ended) == ("r1-door-1", "door", "without_mask", "left")
    assert visit.last_at == at(79)
    assert book.present == []


def test_whoever_is_there_when_the_camera_is_lost_or_the_watch_stops_has_a_visit_that_ends() -> None:
    book = VisitBook("door", VisitRules(), "r1")
    feed(book, [[face()]] * 20)
    assert [visit.ended for visit in book.present] == [None]
    assert [change.visit.ended for change in book.lost(at(20))] == ["camera lost"]
    feed(book, [[face()]] * 20, start=30)
    ended = book.close(at(50))
    assert [(change.kind, change.visit.id, change.visit.ended) for change in ended] == [
        ("ended", "r1-door-2", "stopped")
    ]
    assert book.present == []

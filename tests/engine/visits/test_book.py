"""The book of visits: from results, frame by frame, to who was there."""

from __future__ import annotations

from datetime import datetime

import pytest

from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.events import EventLog, EventOptions
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import VisitRules
from maskinfer.engine.visits.spans import MOST_SPANS
from tests.engine.visits.scenes import RATE, SIZE_WH, at, face, feed, moved, of_kind


def new_book(rules: VisitRules | None = None) -> VisitBook:
    return VisitBook("door", rules or VisitRules(), "r1")


def test_a_person_comes_takes_the_mask_off_and_leaves() -> None:
    book = new_book()
    changes = feed(book, [[face()]] * 40 + [[face("without_mask")]] * 40 + [[]] * 60)
    story = [(change.kind, change.at) for change in of_kind(changes, "began", "settled", "changed", "ended")]
    assert story == [("began", at(3)), ("settled", at(5)), ("changed", at(45)), ("ended", at(110))]
    visit = changes[-1].visit
    assert (visit.id, visit.camera, visit.label, visit.ended) == ("r1-door-1", "door", "without_mask", "left")
    assert (visit.first_at, visit.last_at) == (at(0), at(79))
    assert book.present == []


def test_the_spans_of_a_visit_have_no_gaps_and_say_what_was_bare() -> None:
    book = new_book()
    masked, bare = face(score=0.9), face("incorrect_mask", bare="nose")
    changes = feed(book, [[face(score=0.5)]] * 10 + [[masked]] * 30 + [[bare]] * 20)
    (now,) = book.present
    assert [(span.label, span.from_at, span.to_at) for span in now.spans] == [
        ("uncertain", at(0), at(10)),
        ("with_mask", at(10), at(40)),
        ("incorrect_mask", at(40), at(59)),
    ]
    assert [span.score for span in now.spans] == pytest.approx([0.0, 0.9, 0.97])
    assert [span.bare for span in now.spans] == [None, None, "nose"]
    assert (now.label, now.bare) == ("incorrect_mask", "nose")
    assert of_kind(changes, "settled")[0].visit.bare is None


def test_visits_and_events_agree() -> None:
    scene = [
        [face(["with_mask", "incorrect_mask", "without_mask"][i // 17 % 3], score=0.78 + i % 29 / 140)]
        for i in range(300)
    ]
    book, log = new_book(), EventLog(EventOptions())
    visits = [(c.kind, c.at, c.visit.label) for c in of_kind(feed(book, scene), "settled", "changed")]
    events = [
        (event.kind, at(event.frame), event.label)
        for i, faces in enumerate(scene)
        for event in log.add(FrameResult("door", i, i / RATE, SIZE_WH, tuple(faces)))
        if event.kind in ("settled", "changed")
    ]
    assert visits == events
    assert len(visits) > 3


def test_whoever_is_there_when_the_camera_is_lost_or_the_watch_stops_has_a_visit_that_ends() -> None:
    book = new_book()
    feed(book, [[face()]] * 20)
    assert [visit.ended for visit in book.present] == [None]
    assert [change.visit.ended for change in book.lost(at(20))] == ["camera lost"]
    feed(book, [[face()]] * 20, start=30)
    ended = book.close(at(50))
    assert [(change.kind, change.visit.id, change.visit.ended) for change in ended] == [
        ("ended", "r1-door-2", "stopped")
    ]
    assert book.present == []
    assert book.close(at(51)) == []


def test_a_flicker_is_nobody() -> None:
    assert feed(new_book(), [[face()]] * 3 + [[]] * 60) == []


def test_a_broken_track_is_one_visit() -> None:
    book = new_book()
    later = [face(track=2, xyxy=moved(150, 182))]
    changes = feed(book, [[face()]] * 20 + [[]] * 15 + [later] * 20 + [[]] * 40)
    assert [change.kind for change in of_kind(changes, "began", "settled", "changed", "ended")] == [
        "began",
        "settled",
        "ended",
    ]
    assert (changes[-1].visit.first_at, changes[-1].visit.last_at) == (at(0), at(54))


def test_who_walks_on_behind_a_pillar_is_met_where_the_walk_leads() -> None:
    # 80 px a second, hidden for two seconds.
    before = [[face(xyxy=moved(100 + 8 * i, 200))] for i in range(20)]
    after = [[face(track=2, xyxy=moved(100 + 8 * i, 200))] for i in range(40, 50)]
    book = new_book()
    feed(book, [*before, *[[]] * 20, *after])
    assert len(book.present) == 1


@pytest.mark.parametrize(
    ("gap", "xyxy"),
    [
        (35, moved(130, 180)),  # too late
        (10, moved(400, 180)),  # too far
        (10, moved(130, 180, (0, 0, 120, 160))),  # too large
    ],
)
def test_somebody_else_is_another_visit(gap: int, xyxy: tuple[float, float, float, float]) -> None:
    book = new_book()
    changes = feed(book, [[face()]] * 20 + [[]] * gap + [[face(track=2, xyxy=xyxy)]] * 20)
    assert len(of_kind(changes, "began")) == 2


def test_who_is_still_there_is_not_who_comes_beside() -> None:
    book = new_book()
    beside = face(track=2, xyxy=moved(170, 182))
    changes = feed(book, [[face()]] * 20 + [[face(), beside]] * 20)
    assert len(of_kind(changes, "began")) == 2
    assert book.tracks == {"r1-door-1": 1, "r1-door-2": 2}


def test_of_two_who_come_back_each_goes_on_with_the_nearest_visit() -> None:
    book = new_book()
    far = moved(190, 180)
    feed(book, [[face(), face(track=2, xyxy=far)]] * 20 + [[]] * 12)
    feed(book, [[face(track=7, xyxy=moved(188, 180)), face(track=8, xyxy=moved(133, 180))]] * 10, start=32)
    assert book.tracks == {"r1-door-1": 8, "r1-door-2": 7}


def test_a_label_is_not_held_over_a_time_when_nobody_saw_it() -> None:
    book = new_book()
    scene = [[face()]] * 20 + [[face("without_mask")]] * 3 + [[]] * 15 + [[face("without_mask", track=2)]] * 10
    (changed,) = of_kind(feed(book, scene), "changed")
    assert changed.at == at(38 + 5)


def test_times_that_go_back_are_no_harm() -> None:
    book = new_book()
    feed(book, [[face()]] * 20)
    feed(book, [[face()]] * 10, start=5)
    (visit,) = book.present
    assert (visit.first_at, visit.last_at) == (at(0), at(19))


def test_nothing_is_kept_of_those_who_left() -> None:
    book = new_book()
    for i in range(60):
        one, flicker = face(track=2 * i + 1), face(track=2 * i + 2, xyxy=moved(500, 400))
        feed(book, [[one, flicker]] * 2 + [[one]] * 10 + [[]] * 50, start=62 * i)
    assert book.present == []
    assert [value for value in vars(book).values() if isinstance(value, dict) and value] == []


def test_a_poster_that_is_there_for_months_takes_no_more_memory() -> None:
    book = new_book(VisitRules(events=EventOptions(cooldown_s=0)))
    labels = ["with_mask", "without_mask"]
    feed(book, [[face(labels[i // 8 % 2])] for i in range(16 * MOST_SPANS)])
    (visit,) = book.present
    assert len(visit.spans) <= MOST_SPANS + 1
    assert visit.spans[0].from_at == at(0)
    assert all(one.to_at == other.from_at for one, other in zip(visit.spans, visit.spans[1:], strict=False))
    assert len(visit.violations) <= 500


def test_a_face_too_many_to_be_followed_is_nobody() -> None:
    book = new_book()
    feed(book, [[face(), face(track=None, xyxy=moved(400, 300))]] * 10)
    assert book.tracks == {"r1-door-1": 1}


def test_nobody_is_joined_where_that_is_not_wanted() -> None:
    book = new_book(VisitRules(join_gap_s=0.0))
    changes = feed(book, [[face()]] * 20 + [[]] * 5 + [[face(track=2)]] * 20)
    assert len(of_kind(changes, "began")) == 2


def test_faces_that_are_not_followed_and_times_without_a_zone_are_refused() -> None:
    result = FrameResult("door", 0, 0.0, SIZE_WH, (face(track=None),))
    with pytest.raises(RequestError, match="no face has a track_id"):
        new_book().add(None, result, at(0))
    with pytest.raises(RequestError, match="has no time zone"):
        new_book().add(None, result, datetime(2026, 11, 25))

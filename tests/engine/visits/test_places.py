"""Zones that do not allow a label, and lines that are passed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from maskinfer.engine.results import Face
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import Line, VisitRules, Zone
from maskinfer.engine.visits.visit import Visit
from tests.engine.visits.scenes import at, face, feed, moved, of_kind

LEFT = Zone("left", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), hold_s=1.0, cooldown_s=3.0)
RIGHT = Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)), allowed=("with_mask", "without_mask"))
DOOR = Line("door", (0.25, 0.5, 0.75, 0.5))


def visit_of(rules: VisitRules, scene: Sequence[Sequence[Face]]) -> Visit:
    book = VisitBook("door", rules, "r1")
    feed(book, scene)
    (visit,) = book.present
    return visit


def walk(*points: tuple[float, float], label: str = "with_mask") -> list[list[Face]]:
    return [[face(label, xyxy=moved(x, y))] for x, y in points]


def test_without_zones_the_whole_picture_wants_masks() -> None:
    book = VisitBook("door", VisitRules(), "r1")
    changes = feed(book, [[face("incorrect_mask", bare="nose")]] * 40)
    (change,) = of_kind(changes, "violation")
    (violation,) = book.present[0].violations
    assert (violation.zone, violation.label, violation.bare) == (None, "incorrect_mask", "nose")
    assert (change.at, violation.from_at, violation.to_at) == (at(10), at(0), at(39))
    assert book.present[0].zones == ()


def test_a_label_counts_where_it_is_not_allowed_and_not_elsewhere() -> None:
    rules = VisitRules(zones=(LEFT, RIGHT))
    there = visit_of(rules, walk(*[(500, 200)] * 30, label="without_mask"))
    assert (there.zones, there.violations) == (("right",), ())
    both = visit_of(rules, walk(*[(500, 200)] * 30, *[(200, 200)] * 30, label="without_mask"))
    assert both.zones == ("right", "left")
    assert [(v.zone, v.from_at, v.to_at) for v in both.violations] == [("left", at(30), at(59))]


def test_who_only_passes_through_a_zone_is_no_violation() -> None:
    rules = VisitRules(zones=(LEFT, RIGHT))
    visit = visit_of(rules, walk(*[(500, 200)] * 20, *[(300, 200)] * 8, *[(500, 200)] * 20, label="without_mask"))
    assert (visit.zones, visit.violations) == (("right", "left"), ())


def test_who_trembles_at_the_edge_of_a_zone_is_in_it() -> None:
    points = [(310 if i % 3 else 330, 200) for i in range(40)]
    visit = visit_of(VisitRules(zones=(LEFT, RIGHT)), walk(*points, label="without_mask"))
    assert [v.zone for v in visit.violations] == ["left"]


@pytest.mark.parametrize(("masked", "count"), [(20, 1), (45, 2)])
def test_a_violation_goes_on_within_the_cooldown(masked: int, count: int) -> None:
    bare = walk(*[(200, 200)] * 40, label="without_mask")
    visit = visit_of(VisitRules(zones=(LEFT,)), [*bare, *walk(*[(200, 200)] * masked), *bare])
    assert len(visit.violations) == count
    assert visit.violations[-1].to_at == visit.last_at


def test_a_camera_of_one_frame_a_second_sees_one_violation() -> None:
    zone = Zone("left", LEFT.polygon, hold_s=1.0, cooldown_s=0.0)
    book = VisitBook("door", VisitRules(zones=(zone,)), "r1")
    scene = [[face("without_mask")] if i % 10 == 0 else None for i in range(100)]
    changes = [change for i, shown in enumerate(scene) if shown is not None for change in feed(book, [shown], start=i)]
    assert len(of_kind(changes, "violation")) == 1
    assert [(v.from_at, v.to_at) for v in book.present[0].violations] == [(at(0), at(90))]


def test_an_uncertain_face_is_no_violation() -> None:
    visit = visit_of(VisitRules(), [[face("without_mask", score=0.6)]] * 50)
    assert visit.violations == ()


def test_a_line_counts_who_passes_which_way() -> None:
    down = [(320.0, 100.0 + 10 * i) for i in range(30)]
    book = VisitBook("door", VisitRules(lines=(DOOR,)), "r1")
    changes = feed(book, walk(*down, *reversed(down)))
    passages = book.present[0].passages
    assert [(passage.line, passage.direction) for passage in passages] == [("door", "in"), ("door", "out")]
    assert [change.visit.passages for change in of_kind(changes, "passed")] == [passages[:1], passages]
    assert at(14) <= passages[0].at <= at(16)


def test_a_line_is_not_passed_past_its_ends_nor_by_trembling() -> None:
    rules = VisitRules(lines=(DOOR,))
    beside = visit_of(rules, walk(*[(100.0, 100.0 + 10 * i) for i in range(30)]))
    trembling = visit_of(rules, walk(*[(320.0, 235.0 if i % 2 else 245.0) for i in range(60)]))
    assert beside.passages == trembling.passages == ()


def test_who_is_hidden_while_passing_has_passed() -> None:
    rules = VisitRules(lines=(DOOR,))
    before = [[face(xyxy=moved(320, 200 + 2 * i))] for i in range(10)]
    after = [[face(track=2, xyxy=moved(320, 260 + 2 * i))] for i in range(10)]
    visit = visit_of(rules, [*before, *[[]] * 15, *after])
    assert [passage.direction for passage in visit.passages] == ["in"]


def test_other_zones_and_lines_are_in_force_at_once_also_for_who_is_there() -> None:
    book = VisitBook("door", VisitRules(zones=(RIGHT,)), "r1")
    feed(book, walk(*[(200, 200)] * 30, label="without_mask"))
    assert book.present[0].violations == ()
    book.change(VisitRules(zones=(LEFT,), lines=(DOOR,)))
    way = walk(*[(200, 200)] * 20, *[(200, 200 + 10 * i) for i in range(10)], label="without_mask")
    feed(book, way, start=30)
    (visit,) = book.present
    assert visit.zones == ("left",)
    assert [violation.zone for violation in visit.violations] == ["left"]
    assert [passage.line for passage in visit.passages] == ["door"]
    book.change(VisitRules(zones=(RIGHT,)))
    feed(book, walk(*[(200, 300)] * 30, label="without_mask"), start=60)
    assert book.present[0].violations == visit.violations  # what was noted stays

"""Whatever faces come and go: no visit is lost, every visit ends once, and times are in order."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from maskinfer.engine.results import Face
from maskinfer.engine.sinks.events import EventOptions
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import Line, VisitRules, Zone
from maskinfer.engine.visits.visit import Visit, VisitChange
from tests.engine.visits.scenes import at, face, feed, moved

ZONE = Zone("left", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)), hold_s=0.3, cooldown_s=1.0)
LINE = Line("door", (0.2, 0.5, 0.8, 0.5))

faces = st.builds(
    lambda label, score, track, x, y, side, sharpness: face(
        label, score=score, track=track, xyxy=moved(x, y, (0, 0, side, side)), sharpness=sharpness
    ),
    st.sampled_from(["with_mask", "without_mask", "incorrect_mask"]),
    st.sampled_from([0.4, 0.85, 0.99]),
    st.integers(1, 4),
    st.floats(-50, 700),
    st.floats(-50, 600),
    st.sampled_from([5.0, 40.0, 60.0]),
    st.sampled_from([3.0, 15.0]),
)
# The same faces for some frames, as otherwise hardly anything would last.
scenes = st.lists(
    st.tuples(st.lists(faces, max_size=4, unique_by=lambda one: one.track_id), st.integers(1, 12)), max_size=12
).map(lambda parts: [shown for shown, times in parts for _ in range(times)])
rules = st.builds(
    lambda zones, lines, join_gap_s, appear_s, hold_s, cooldown_s: VisitRules(
        zones, lines, EventOptions(None, appear_s, hold_s, cooldown_s), join_gap_s
    ),
    st.sampled_from([(), (ZONE,)]),
    st.sampled_from([(), (LINE,)]),
    st.sampled_from([0.0, 1.5, 3.0]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([0.0, 2.0]),
)


def stories(changes: list[VisitChange]) -> dict[str, list[VisitChange]]:
    found = defaultdict(list)
    for change in changes:
        found[change.visit.id].append(change)
    return found


def check_order(visit: Visit) -> None:
    assert visit.first_at <= visit.last_at
    assert visit.spans[0].from_at == visit.first_at
    assert visit.spans[-1].to_at == visit.last_at
    assert all(one.to_at == other.from_at and one.label != other.label for one, other in pairwise(visit.spans))
    assert all(span.from_at <= span.to_at and 0 <= span.score <= 1 for span in visit.spans)
    assert visit.spans[-1].label == visit.label
    for violation in visit.violations:
        assert visit.first_at <= violation.from_at <= violation.to_at <= visit.last_at
        assert violation.label != "with_mask"
    times = [visit.first_at, *(passage.at for passage in visit.passages), visit.last_at]
    assert times == sorted(times)


@settings(max_examples=60, deadline=None)
@given(scenes, rules, st.lists(st.integers(0, 100), max_size=2))
def test_every_visit_begins_once_and_ends_once(scene: list[list[Face]], rule: VisitRules, losses: list[int]) -> None:
    book, changes = VisitBook("door", rule, "r1"), []
    for i, shown in enumerate(scene):
        if i in losses:
            changes += book.lost(at(i))
        changes += feed(book, [shown], start=i)
    there = {visit.id for visit in book.present}
    changes += book.close(at(len(scene)))
    assert [change.at for change in changes] == sorted(change.at for change in changes)
    for name, story in stories(changes).items():
        kinds = [change.kind for change in story]
        assert kinds[0] == "began"
        assert kinds[-1] == "ended"
        assert (kinds.count("began"), kinds.count("ended"), kinds.count("settled")) == (1, 1, "settled" in kinds)
        assert [change.visit.ended is None for change in story] == [True] * (len(story) - 1) + [False]
        assert kinds.count("violation") == len(story[-1].visit.violations)
        assert kinds.count("passed") == len(story[-1].visit.passages)
        assert (story[-1].visit.ended == "stopped") == (name in there)
        for change in story:
            check_order(change.visit)
    assert book.present == []


@settings(max_examples=60, deadline=None)
@given(scenes, rules)
def test_no_visit_is_lost(scene: list[list[Face]], rule: VisitRules) -> None:
    """Each track that was there for long enough without a break shows somebody."""
    book, seen = VisitBook("door", rule, "r1"), defaultdict[int, list[float]](list)
    for i, shown in enumerate(scene):
        feed(book, [shown], start=i)
        for one in shown:
            times = seen[one.track_id or 0]
            if times and times[-1] < (i - 1) / 10:
                times.clear()
            times.append(i / 10)
            if times[-1] - times[0] >= rule.events.appear_s:
                assert one.track_id in book.tracks.values()
    last = [at(i) for i, shown in enumerate(scene) if any(one.track_id in book.tracks.values() for one in shown)]
    assert max((visit.last_at for visit in book.present), default=None) in (None, *last[-1:])


@settings(max_examples=40, deadline=None)
@given(scenes, rules)
def test_what_was_told_does_not_change_afterwards(scene: list[list[Face]], rule: VisitRules) -> None:
    book, told = VisitBook("door", rule, "r1"), []
    for i, shown in enumerate(scene):
        told += [(change, repr(change)) for change in feed(book, [shown], start=i)]
    assert all(repr(change) == before for change, before in told)

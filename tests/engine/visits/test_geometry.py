"""Zones and lines: where a face stands, and which way it passes."""

from __future__ import annotations

import pytest

from maskinfer.engine.errors import RequestError
from maskinfer.engine.visits.geometry import crosses, foot, holds, side
from maskinfer.engine.visits.rules import Line, VisitRules, Zone

SQUARE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
# An L: the square without its upper right quarter.
ELL = ((0.2, 0.2), (0.5, 0.2), (0.5, 0.5), (0.8, 0.5), (0.8, 0.8), (0.2, 0.8))


def test_a_face_stands_where_the_middle_of_its_lower_edge_is() -> None:
    assert foot((100, 100, 300, 250), (1000, 500)) == (0.2, 0.5)
    assert foot((-80, 400, -20, 600), (1000, 500)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("polygon", "point", "expected"),
    [
        (SQUARE, (0.5, 0.5), True),
        (SQUARE, (0.1, 0.5), False),
        (SQUARE, (0.5, 0.9), False),
        (SQUARE, (0.2, 0.5), True),
        (SQUARE, (0.8, 0.8), True),
        (SQUARE, (0.9, 0.2), False),
        (ELL, (0.3, 0.3), True),
        (ELL, (0.7, 0.3), False),
        (ELL, (0.7, 0.7), True),
        (tuple(reversed(ELL)), (0.7, 0.7), True),
        (tuple(reversed(ELL)), (0.7, 0.3), False),
    ],
)
def test_a_polygon_holds_what_lies_in_it_or_on_its_outline(
    polygon: tuple[tuple[float, float], ...], point: tuple[float, float], expected: bool
) -> None:
    assert holds(polygon, point) is expected


def test_the_picture_as_a_zone_holds_its_corners() -> None:
    everything = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert all(holds(everything, corner) for corner in everything)


def test_in_is_right_of_who_looks_along_the_line() -> None:
    rightwards = Line("door", (0.2, 0.5, 0.8, 0.5))
    assert side(rightwards.ends, (0.5, 0.9)) > 0 > side(rightwards.ends, (0.5, 0.1))
    upwards = Line("gate", (0.5, 0.9, 0.5, 0.1))
    assert side(upwards.ends, (0.9, 0.5)) > 0 > side(upwards.ends, (0.1, 0.5))


def test_a_way_past_the_ends_of_a_line_does_not_cross_it() -> None:
    line = Line("door", (0.2, 0.5, 0.8, 0.5))
    assert crosses(line, (0.5, 0.4), (0.5, 0.6))
    assert not crosses(line, (0.9, 0.4), (0.9, 0.6))
    assert not crosses(line, (0.5, 0.1), (0.5, 0.4))
    assert crosses(line, (0.1, 0.4), (0.4, 0.6))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Zone("", SQUARE), "has no name"),
        (lambda: Zone("door", SQUARE[:2]), "2 corners"),
        (lambda: Zone("door", ((0, 0), (1, 0), (1, 1.5))), r"\(1, 1.5\)"),
        (lambda: Zone("door", ((0, 0), (1, 0), (1, float("nan")))), "nan"),
        (lambda: Zone("door", SQUARE, hold_s=-1), "hold_s of zone door is -1"),
        (lambda: Line(" ", (0, 0, 1, 1)), "has no name"),
        (lambda: Line("gate", (0, 0, 1, 2)), r"\(1, 2\)"),
        (lambda: Line("gate", (0.5, 0.5, 0.5, 0.5)), "begins where it ends"),
        (lambda: VisitRules(zones=(Zone("a", SQUARE),), lines=(Line("a", (0, 0, 1, 1)),)), "named a"),
        (lambda: VisitRules(join_gap_s=float("inf")), "join_gap_s"),
    ],
)
def test_rules_that_cannot_be_are_refused(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(RequestError, match=said):
        make()

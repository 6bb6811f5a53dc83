"""Where a face stands: in which polygon, and on which side of a line. All points are shares of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import hypot

from maskinfer.engine.visits.rules import Line, Point


def foot(xyxy: Sequence[float], size_wh: tuple[int, int]) -> Point:
    """Return the middle of a box's lower edge, within the picture, as shares of it.

    Args:
        xyxy: (4,), in pixels; may reach past the picture.
        size_wh: of the picture, in pixels.
    """
    x, y = (xyxy[0] + xyxy[2]) / 2 / size_wh[0], xyxy[3] / size_wh[1]
    return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)


def holds(polygon: Sequence[Point], point: Point) -> bool:
    """Tell whether a polygon holds a point, by the even-odd rule; its outline is part of it."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in pairwise([*polygon, polygon[0]]):
        if side((x1, y1, x2, y2), point) == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return True
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def side(ends: Sequence[float], point: Point) -> float:
    """Return on which side of a line's ends (x1, y1, x2, y2) a point lies: over 0 where ``in`` is, under 0 where out.

    Its size is the distance times the line's length, in shares.
    """
    x1, y1, x2, y2 = ends
    return (x2 - x1) * (point[1] - y1) - (y2 - y1) * (point[0] - x1)


def crosses(line: Line, start: Point, end: Point) -> bool:
    """Tell whether the way from one point to another leads from one side of the line to the other, between its ends."""
    x1, y1, x2, y2 = line.ends
    way = (*start, *end)
    return side(line.ends, start) * side(line.ends, end) < 0 and side(way, (x1, y1)) * side(way, (x2, y2)) <= 0


def distance_px(line: Line, point: Point, size_wh: tuple[int, int]) -> float:
    """Return how far a point lies from a line, or from where the line would go on, in pixels; under 0 where ``out`` is.

    Args:
        line: whose distance.
        point: in shares of the picture.
        size_wh: of the picture, in pixels.
    """
    width, height = size_wh
    x1, y1, x2, y2 = line.ends
    length_px = hypot((x2 - x1) * width, (y2 - y1) * height)
    return side(line.ends, point) * width * height / length_px

"""Charts as shapes, of which the templates make SVG: columns of people over time, by what they had on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from maskinfer.control.store.questions import CountRow
from maskinfer.control.web.words import ALL_LABELS

WIDTH, HEIGHT = 720, 200
_LEFT, _BOTTOM, _TOP = 40, 24, 10
_MOST_TICKS = 4


@dataclass(frozen=True, slots=True)
class Group:
    """The visits of one hour, day, zone or camera.

    Attributes:
        key: the begin of the time, or the name.
        visits, violations: how many.
        by_label: visits of each label.
    """

    key: str
    visits: int
    violations: int
    by_label: dict[str, int]


def grouped(rows: Sequence[CountRow]) -> list[Group]:
    """Return rows of one key each, in the order of the first ones."""
    some: dict[str, list[CountRow]] = {}
    for row in rows:
        some.setdefault(row.key, []).append(row)
    return [
        Group(
            key,
            sum(row.visits for row in of_key),
            sum(row.violations for row in of_key),
            {label: sum(row.visits for row in of_key if row.label == label) for label in ALL_LABELS},
        )
        for key, of_key in some.items()
    ]


@dataclass(frozen=True, slots=True)
class Part:
    """The share of one label in a column, in units of the picture."""

    label: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart.

    Attributes:
        x, width: where it stands.
        text: under it; empty where there is no room.
        group: what it shows.
        parts: from below to above.
    """

    x: float
    width: float
    text: str
    group: Group
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of columns.

    Attributes:
        size_wh: of the picture.
        columns: from left to right.
        ticks: y and text of each line across.
        left, base: where the columns begin, from the left and from above.
    """

    size_wh: tuple[int, int]
    columns: tuple[Column, ...]
    ticks: tuple[tuple[float, str], ...]
    left: int
    base: int


def hour_chart(hours: Sequence[Group]) -> Chart:
    """Return a chart of the hours of a day."""
    return _chart(hours, [f"{datetime.fromisoformat(hour.key):%H}" for hour in hours], each=3)


def day_chart(days: Sequence[Group]) -> Chart:
    """Return a chart of days."""
    texts = [f"{datetime.fromisoformat(day.key):%-d.%-m.}" for day in days]
    return _chart(days, texts, each=max(1, -(-len(days) // 10)))


def _chart(groups: Sequence[Group], texts: Sequence[str], *, each: int) -> Chart:
    base, step = HEIGHT - _BOTTOM, tick_step(max((group.visits for group in groups), default=0))
    top = max(step, max((-(-group.visits // step) * step for group in groups), default=step))
    scale = (base - _TOP) / top
    pitch = (WIDTH - _LEFT) / max(1, len(groups))
    columns = tuple(
        Column(
            round(_LEFT + i * pitch + pitch * 0.12, 2),
            round(pitch * 0.76, 2),
            texts[i] if i % each == 0 else "",
            group,
            _parts(group, base, scale),
        )
        for i, group in enumerate(groups)
    )
    ticks = tuple((round(base - value * scale, 2), f"{value:,}") for value in range(0, top + 1, step))
    return Chart((WIDTH, HEIGHT), columns, ticks, _LEFT, base)


def _parts(group: Group, base: float, scale: float) -> tuple[Part, ...]:
    parts, y = [], base
    for label in ALL_LABELS:
        height = group.by_label.get(label, 0) * scale
        y -= height
        if height:
            parts.append(Part(label, round(y, 2), round(height, 2)))
    return tuple(parts)


def tick_step(most: int) -> int:
    """Return the distance of the lines across: 1, 2 or 5 times a power of ten, so that there are about four.

    >>> [tick_step(most) for most in (0, 3, 7, 40, 900)]
    [1, 1, 2, 10, 500]
    """
    steps = (factor * int(10**power) for power in count() for factor in (1, 2, 5))
    return next(step for step in steps if most <= step * _MOST_TICKS)

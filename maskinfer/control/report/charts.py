"""Bars of people over time, as numbers that a template draws as SVG: no script, no library, the same on paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maskinfer.control.report.colours import kind_of
from maskinfer.control.report.report import Counted
from maskinfer.control.report.words import label_words, people_words
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, WITH_MASK, WITHOUT_MASK

WIDTH, HEIGHT = 720.0, 240.0
CHART_WH = 720, 240
_LEFT, _TOP, _RIGHT, _BOTTOM = 44.0, 10.0, 8.0, 26.0
_WIDEST_BAR = 46.0
_MOST_NAMES = 12
# From the floor up: what is well lies below, so that what is not stands out on top.
_STACK = (WITH_MASK, UNCERTAIN, INCORRECT_MASK, WITHOUT_MASK)


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column, in units of the picture.

    Attributes:
        kind: name of its colour: one of the shipped labels, ``uncertain`` or ``other``.
        x, y, width, height: of the rectangle, from the top left corner.
    """

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """All people of one hour or day.

    Attributes:
        name: of the hour or day, short enough to stand under it.
        title: everything about it in words.
        bars: from the floor up.
        x, width: of the column with the space around it.
        is_named: its name stands under it; with many columns not every name has room.
    """

    name: str
    title: str
    bars: tuple[Bar, ...]
    x: float
    width: float
    is_named: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of ``WIDTH`` by ``HEIGHT`` units.

    Attributes:
        columns: from left to right.
        lines: height and number of people of each level line.
        floor: height of the axis.
        left, right: ends of the level lines.
        kinds: colours that occur, with their words, for the legend.
    """

    columns: tuple[Column, ...]
    lines: tuple[tuple[float, str], ...]
    floor: float
    left: float
    right: float
    kinds: tuple[tuple[str, str], ...]


def draw_bars(rows: Sequence[Counted], name: Callable[[str], str], short: Callable[[str], str] | None = None) -> Chart:
    """Return stacked bars, one column a row.

    Args:
        rows: what to draw; there may be none.
        name: the name of a row from its key.
        short: one that is short enough to stand under a column; ``name`` when it is left out.
    """
    step = _step(max((row.total for row in rows), default=0))
    top = step * max(1, -(-max((row.total for row in rows), default=0) // step))
    floor, room = HEIGHT - _BOTTOM, HEIGHT - _TOP - _BOTTOM
    width = (WIDTH - _LEFT - _RIGHT) / max(1, len(rows))
    every = -(-len(rows) // _MOST_NAMES) or 1
    labels = _stack(rows)
    columns = tuple(
        Column(
            (short or name)(row.key),
            _title(name(row.key), row, labels),
            _bars(row, labels, _LEFT + number * width, width, room / top),
            round(_LEFT + number * width, 2),
            round(width, 2),
            number % every == 0,
        )
        for number, row in enumerate(rows)
    )
    lines = tuple((round(floor - value * room / top, 2), f"{value:,}") for value in range(0, top + 1, step))
    kinds = dict.fromkeys((kind_of(label), label_words(label)) for label in labels)
    return Chart(columns, lines, floor, _LEFT, WIDTH - _RIGHT, tuple(kinds))


def _stack(rows: Sequence[Counted]) -> list[str]:
    """Return the labels that occur, from the floor up."""
    found = {label for row in rows for label, people in row.people.items() if people}
    return [*(label for label in _STACK if label in found), *sorted(found - {*_STACK})]


def _bars(row: Counted, labels: Sequence[str], x: float, width: float, scale: float) -> tuple[Bar, ...]:
    drawn = min(_WIDEST_BAR, width * 0.72)
    bars, y = [], HEIGHT - _BOTTOM
    for label in labels:
        height = row.people.get(label, 0) * scale
        y -= height
        if height:
            place = (round(v, 2) for v in (x + (width - drawn) / 2, y, drawn, height))
            bars.append(Bar(kind_of(label), *place))
    return tuple(bars)


def _title(name: str, row: Counted, labels: Sequence[str]) -> str:
    parts = [f"{row.people[label]:,} {label_words(label)}" for label in reversed(labels) if row.people.get(label)]
    return f"{name}: {people_words(row.total)}" + (f" ({', '.join(parts)})" if parts else "")


def _step(most: int) -> int:
    """Return the distance of the level lines: 1, 2 or 5 of a power of ten, so that there are at most five."""
    step = 1
    while most > 5 * step:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return step

"""A report as one picture: totals and the chart of its page, for chats, slides and displays. Needs matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maskinfer import __version__
from maskinfer.control.report import words
from maskinfer.control.report.charts import HEIGHT, WIDTH, Chart, draw_bars
from maskinfer.control.report.colours import LIGHT, kind_of
from maskinfer.control.report.report import Report
from maskinfer.engine.errors import MissingExtraError
from maskinfer.engine.results import UNCERTAIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# All lengths are those of the chart, of which one makes this many pixels.
_SCALE = 2.0
_MARGIN = 28.0
_CHART_TOP, _TILES_TOP = 178.0, 84.0
_PAGE_WH = WIDTH + 2 * _MARGIN, _CHART_TOP + HEIGHT + 92.0
_INK, _DIM, _RULE = "#14181c", "#59626b", "#dfe4e8"
_POINTS_PER_INCH = 72.0


def report_png(report: Report) -> bytes:
    """Return a report as PNG, 1552 pixels wide.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    figure = Figure((_PAGE_WH[0] / _POINTS_PER_INCH, _PAGE_WH[1] / _POINTS_PER_INCH), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _PAGE_WH[0]), ylim=(_PAGE_WH[1], 0))
    axes.axis("off")
    _draw_head(axes, report)
    chart = draw_bars(report.by_time, words.row_names(report), words.short_row_names(report))
    _draw_chart(axes, chart)
    _draw_foot(axes, report)
    data = io.BytesIO()
    with warnings.catch_warnings():  # a name may have letters that no font here has
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(data, dpi=_POINTS_PER_INCH * _SCALE, format="png")
    return data.getvalue()


@dataclass(frozen=True, slots=True)
class _Tile:
    kind: str | None
    count: int
    what: str
    more: str


def _tiles(report: Report) -> Iterator[_Tile]:
    yield _Tile(None, report.people, "person" if report.people == 1 else "people", "")
    for label in report.labels:
        low, high = words.percent_words(label.low), words.percent_words(label.high)
        share = f"{words.percent_words(label.share)}, {low} to {high}"
        more = share if report.people > report.unknown else ""
        yield _Tile(kind_of(label.label), label.people, words.label_words(label.label), more)
    if report.unknown:
        yield _Tile(UNCERTAIN, report.unknown, words.label_words(UNCERTAIN), "in no share")


def _draw_head(axes: Axes, report: Report) -> None:
    _write(axes, _MARGIN, 40, words.period_words(report), size=19, weight="bold")
    _write(axes, _MARGIN, 60, _short(words.sentence(words.place_words(report)), 110), size=11, color=_DIM)
    tiles = list(_tiles(report))
    pitch = WIDTH / len(tiles)
    for number, tile in enumerate(tiles):
        left = _MARGIN + number * pitch
        if tile.kind is not None:
            _fill(axes, left, _TILES_TOP + 11, 9, 9, LIGHT[tile.kind])
        _write(axes, left + (15 if tile.kind else 0), _TILES_TOP + 22, f"{tile.count:,}", size=19, weight="bold")
        _write(axes, left, _TILES_TOP + 40, _short(tile.what, int(pitch / 5)), size=9)
        _write(axes, left, _TILES_TOP + 54, tile.more, size=8, color=_DIM)


def _draw_chart(axes: Axes, chart: Chart) -> None:
    for y, text in chart.lines:
        across = [_MARGIN + chart.left, _MARGIN + chart.right]
        axes.plot(across, [_CHART_TOP + y] * 2, color=_RULE, linewidth=0.8, zorder=0)
        _write(axes, across[0] - 6, _CHART_TOP + y + 3, text, size=9, color=_DIM, ha="right")
    for column in chart.columns:
        for bar in column.bars:
            _fill(axes, _MARGIN + bar.x, _CHART_TOP + bar.y, bar.width, bar.height, LIGHT[bar.kind])
        if column.is_named:
            middle = _MARGIN + column.x + column.width / 2
            _write(axes, middle, _CHART_TOP + HEIGHT - 10, column.name, size=9, color=_DIM, ha="center")
    if not chart.columns:
        text = "Nobody came in this time."
        _write(axes, _PAGE_WH[0] / 2, _CHART_TOP + HEIGHT / 2, text, size=12, color=_DIM, ha="center")
    _draw_key(axes, chart.kinds)


def _draw_key(axes: Axes, kinds: Sequence[tuple[str, str]]) -> None:
    left = _MARGIN + 44
    for kind, text in kinds:
        _fill(axes, left, _CHART_TOP + HEIGHT + 8, 8, 8, LIGHT[kind])
        text = _short(text, 40)
        _write(axes, left + 13, _CHART_TOP + HEIGHT + 15.5, text, size=9)
        left += 34 + 5.2 * len(text)


def _draw_foot(axes: Axes, report: Report) -> None:
    against = f"{words.people_words(report.violations)} against the rules."
    watched_s, known_s = (sum(getattr(one, name) for one in report.watches) for name in ("watched_s", "known_s"))
    if report.watches:
        cameras = "The camera was" if len(report.watches) == 1 else f"The {len(report.watches)} cameras were"
        length = "all the time" if watched_s == known_s else f"{words.percent_words(watched_s / known_s)} of the time"
        against += f" {cameras} watched {length}."
    _write(axes, _MARGIN, _PAGE_WH[1] - 40, against, size=11, weight="bold" if report.violations else "normal")
    made = f"maskinfer {__version__}, {report.made_at:%Y-%m-%d %H:%M}."
    note = "A person counts once for each visit; shares are of those who could be told, with their 95 % interval."
    _write(axes, _MARGIN, _PAGE_WH[1] - 20, f"{note} {made}", size=8, color=_DIM)


def _write(axes: Axes, x: float, y: float, text: str, *, size: float, color: str = _INK, **more: Any) -> None:
    # What a name holds is no formula.
    axes.text(x, y, text, fontsize=size, color=color, va="baseline", parse_math=False, **more)


def _fill(axes: Axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, linewidth=0))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

"""Contact sheets: pictures of moments in rows, each with its video, its time and its label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from maskinfer.control.archive.moments import Moment
from maskinfer.control.report.words import label_words
from maskinfer.engine.errors import printable
from maskinfer.engine.frames.draw import colour_of
from maskinfer.engine.results import BGRFrame

TILE_WH = (320, 180)
_COLUMNS, _ROWS = 5, 8
_GAP, _LINE = 6, 18
_GROUND, _TEXT, _DIM = (24, 24, 24), (240, 240, 240), (170, 170, 170)
Pictures = Iterable[tuple[Moment, BGRFrame | None]]


def draw_sheets(pictures: Pictures) -> Iterator[BGRFrame]:
    """Yield as many sheets as are needed, uint8 (height, width, 3), BGR; each holds 40 moments.

    Args:
        pictures: of ``TILE_WH``; a moment without one has its words alone.
    """
    left = iter(pictures)
    while some := tuple(islice(left, _COLUMNS * _ROWS)):
        yield _sheet(some)


def clock_words(seconds: float) -> str:
    """Return a time of a recording.

    >>> clock_words(3725.64)
    '1:02:05.6'
    """
    tenths = int(seconds * 10 + 1e-6)
    return f"{tenths // 36_000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def time_words(moment: Moment) -> str:
    """Return when a moment was: in its video, and on the wall if that is known."""
    wall = "" if moment.from_at is None else f"  {moment.from_at.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"{clock_words(moment.from_s)}{wall}"


def _sheet(pictures: tuple[tuple[Moment, BGRFrame | None], ...]) -> BGRFrame:
    from PIL import Image, ImageDraw, ImageFont

    rows = -(-len(pictures) // _COLUMNS)
    across, down = TILE_WH[0] + _GAP, TILE_WH[1] + 3 * _LINE + 2 * _GAP
    sheet = Image.new("RGB", (min(len(pictures), _COLUMNS) * across + _GAP, rows * down + _GAP), _GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for i, (moment, picture) in enumerate(pictures):
        left, top = _GAP + i % _COLUMNS * across, _GAP + i // _COLUMNS * down
        if picture is not None:
            sheet.paste(Image.fromarray(np.ascontiguousarray(picture[..., ::-1])), (left, top))
        blue, green, red = colour_of(moment.label)
        bottom = top + TILE_WH[1]
        draw.rectangle((left, bottom, left + TILE_WH[0] - 1, bottom + 3), (red, green, blue))
        for line, text in enumerate(_lines(moment)):
            while font.getlength(text) > TILE_WH[0] - 4:
                text = f"...{text[4:]}" if text.startswith("...") else f"...{text[1:]}"
            draw.text((left + 2, bottom + 5 + line * _LINE), text, _DIM if line == 2 else _TEXT, font)
    return np.ascontiguousarray(np.asarray(sheet, np.uint8)[..., ::-1])


def _lines(moment: Moment) -> tuple[str, str, str]:
    return time_words(moment), label_words(moment.label, moment.bare), printable(moment.name)

"""Annotations as a subtitle track in the format ASS, which libass draws in mpv, VLC, Kodi and FFmpeg.

http://www.tcax.org/docs/ass-specs.htm; ``LayoutResX`` and drawings with decimals are libass's.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.frames.cover import Box
from maskinfer.engine.frames.draw import (
    CAPITAL_PX,
    LEGEND_TEXT_COLOUR,
    TEXT_COLOUR,
    caption_of,
    edge_px,
    line_px,
    padding_px,
    scale_of,
)
from maskinfer.engine.frames.picture import BGR
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.copies.paths import Piece

_FONT = "DejaVu Sans"
"""Another is taken where it is not there."""
_FONT_PER_CAPITAL = 1.6
"""ASS gives a font's size from the top of its highest to the bottom of its lowest letter."""
_STYLES = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, "
    "StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, "
    "Encoding"
)
_EVENTS = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
_BOXES, _CAPTIONS, _COUNTS = range(3)
_CENTISECONDS = 100


class AssEvents:
    """Writes the lines of an ASS file for a video.

    Coordinates are those of square pixels, as the picture is shown: a player stretches both alike.

    Args:
        size_wh: of the upright frames, in pixels.
        pixel_aspect: width of a pixel over its height, upright.
        style: what is drawn.
    """

    def __init__(self, size_wh: tuple[int, int], pixel_aspect: Fraction, style: Style) -> None:
        self._across = float(pixel_aspect)
        self._size_wh = max(1, round(size_wh[0] * self._across)), size_wh[1]
        self._scale = scale_of(self._size_wh)
        self._style, self._look = style, style.look

    def header(self) -> Iterator[str]:
        """Yield the lines before the events."""
        width, height = self._size_wh
        font_px, edge = self._font_px(self._scale * self._look.font), edge_px(self._scale)
        padding = padding_px(self._scale * self._look.font)
        yield from ("[Script Info]", "; faces that maskinfer found", "ScriptType: v4.00+")
        yield from (f"PlayResX: {width}", f"PlayResY: {height}", f"LayoutResX: {width}", f"LayoutResY: {height}")
        yield from ("ScaledBorderAndShadow: yes", "WrapStyle: 2", "YCbCr Matrix: None", "", "[V4+ Styles]")
        yield f"Format: {_STYLES}"
        for name, colour, outline, border in (
            ("box", LEGEND_TEXT_COLOUR, TEXT_COLOUR, f"1,{edge}"),
            ("caption", TEXT_COLOUR, LEGEND_TEXT_COLOUR, f"3,{padding}"),
            ("counts", LEGEND_TEXT_COLOUR, TEXT_COLOUR, f"1,{edge}"),
        ):
            colours = ",".join(_style_colour(one) for one in (colour, colour, outline, outline))
            yield f"Style: {name},{_FONT},{font_px},{colours},0,0,0,0,100,100,0,0,{border},0,7,0,0,0,1"
        yield from ("", "[Events]", f"Format: {_EVENTS}")

    def piece(self, piece: Piece) -> Iterator[str]:
        """Yield the lines for a face."""
        first, last = self._shown(piece.face.xyxy), self._shown(piece.last)
        span_ms = round(1000 * (piece.reached_s - piece.from_s))
        colour = _colour(self._look.colour(piece.face.label))
        width = line_px(first, self._scale, self._look.line) // 2 * 2 + 1  # as OpenCV draws it
        way = _way(_grown(first, width), _grown(last, width), span_ms)
        yield from _line(_BOXES, piece.from_s, piece.to_s, "box", f"{way}\\1c{colour}\\p1", _frame(first, width))
        caption = (
            caption_of(piece.face, int(first[2] - first[0]), self._scale, self._look) if self._style.captions else None
        )
        if caption is not None:
            text, scale = caption
            size = self._font_px(scale)
            ground = f"\\3c{colour}\\fs{size}\\bord{padding_px(scale)}"
            tags = f"{self._caption_way(first, last, width, scale, span_ms)}{ground}"
            yield from _line(_CAPTIONS, piece.from_s, piece.to_s, "caption", tags, _plain(text))

    def counts(self, result: FrameResult, from_s: float, to_s: float) -> Iterator[str]:
        """Yield the lines for how many faces have each label, while that is the same."""
        swatch = round(CAPITAL_PX * self._scale * self._look.font)
        square = f"m 0 0 l {swatch} 0 {swatch} {swatch} 0 {swatch}"
        letters = _colour(LEGEND_TEXT_COLOUR)
        parts = [
            f"{{\\1c{_colour(self._look.colour(label))}\\p1}}{square}{{\\p0\\1c{letters}}} {_plain(text)}"
            for label, text in self._look.counts(result)
        ]
        padding = padding_px(self._scale * self._look.font)
        at = f"\\an1\\pos({padding},{self._size_wh[1] - padding})"
        if parts:
            yield from _line(_COUNTS, from_s, to_s, "counts", at, "   ".join(parts))

    def clock(self, text: str, from_s: float, to_s: float) -> Iterator[str]:
        """Yield the line for what the clock says."""
        padding = padding_px(self._scale * self._look.font)
        yield from _line(_COUNTS, from_s, to_s, "counts", f"\\an7\\pos({padding},{padding})", _plain(text))

    def _font_px(self, scale: float) -> int:
        return round(_FONT_PER_CAPITAL * CAPITAL_PX * scale)

    def _shown(self, box: Box) -> Box:
        """Return a box inside of the frame, in square pixels."""
        width, height = self._size_wh
        left, right = (min(max(round((x + 0.5) * self._across - 0.5), 0), width - 1) for x in (box[0], box[2]))
        top, bottom = (min(max(round(y), 0), height - 1) for y in (box[1], box[3]))
        return left, top, right, bottom

    def _caption_way(self, first: Box, last: Box, width: int, scale: float, span_ms: int) -> str:
        padding, room = padding_px(scale), self._font_px(scale) + 2 * padding_px(scale)
        above = width / 2 + padding
        if min(first[1], last[1]) >= room:
            return f"\\an1{_move([(box[0] + padding, box[1] - above) for box in (first, last)], span_ms)}"
        if max(first[3], last[3]) + room < self._size_wh[1]:
            return f"\\an7{_move([(box[0] + padding, box[3] + above) for box in (first, last)], span_ms)}"
        return f"\\an7{_move([(box[0] + above, box[1] + above) for box in (first, last)], span_ms)}"


def _grown(box: Box, width: int) -> Box:
    """Return the outer edge of the line, whose middle lies in the middle of the pixels that a box names."""
    less, more = 0.5 - width / 2, 0.5 + width / 2
    return box[0] + less, box[1] + less, box[2] + more, box[3] + more


def _frame(box: Box, width: int) -> str:
    """Return the outline of a box as a drawing: what lies within the outer edge and outside of the inner one."""
    across, down = box[2] - box[0] + width, box[3] - box[1] + width
    right, bottom = across - width, down - width
    outer = f"m 0 0 l {across:.1f} 0 {across:.1f} {down:.1f} 0 {down:.1f}"
    return f"{outer} m {width} {width} l {width} {bottom:.1f} {right:.1f} {bottom:.1f} {right:.1f} {width}"


def _way(first: Box, last: Box, span_ms: int) -> str:
    """Return the tags that bring a drawing of the first box to the last one's place and size."""
    tags = f"\\an7{_move([first[:2], last[:2]], span_ms)}"
    scales = [100 * (last[high] - last[low]) / max(first[high] - first[low], 1e-3) for low, high in ((0, 2), (1, 3))]
    if span_ms and any(abs(scale - 100) >= 0.05 for scale in scales):
        tags += f"\\t(0,{span_ms},\\fscx{scales[0]:.1f}\\fscy{scales[1]:.1f})"
    return tags


def _move(places: list[tuple[float, float]], span_ms: int) -> str:
    (x0, y0), (x1, y1) = places
    if not span_ms or max(abs(x1 - x0), abs(y1 - y0)) < 0.05:
        return f"\\pos({x0:.1f},{y0:.1f})"
    return f"\\move({x0:.1f},{y0:.1f},{x1:.1f},{y1:.1f},0,{span_ms})"


def _line(layer: int, from_s: float, to_s: float, style: str, tags: str, text: str) -> Iterator[str]:
    """Yield a line, or none of what is too short to be seen."""
    begins, ends = _ticks(from_s), _ticks(to_s)
    if begins < ends:
        yield f"Dialogue: {layer},{_time(begins)},{_time(ends)},{style},,0,0,0,,{{{tags}}}{text}"


def _ticks(seconds: float) -> int:
    """Return hundredths of a second, rounded down: a line begins with its frame, and ends before the next one's."""
    return max(0, int(seconds * _CENTISECONDS + 1e-6))


def _time(ticks: int) -> str:
    """Return a time as it is written.

    >>> _time(366123)
    '1:01:01.23'
    """
    seconds, ticks = divmod(ticks, _CENTISECONDS)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ticks:02d}"


def _colour(bgr: BGR) -> str:
    return f"&H{bgr[0]:02X}{bgr[1]:02X}{bgr[2]:02X}&"


def _style_colour(bgr: BGR) -> str:
    return f"&H00{bgr[0]:02X}{bgr[1]:02X}{bgr[2]:02X}"


def _plain(text: str) -> str:
    r"""Return a text without what ASS would take for a command.

    >>> _plain("a{\\b1}\\N")
    'a(/b1)/N'
    """
    return " ".join(text.translate({ord("{"): "(", ord("}"): ")", ord("\\"): "/"}).split())

"""Annotations as WebVTT, the text tracks of browsers: a line for each face, near it, in the colour of its label.

https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from maskinfer.engine.frames.draw import TEXT_COLOUR
from maskinfer.engine.frames.look import Look
from maskinfer.engine.frames.picture import BGR
from maskinfer.engine.results import LABELS, UNCERTAIN
from maskinfer.engine.sinks.copies.paths import Piece

_MILLISECONDS = 1000
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")


class VttCues:
    """Writes the lines of a WebVTT file for a video.

    Args:
        size_wh: of the upright frames, in pixels.
        look: colours and words.
    """

    def __init__(self, size_wh: tuple[int, int], look: Look) -> None:
        self._size_wh, self._look = size_wh, look

    def header(self) -> Iterator[str]:
        """Yield the lines before the cues."""
        yield from ("WEBVTT", "", "NOTE faces that maskinfer found", "", "STYLE")
        for label in dict.fromkeys((*LABELS, UNCERTAIN, *(label for label, _ in self._look.colours))):
            colours = f"background: {_css(self._look.colour(label))}; color: {_css(TEXT_COLOUR)};"
            yield f"::cue(.{_class(label)}) {{ {colours} }}"
        yield ""

    def piece(self, piece: Piece) -> Iterator[str]:
        """Yield the lines for a face."""
        start, end = (round(_MILLISECONDS * max(0.0, at)) for at in (piece.from_s, piece.to_s))
        if start >= end:
            return
        left, top, _, _ = piece.face.xyxy
        x, y = (min(max(100 * v / side, 0), 100) for v, side in zip((left, top), self._size_wh, strict=True))
        yield f"{_time(start)} --> {_time(end)} position:{x:.1f}%,line-left line:{y:.1f}%,end align:left"
        yield from (f"<c.{_class(piece.face.label)}>{_escaped(self._look.caption(piece.face))}</c>", "")


def _time(ms: int) -> str:
    seconds, ms = divmod(ms, _MILLISECONDS)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def _css(bgr: BGR) -> str:
    return f"#{bgr[2]:02x}{bgr[1]:02x}{bgr[0]:02x}"


def _class(label: str) -> str:
    return _NO_NAME.sub("_", label)


def _escaped(text: str) -> str:
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())

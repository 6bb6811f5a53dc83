"""Boxes, frame by frame, as pieces of straight motion: what an overlay shows without a line for each frame."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from maskinfer.engine.frames.cover import Box
from maskinfer.engine.results import Face, FrameResult

_LONGEST_S = 4.0
_SCORE_STEP = 0.05
"""A score that is written beside a box is renewed when it has changed by so much."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One face for some time, on a straight way from one box to another.

    Attributes:
        from_s, to_s: when it is shown, in seconds; ``to_s`` is the time of the first frame that does not show it.
        reached_s: when it comes to the last box: the time of the last frame that shows it.
        face: as in its first frame, with the first box.
        last: the last box, in pixels of the frame.
    """

    from_s: float
    to_s: float
    reached_s: float
    face: Face
    last: Box


@dataclass(slots=True)
class _Open:
    """A piece that may go on, and how fast its edges may move for all of its boxes to be near the straight way.

    That is O'Rourke's "An on-line algorithm for fitting straight lines between data ranges", CACM 1981, with lines that
    begin in the first box: a frame costs the same however many came before.

    Attributes:
        first: the first box, in pixels of the frame.
        reached_s, last: the time and the box of the last frame.
        slowest, fastest: of each edge, in pixels a second.
    """

    face: Face
    first: Box
    from_s: float
    reached_s: float
    last: Box
    slowest: list[float] = field(default_factory=lambda: [-math.inf] * 4)
    fastest: list[float] = field(default_factory=lambda: [math.inf] * 4)

    def allows(self, at_s: float, box: Box, tolerance_px: float) -> bool:
        """Tell whether the straight way to a box passes all boxes since the first one."""
        span_s = at_s - self.from_s
        for i, (start, end) in enumerate(zip(self.first, box, strict=True)):
            if span_s <= 0:  # a clock that stands still
                if abs(end - start) > tolerance_px:
                    return False
            elif not self.slowest[i] <= (end - start) / span_s <= self.fastest[i]:
                return False
        return True

    def take(self, at_s: float, box: Box, tolerance_px: float) -> None:
        """Go on with a frame."""
        self.reached_s, self.last = at_s, box
        span_s = at_s - self.from_s
        if span_s <= 0:
            return
        for i, (start, end) in enumerate(zip(self.first, box, strict=True)):
            low, high = (end - start - tolerance_px) / span_s, (end - start + tolerance_px) / span_s
            if low > self.slowest[i]:
                self.slowest[i] = low
            if high < self.fastest[i]:
                self.fastest[i] = high

    def piece(self, to_s: float) -> Piece:
        return Piece(self.from_s, to_s, self.reached_s, self.face, self.last)


class Paths:
    """Turns the boxes of a video's faces into pieces; ``add`` every frame in order.

    A piece ends when the face is gone, its label or what its mask leaves bare changes, its score has changed by 0.05,
    or one of its boxes would be shown at a wrong place by more than the tolerance.

    Args:
        share: the tolerance as a share of the shorter side of the box that is shown elsewhere.
        least_px: the tolerance is never smaller than so many pixels.
    """

    def __init__(self, share: float = 0.02, least_px: float = 1.0) -> None:
        self._share, self._least_px = share, least_px
        self._open: dict[object, _Open] = {}
        self._done: list[tuple[float, int, Piece]] = []
        self._count = 0

    def add(self, result: FrameResult, at_s: float) -> Iterator[Piece]:
        """Take a frame's faces, and yield the pieces that are finished, in the order in which they begin.

        Args:
            result: of the frame.
            at_s: when the frame is shown.
        """
        faces = {self._name(i, face): face for i, face in enumerate(result.faces)}
        for name in [name for name in self._open if name not in faces or not self._goes_on(name, faces[name], at_s)]:
            self._close(name, at_s)
        for name, face in faces.items():
            box = face.xyxy
            if name not in self._open:
                self._open[name] = _Open(face, box, at_s, at_s, box)
            self._open[name].take(at_s, box, self._tolerance_px(box))
        yield from self._finished(min((line.from_s for line in self._open.values()), default=at_s))

    def finish(self, end_s: float) -> Iterator[Piece]:
        """Yield what is left, at the end of the last frame."""
        for name in list(self._open):
            self._close(name, end_s)
        yield from self._finished(float("inf"))

    def _name(self, index: int, face: Face) -> object:
        # Who is not followed is somebody else in each frame.
        return (self._count, index) if face.track_id is None else face.track_id

    def _goes_on(self, name: object, face: Face, at_s: float) -> bool:
        line = self._open[name]
        first = line.face
        is_same = (first.label, first.bare) == (face.label, face.bare) and abs(first.score - face.score) < _SCORE_STEP
        lasts = is_same and at_s - line.from_s <= _LONGEST_S
        return lasts and line.allows(at_s, face.xyxy, self._tolerance_px(face.xyxy))

    def _tolerance_px(self, box: Box) -> float:
        return max(self._least_px, self._share * min(box[2] - box[0], box[3] - box[1]))

    def _close(self, name: object, to_s: float) -> None:
        piece = self._open.pop(name).piece(to_s)
        self._count += 1
        heapq.heappush(self._done, (piece.from_s, self._count, piece))

    def _finished(self, before_s: float) -> Iterator[Piece]:
        while self._done and self._done[0][0] <= before_s:
            yield heapq.heappop(self._done)[2]

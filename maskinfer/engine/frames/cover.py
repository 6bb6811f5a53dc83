"""What is to be hidden in each frame so that nobody is known: faces also where the detector missed them.

A track that was seen before and after a frame was there in it as well: its box is interpolated. One that is lost, or
not found yet, is taken to be where it was seen last, or will be seen first, for a while.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from maskinfer.engine.results import Face, FrameResult

Box = tuple[float, float, float, float]
T = TypeVar("T")
# Where a box is a guess it is larger by this share of its sides, on each side.
_GUESS_MARGIN = 0.15
# Frames wait in memory for what is to come: two seconds of 60 frames/s.
_MOST_WAITING = 120


class Cover:
    """Knows where the tracks of one source were, and tells what is to be hidden.

    Args:
        hold_s: for how long a face that is not found is taken to be where it was, or will be; in seconds.
        hides: tells whether a face is to be hidden. One that is followed is hidden also for so long before and after
            the frames in which it is to be.
    """

    def __init__(self, hold_s: float, hides: Callable[[Face], bool] = lambda face: True) -> None:
        self._hold_s, self._hides = hold_s, hides
        self._hidden_s: dict[int, list[float]] = {}
        self._times_s: dict[int, list[float]] = {}
        self._boxes: dict[int, list[Box]] = {}

    def add(self, result: FrameResult) -> None:
        """Take a frame's faces; those of a source in their order."""
        for face in result.faces:
            if face.track_id is not None:
                self._times_s.setdefault(face.track_id, []).append(result.time_s)
                self._boxes.setdefault(face.track_id, []).append(face.xyxy)
                if self._hides(face):
                    self._hidden_s.setdefault(face.track_id, []).append(result.time_s)

    def boxes(self, result: FrameResult) -> list[Box]:
        """Return what is to be hidden in a frame, by all that was added: left, top, right, bottom in pixels."""
        untracked = [face.xyxy for face in result.faces if face.track_id is None and self._hides(face)]
        tracks = [track_id for track_id in self._times_s if self._is_hidden(track_id, result.time_s)]
        found = [self._box(track_id, result.time_s) for track_id in tracks]
        return untracked + [box for box in found if box is not None]

    def forget(self, time_s: float) -> None:
        """Forget what no frame from a time on needs."""
        for track_id, times_s in list(self._times_s.items()):
            # The last sighting before that time is still one end of a gap.
            old = max(0, bisect_right(times_s, time_s) - 1)
            del times_s[:old], self._boxes[track_id][:old]
            if times_s[-1] < time_s - self._hold_s:
                del self._times_s[track_id], self._boxes[track_id]
        for track_id, hidden_s in list(self._hidden_s.items()):
            # As long as its sighting is one end of a gap.
            least_s = min([time_s - self._hold_s, *self._times_s.get(track_id, ())[:1]])
            del hidden_s[: bisect_left(hidden_s, least_s)]
            if not hidden_s:
                del self._hidden_s[track_id]

    def _is_hidden(self, track_id: int, time_s: float) -> bool:
        hidden_s, times_s = self._hidden_s.get(track_id, []), self._times_s[track_id]
        after = bisect_right(times_s, time_s)
        ends_s = (*times_s[max(0, after - 1) : after], *times_s[after : after + 1])
        low_s, high_s = time_s - self._hold_s, time_s + self._hold_s
        if 0 < after < len(times_s) and times_s[after - 1] < time_s:  # in a gap, both ends of which count
            low_s, high_s = min(low_s, ends_s[0]), max(high_s, ends_s[1])
        first = bisect_left(hidden_s, low_s)
        return first < len(hidden_s) and hidden_s[first] <= high_s

    def _box(self, track_id: int, time_s: float) -> Box | None:
        times_s, boxes = self._times_s[track_id], self._boxes[track_id]
        after = bisect_right(times_s, time_s)
        before = after - 1
        if before >= 0 and times_s[before] == time_s:
            return boxes[before]
        if before >= 0 and after < len(times_s):
            share = (time_s - times_s[before]) / (times_s[after] - times_s[before])
            return _larger(_between(boxes[before], boxes[after], share))
        if before >= 0 and time_s - times_s[before] <= self._hold_s:
            return _larger(boxes[before])
        if after < len(times_s) and times_s[after] - time_s <= self._hold_s:
            return _larger(boxes[after])
        return None


def covered(
    items: Iterable[T],
    result_of: Callable[[T], FrameResult],
    hold_s: float,
    hides: Callable[[Face], bool] = lambda face: True,
) -> Iterator[tuple[T, list[Box]]]:
    """Yield each item with what is to be hidden in it, once ``hold_s`` of what follows is known.

    Args:
        items: of one source, in their order; when that raises, those before are given first.
        result_of: gives the result of an item.
        hold_s: see ``Cover``; so much of a video waits in memory, but at most 120 frames.
        hides: see ``Cover``.
    """
    cover, waiting = Cover(hold_s, hides), deque[T]()

    def first() -> tuple[T, list[Box]]:
        item = waiting.popleft()
        result = result_of(item)
        boxes = cover.boxes(result)
        cover.forget(result.time_s)
        return item, boxes

    try:
        for item in items:
            waiting.append(item)
            cover.add(result_of(item))
            now_s = result_of(item).time_s
            while now_s - result_of(waiting[0]).time_s >= hold_s or len(waiting) > _MOST_WAITING:
                yield first()
                if not waiting:
                    break
    except Exception:
        while waiting:
            yield first()
        raise
    while waiting:
        yield first()


def _between(one: Box, other: Box, share: float) -> Box:
    left, top, right, bottom = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return left, top, right, bottom


def _larger(box: Box) -> Box:
    left, top, right, bottom = box
    across, down = (right - left) * _GUESS_MARGIN, (bottom - top) * _GUESS_MARGIN
    return left - across, top - down, right + across, bottom + down

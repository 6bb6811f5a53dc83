"""Where faces of a recording are in frames that the detector did not look at: between where it saw them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from maskinfer.engine.results import Face, FrameResult

T = TypeVar("T")
# Their frames are kept meanwhile: 50 MB of them in Full HD.
_MOST_HELD = 16


@dataclass(slots=True, eq=False)
class _Held:
    """Results that go together, and which of them wait for the next look."""

    results: list[FrameResult]
    waiting: set[int] = field(default_factory=set)


def put_in_between(
    items: Iterable[tuple[T, Sequence[object], Sequence[bool], Sequence[FrameResult]]],
) -> Iterator[tuple[T, list[FrameResult]]]:
    """Yield results in their order, each after the detector has looked at its source again.

    When the iterable raises, what it gave before is yielded first.

    Args:
        items: anything, which comes out again; the sources of the results that go with it; for each whether the
            detector did not look, so that its faces are a guess; and the results, those of a source in their order.
    """
    between = _Between[T]()
    try:
        for item in items:
            yield from between.add(*item)
    except Exception:
        yield from between.rest()
        raise
    yield from between.rest()


class _Between(Generic[T]):
    def __init__(self) -> None:
        self._held: deque[tuple[T, _Held]] = deque()
        self._waiting: defaultdict[object, list[tuple[_Held, int]]] = defaultdict(list)
        self._seen: dict[object, FrameResult] = {}

    def add(
        self, what: T, sources: Sequence[object], guessed: Sequence[bool], results: Sequence[FrameResult]
    ) -> Iterator[tuple[T, list[FrameResult]]]:
        held = _Held(list(results))
        self._held.append((what, held))
        for i, (source, is_guess, result) in enumerate(zip(sources, guessed, results, strict=True)):
            if is_guess:
                held.waiting.add(i)
                self._waiting[source].append((held, i))
            else:
                self._settle(source, result)
        while self._held and (not self._held[0][1].waiting or len(self._held) > _MOST_HELD):
            yield self._next()

    def rest(self) -> Iterator[tuple[T, list[FrameResult]]]:
        while self._held:
            yield self._next()

    def _next(self) -> tuple[T, list[FrameResult]]:
        what, first = self._held.popleft()
        return what, list(first.results)  # which stay as they are if the next look comes later

    def _settle(self, source: object, after: FrameResult) -> None:
        before = self._seen.get(source)
        for held, i in self._waiting.pop(source, ()):
            if before is not None:
                held.results[i] = put_between(before, held.results[i], after)
            held.waiting.discard(i)
        self._seen[source] = after


def put_between(before: FrameResult, guess: FrameResult, after: FrameResult) -> FrameResult:
    """Return a result with the faces that are in both others on the straight line between them; the rest stay.

    Args:
        before, after: of the frames that were looked at, with tracks.
        guess: of a frame between them.
    """
    span_s = after.time_s - before.time_s
    share = (guess.time_s - before.time_s) / span_s if span_s > 0 else -1.0
    if not 0 < share < 1:  # a clock that jumped
        return guess
    start, end = ({face.track_id: face for face in one.faces} for one in (before, after))
    return replace(
        guess,
        faces=tuple(
            _on_the_way(face, start[face.track_id], end[face.track_id], share)
            if face.track_id in start and face.track_id in end
            else face
            for face in guess.faces
        ),
    )


def _on_the_way(face: Face, start: Face, end: Face, share: float) -> Face:
    left, top, right, bottom = (a + share * (b - a) for a, b in zip(start.xyxy, end.xyxy, strict=True))
    points = None
    if start.landmarks is not None and end.landmarks is not None:
        points = tuple(
            (x + share * (to_x - x), y + share * (to_y - y))
            for (x, y), (to_x, to_y) in zip(start.landmarks, end.landmarks, strict=True)
        )
    return replace(face, xyxy=(left, top, right, bottom), landmarks=points)

"""Who was there in one video: visits by the clock of the video, with the best sight of each label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from maskinfer.engine.frames.cover import Box
from maskinfer.engine.results import Face, FrameResult
from maskinfer.engine.sinks.events import EventOptions
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.rules import VisitRules
from maskinfer.engine.visits.visit import Visit, VisitChange

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sight:
    """The frame that shows a person with a label best.

    Attributes:
        time_s: when, from the first frame.
        xyxy: of the face, in pixels.
        track_id: that shows the person there.
        quality: the shorter side of the face in pixels, times the label's score.
    """

    time_s: float
    xyxy: Box
    track_id: int
    quality: float


@dataclass(frozen=True, slots=True)
class Person:
    """A visit that is over.

    Attributes:
        visit: whose times count from 1970 in UTC, which stands for the video's first frame.
        track_ids: that showed the person.
        best: by label.
    """

    visit: Visit
    track_ids: tuple[int, ...]
    best: dict[str, Sight]


@dataclass(slots=True)
class _Seen:
    track_ids: list[int] = field(default_factory=list)
    best: dict[str, Sight] = field(default_factory=dict)


class People:
    """Collects the visits of one video; ``add`` every frame in order.

    Args:
        name: of the video; the visits' ids follow from it.
        camera: its camera.
        events: when something counts.
    """

    def __init__(self, name: str, camera: str, events: EventOptions) -> None:
        run = blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
        self._book = VisitBook(camera, VisitRules(events=events, pictures=False), run)
        self._seen: dict[str, _Seen] = {}
        self._last_at = EPOCH

    def add(self, result: FrameResult) -> Iterator[Person]:
        """Take a frame's faces, those of no track left out, and yield who has left."""
        self._last_at = EPOCH + timedelta(seconds=result.time_s)
        if not result.faces or any(face.track_id is not None for face in result.faces):
            yield from self._ended(self._book.add(None, result, self._last_at))
        visits = {track_id: visit for visit, track_id in self._book.tracks.items()}
        for face in result.faces:
            if face.track_id in visits:
                self._see(self._seen.setdefault(visits[face.track_id], _Seen()), face, result.time_s)

    def close(self) -> Iterator[Person]:
        """Yield who was there at the end."""
        yield from self._ended(self._book.close(self._last_at))

    def _ended(self, changes: list[VisitChange]) -> Iterator[Person]:
        for change in changes:
            if change.kind == "ended":
                seen = self._seen.pop(change.visit.id, _Seen())
                yield Person(change.visit, tuple(seen.track_ids), seen.best)

    @staticmethod
    def _see(seen: _Seen, face: Face, time_s: float) -> None:
        track_id = face.track_id or 0
        if track_id not in seen.track_ids:
            seen.track_ids.append(track_id)
        left, top, right, bottom = face.xyxy
        quality = min(right - left, bottom - top) * face.score
        best = seen.best.get(face.label)
        if best is None or quality > best.quality:
            seen.best[face.label] = Sight(time_s, face.xyxy, track_id, quality)

"""What can be asked of a store, and what it answers besides visits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

from maskinfer.engine.errors import RequestError
from maskinfer.engine.visits.visit import Direction, Visit

CountBy = Literal["minute", "hour", "day", "zone", "camera", "label"]
CameraEventKind = Literal["connected", "lost", "paused", "resumed", "off hours", "stopped"]
WatchState = Literal["watched", "lost", "paused", "off hours", "stopped"]


@dataclass(frozen=True, slots=True)
class VisitQuery:
    """Which visits are meant; what is None asks for all.

    Attributes:
        from_at, to_at: visits that began at ``from_at`` or later and before ``to_at``; aware datetimes.
        camera: name of the camera.
        zone: name of a zone that the person was in.
        label: the visit's label.
        only_violations: visits in which somebody had on what a zone does not allow.
        newest_first: the order of the visits; otherwise oldest first.
        limit: most visits in one answer, from 1 to 10,000; counts are of all.
        before: the answer goes on after the visit with this ``StoredVisit.cursor``, in the order asked for.
        time_zone: whose hours and days are counted; None for this machine's.

    Raises:
        RequestError: a time has no time zone, the period ends before it begins, or the limit is out of range.
    """

    from_at: datetime | None = None
    to_at: datetime | None = None
    camera: str | None = None
    zone: str | None = None
    label: str | None = None
    only_violations: bool = False
    newest_first: bool = True
    limit: int = 100
    before: str | None = None
    time_zone: tzinfo | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for at in (self.from_at, self.to_at):
            if at is not None and at.tzinfo is None:
                raise RequestError(f"{at.isoformat()} has no time zone: expected an offset such as +01:00")
        if self.from_at and self.to_at and self.to_at < self.from_at:
            raise RequestError(f"the period ends at {self.to_at} before it begins at {self.from_at}")
        if not 1 <= self.limit <= 10_000:
            raise RequestError(f"limit is {self.limit}, expected from 1 to 10000")


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many visits of one label fall into one hour, zone or whatever is counted by.

    A visit counts where it began, under its label; in zones it counts once in each that the person was in, and one that
    was in none counts under the key ``""``.

    Attributes:
        key: begin of the minute, hour or day with its offset (``2026-11-25T19:00:00+01:00``), or the name of the zone,
            camera or label.
        label: ``with_mask``, ``without_mask``, ``incorrect_mask`` or ``uncertain``.
        visits: how many.
        violations: how many of them had on what a zone does not allow.
    """

    key: str
    label: str
    visits: int
    violations: int


@dataclass(frozen=True, slots=True)
class WatchedSpan:
    """A time in which one camera was watched, or was not.

    Attributes:
        camera: its name.
        from_at, to_at: begin and end; aware datetimes. The last one ends now, or where the question ends.
        state: ``watched``; otherwise why not: ``lost`` (the camera gave no pictures), ``paused`` (somebody paused it),
            ``off hours`` (it is watched at other times), or ``stopped`` (maskinfer was not running).
        reason: more of the why, for people; may be empty.
    """

    camera: str
    from_at: datetime
    to_at: datetime
    state: WatchState
    reason: str


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture of a person.

    Attributes:
        id: of the picture, by which ``Store.picture`` finds its file; letters and digits.
        label: what the face has on in it.
        at: when it was taken.
        quality: of the choice among several, higher is better.
        xyxy: the face's box, as in ``BestPicture``.
        size_wh: width and height of the picture in pixels.
    """

    id: str
    label: str
    at: datetime
    quality: float
    xyxy: tuple[float, float, float, float]
    size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """A recording of a camera.

    Attributes:
        id: of the recording, by which ``Store.recording`` finds its file.
        camera: its name.
        from_at, to_at: what it shows; aware datetimes.
        size_bytes: of the file.
    """

    id: str
    camera: str
    from_at: datetime
    to_at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoreUsage:
    """What a store takes of the disk.

    Attributes:
        visits, pictures, recordings: how many there are.
        events_bytes: of the database.
        pictures_bytes, recordings_bytes: of the files.
        free_bytes: left on the disk.
        oldest_at: begin of the oldest visit; None when there is none.
    """

    visits: int
    pictures: int
    recordings: int
    events_bytes: int
    pictures_bytes: int
    recordings_bytes: int
    free_bytes: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredVisit:
    """A visit as the store has it.

    Attributes:
        visit: what is known of it by now.
        pictures: the best one of each label, oldest first.
        cursor: for ``VisitQuery.before``, to go on after this visit.
    """

    visit: Visit
    pictures: tuple[StoredPicture, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class PassageRow:
    """How many people passed a line one way.

    Attributes:
        camera: its name.
        line: the line's name.
        direction: ``in`` or ``out``.
        passages: how many.
    """

    camera: str
    line: str
    direction: Direction
    passages: int

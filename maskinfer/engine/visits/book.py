"""The book of visits of one camera."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from maskinfer.engine.errors import RequestError
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import FrameResult
from maskinfer.engine.visits.join import join
from maskinfer.engine.visits.person import Person, Sighting
from maskinfer.engine.visits.rules import VisitRules
from maskinfer.engine.visits.visit import BestPicture, ChangeKind, Ended, Visit, VisitChange


class VisitBook:
    """Turns the results of one camera, frame by frame, into visits.

    A face that is followed for ``events.appear_s`` begins a visit, or goes on with the visit of somebody who went out
    of sight shortly before, near there and as large; no face is recognized. Memory grows with who is there, not with
    time. One thread at a time.

    Args:
        camera: its name.
        rules: when something counts.
        run: what the ids of the visits begin with; the id of the run.
    """

    def __init__(self, camera: str, rules: VisitRules, run: str) -> None:
        self.camera, self.rules, self._run = camera, rules, run
        self._new: dict[int, list[Sighting]] = {}  # by track: who is not there for long enough yet
        self._shown: dict[int, Person] = {}  # by track
        self._people: dict[str, Person] = {}  # by visit
        self._number = 0
        self._now_s = float("-inf")
        self._at = datetime.min.replace(tzinfo=UTC)

    def change(self, rules: VisitRules) -> None:
        """Go on by other rules: zones and lines are in force at once, all else for visits that begin from now on."""
        self.rules = rules
        for person in self._people.values():
            person.places.change(rules)

    @property
    def present(self) -> list[Visit]:
        """The visits that are not over, as they are now."""
        return [person.visit() for person in self._people.values()]

    @property
    def tracks(self) -> dict[str, int]:
        """The track that shows the person of each visit that is not over, or showed it last, by the visit's id."""
        return {person.id: person.track_id for person in self._people.values()}

    def add(self, frame: Frame | None, result: FrameResult, at: datetime) -> list[VisitChange]:
        """Return what a frame changes.

        Args:
            frame: as it came: pictures are cut from it, so call this before anything is drawn on it; None for no
                pictures, as where only the results were kept.
            result: of this frame, with tracked faces; one without a ``track_id`` is nobody.
            at: when it was taken, an aware datetime. One that goes back is taken for the last one.

        Raises:
            RequestError: no face is tracked, or the time has no time zone.
        """
        at = self._tick(at)
        self._now_s = now_s = max(self._now_s, result.time_s)
        changes = self._end(lambda person: now_s - person.motion.last_s > self.rules.forget_s, "left")
        self._forget_flickers()
        picture = frame.picture if frame is not None and self.rules.pictures else None
        if result.faces and all(face.track_id is None for face in result.faces):
            raise RequestError("no face has a track_id, expected results of an engine that follows faces")
        for face in result.faces:
            if face.track_id is not None:
                changes += self._see(face.track_id, Sighting(face, result.size_wh, now_s, at), picture)
        return changes + self._begin(picture)

    def lost(self, at: datetime) -> list[VisitChange]:
        """End all visits: the camera is lost. Later frames begin new ones."""
        return self._end_all("camera lost", at)

    def close(self, at: datetime) -> list[VisitChange]:
        """End all visits: the watch stops."""
        return self._end_all("stopped", at)

    def _tick(self, at: datetime) -> datetime:
        if at.tzinfo is None:
            raise RequestError(f"{at} has no time zone, expected an aware datetime")
        self._at = max(self._at, at)
        return self._at

    def _see(self, track_id: int, seen: Sighting, picture: Picture | None) -> list[VisitChange]:
        if (person := self._shown.get(track_id)) is not None:
            return self._changes(person, seen, picture)
        self._new.setdefault(track_id, []).append(seen)
        return []

    def _changes(self, person: Person, seen: Sighting, picture: Picture | None) -> list[VisitChange]:
        return [self._change(kind, person, best) for kind, best in person.see(seen, picture)]

    def _change(self, kind: ChangeKind, person: Person, picture: BestPicture | None = None) -> VisitChange:
        return VisitChange(kind, person.visit(), self._at, picture)

    def _begin(self, picture: Picture | None) -> list[VisitChange]:
        """Begin the visits of all who are there for long enough, or go on with those of who came back."""
        appear_s = self.rules.events.appear_s
        tracks = [i for i, seen in self._new.items() if seen[-1].now_s == self._now_s >= seen[0].now_s + appear_s]
        gone = [person for person in self._people.values() if person.motion.last_s < self._now_s]
        new = [(self._new[i][0].box, self._new[i][0].now_s) for i in tracks]
        changes: list[VisitChange] = []
        for track_id, back in zip(tracks, join([one.motion for one in gone], new, self.rules.join_gap_s), strict=True):
            seen = self._new.pop(track_id)
            person = self._make(seen[0]) if back is None else gone[back]
            if back is None:
                changes.append(self._change("began", person))
            else:
                del self._shown[person.track_id]
                person.come_back(track_id)
            self._shown[track_id] = person
            for one in seen:  # frames are too large to be kept: only the newest one is there
                changes += self._changes(person, one, picture if one is seen[-1] else None)
        return changes

    def _make(self, first: Sighting) -> Person:
        self._number += 1
        person = Person(f"{self._run}-{self.camera}-{self._number}", self.camera, self.rules, first)
        self._people[person.id] = person
        return person

    def _forget_flickers(self) -> None:
        leave_s = self.rules.events.leave_s
        for track_id in [i for i, seen in self._new.items() if self._now_s - seen[-1].now_s > leave_s]:
            del self._new[track_id]

    def _end(self, is_over: Callable[[Person], bool], why: Ended) -> list[VisitChange]:
        over = [person for person in self._people.values() if is_over(person)]
        for person in over:
            del self._people[person.id]
            self._shown.pop(person.track_id, None)
        return [VisitChange("ended", person.visit(why), self._at, person.last_picture()) for person in over]

    def _end_all(self, why: Ended, at: datetime) -> list[VisitChange]:
        self._tick(at)
        self._new.clear()
        return self._end(lambda person: True, why)

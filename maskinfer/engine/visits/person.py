"""One person before one camera: all that is known of a visit while it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import UNCERTAIN, Face
from maskinfer.engine.visits.geometry import foot
from maskinfer.engine.visits.pictures import Pictures
from maskinfer.engine.visits.places import Places, Sight
from maskinfer.engine.visits.rules import VisitRules
from maskinfer.engine.visits.spans import Spans
from maskinfer.engine.visits.visit import BestPicture, ChangeKind, Ended, Visit

Box = NDArray[np.float32]
# The velocity of a box is smoothed over so long.
_VELOCITY_S = 0.3


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face in a frame: what a person is made of.

    Attributes:
        face: with its box in pixels.
        size_wh: of the frame, in pixels.
        now_s, at: time of the frame, for durations and on the wall.
    """

    face: Face
    size_wh: tuple[int, int]
    now_s: float
    at: datetime

    @property
    def box(self) -> Box:
        """The face's box, float32 (4,), in pixels."""
        return np.array(self.face.xyxy, np.float32)


class Motion:
    """Where a face was seen last, and how it moved."""

    def __init__(self, box: Box, now_s: float) -> None:
        self.box, self.last_s = box, now_s
        self._velocity = np.zeros(4, np.float32)

    def move(self, box: Box, now_s: float) -> None:
        """Take where it is now."""
        if (gap_s := now_s - self.last_s) > 0:
            share = np.float32(min(1.0, gap_s / _VELOCITY_S))
            self._velocity += share * ((box - self.box) / np.float32(gap_s) - self._velocity)
        self.box, self.last_s = box, now_s

    def at(self, now_s: float) -> Box:
        """Return where it would be if it went on, float32 (4,); not for long, as nobody walks on for ever."""
        return np.asarray(self.box + self._velocity * np.float32(min(1.0, max(0.0, now_s - self.last_s))), np.float32)


class Person:
    """A visit that goes on.

    Attributes:
        id: of the visit.
        track_id: the track that shows the person now, or showed it last.
        motion: where the face was and is.
    """

    def __init__(self, name: str, camera: str, rules: VisitRules, first: Sighting) -> None:
        self.id, self.camera = name, camera
        self.track_id = first.face.track_id or 0
        self.motion = Motion(first.box, first.now_s)
        self._first_at = self._last_at = first.at
        self._label_s = first.now_s
        self._spans = Spans(rules.events, first.at)
        self.places = Places(rules)
        self._pictures = Pictures()

    def come_back(self, track_id: int) -> None:
        """Go on with another track; a label that was about to be settled begins anew."""
        self.track_id = track_id
        self._spans.interrupt()

    def see(self, seen: Sighting, picture: Picture | None) -> Iterator[tuple[ChangeKind, BestPicture | None]]:
        """Take what a frame shows, and yield what that changes.

        Args:
            seen: the face.
            picture: the frame, undrawn; None if none is to be cut from it.
        """
        face, now_s = seen.face, seen.now_s
        self.motion.move(seen.box, now_s)
        self._last_at = seen.at
        shown = self._spans.see(face, now_s, seen.at)
        if picture is not None:
            self._pictures.see(picture, face, shown, seen.at)
        held = self._spans.held
        was, since_s = held.label, held.candidate_s
        settled = self._spans.settle(now_s)
        if settled:
            self._label_s = since_s
            yield ("settled" if was == UNCERTAIN else "changed"), self._pictures.tell(held.label)
        sight = self._sight(seen, shown)
        for _ in range(self.places.pass_lines(sight)):
            yield "passed", None
        for _ in range(self.places.stand(sight)):
            yield "violation", self._pictures.tell(held.label)
        if held.label != UNCERTAIN and (better := self._pictures.news(held.label)) is not None:
            yield "picture", better

    def last_picture(self) -> BestPicture | None:
        """Return the picture of somebody whose label was never settled."""
        return self._pictures.tell(UNCERTAIN) if self._spans.held.label == UNCERTAIN else None

    def visit(self, ended: Ended | None = None) -> Visit:
        """Return all that is known now."""
        return Visit(
            self.id,
            self.camera,
            self._first_at,
            self._last_at,
            self._spans.held.label,
            self._spans.bare,
            self._spans.until(self._last_at),
            tuple(self.places.zones),
            self.places.passages,
            self.places.violations,
            ended,
        )

    def _sight(self, seen: Sighting, shown: str) -> Sight:
        left, _, right, _ = seen.face.xyxy
        return Sight(
            foot(seen.face.xyxy, seen.size_wh),
            right - left,
            seen.size_wh,
            shown,
            self._spans.held.label,
            self._label_s,
            self._spans.from_at,
            self._spans.bare,
            seen.now_s,
            seen.at,
        )

"""Events: one record for each person and each change, instead of boxes for each frame.

A track has ``appeared`` once it was seen for long enough to be no flicker; its label is ``settled`` when one was held
for long enough, ``changed`` when another one was, and not again within a cooldown; it ``left`` when it was not seen for
as long as a track is kept. Labels under the threshold, and those of faces too small or too blurred, are ``uncertain``,
which settles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.protocols import ContractClassifier
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.records import Bare, EventKind, EventRecord
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, Face, FrameResult

# Of 2,115 faces of scenes that no training saw 97.5 % score more, and of these 1.5 % are labelled wrong.
DEFAULT_MIN_SCORE = 0.8
# Smaller faces were never measured; more blurred ones are blots.
DEFAULT_GATE = Gate(min_face_px=16, min_sharpness=9)
# Of a classifier whose contract says from which score on so few of its labels are wrong, that score is the default.
EVENT_MAX_ERROR = 0.02


@dataclass(frozen=True, slots=True)
class EventOptions:
    """When something counts as an event.

    Attributes:
        min_score: labels with a lower score count as uncertain; None for the score above which at most 2 % of the
            classifier's labels are wrong, if its file states it, otherwise 0.8.
        gate: labels of faces that do not pass count as uncertain too; a ``Face.sharpness`` of None passes.
        appear_s: faces that are gone sooner cause no event.
        hold_s: how long a label must last before it is settled or changed.
        cooldown_s: shortest time between two changes of one person.
        leave_s: a person whose face was not seen for longer has left.

    Raises:
        RequestError: a time is negative, or the score is not from 0 to 1.
    """

    min_score: float | None = None
    appear_s: float = 0.3
    hold_s: float = 0.5
    cooldown_s: float = 2.0
    leave_s: float = 1.0
    gate: Gate = DEFAULT_GATE

    def __post_init__(self) -> None:
        """Check the values."""
        times = (self.appear_s, self.hold_s, self.cooldown_s, self.leave_s)
        if not all(value >= 0 for value in times) or not 0 <= self.least_score <= 1:
            raise RequestError(f"{self} cannot be: expected times from 0 and a score from 0 to 1")

    @property
    def least_score(self) -> float:
        """``min_score``, or the default for classifiers that do not state how often they are wrong."""
        return DEFAULT_MIN_SCORE if self.min_score is None else self.min_score


def events_for(contract: ClassifierContract, options: EventOptions | None = None) -> EventOptions:
    """Return the options for a classifier: unless it is given, the least score is the one that it vouches for."""
    options = options or EventOptions()
    if options.min_score is not None:
        return options
    known = [threshold for error, threshold in contract.error_thresholds if error <= EVENT_MAX_ERROR]
    return replace(options, min_score=min(known, default=DEFAULT_MIN_SCORE))


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to one person.

    Attributes:
        kind: what happened.
        source: where it happened, as the user named it.
        track_id: the person, within the source.
        frame, time_s: the frame's index and its presentation time in seconds; for ``left``, those of the last sight.
        label: the label that is settled; ``uncertain`` before that.
        score: the label's probability in that frame; 0 for ``uncertain``.
        previous: the label before a change; None for other events.
        dwell_s: seconds since the face was first seen.
        xyxy: the face's box in pixels of the frame.
        bare: what the mask leaves uncovered in that frame, under ``incorrect_mask``: ``nose`` or ``nose_and_mouth``;
            None under every other label, and if it is not known.
    """

    kind: EventKind
    source: str
    track_id: int
    frame: int
    time_s: float
    label: str
    score: float
    previous: str | None
    dwell_s: float
    xyxy: tuple[float, float, float, float]
    bare: Bare | None = None

    def to_dict(self) -> EventRecord:
        """Return the record that is written to outputs (``schemas/event.schema.json``)."""
        return {
            "event": self.kind,
            "source": self.source,
            "track_id": self.track_id,
            "frame": self.frame,
            "time_s": round(self.time_s, 4),
            "label": self.label,
            "score": round(self.score, 4),
            "previous": self.previous,
            "dwell_s": round(self.dwell_s, 4),
            "bbox": [round(value, 2) for value in self.xyxy],
            "bare": self.bare,
        }


def find_events(
    results: Iterable[FrameResult],
    options: EventOptions | None = None,
    *,
    classifier: ContractClassifier | None = None,
) -> Iterator[Event]:
    """Yield an event for each person and change, as it happens; at the end, everyone who is still there leaves.

    Args:
        results: of one or several sources, those of each source in order, with tracked faces, as
            ``engine.iterate(source, track=TrackOptions())`` and ``read_results`` yield them.
        options: when something counts as an event.
        classifier: the engine's (``engine.classifier``), whose file may state which score is enough.

    Raises:
        RequestError: the faces were not tracked.
    """
    rules = options or EventOptions() if classifier is None else events_for(classifier.contract, options)
    logs: dict[str, EventLog] = {}
    for result in results:
        if result.faces and all(face.track_id is None for face in result.faces):
            raise RequestError(
                f"the faces of frame {result.frame} of {result.source or 'an image'} were not followed, so they make "
                "no events: use engine.iterate(source, track=TrackOptions())"
            )
        yield from logs.setdefault(result.source, EventLog(rules)).add(result)
    for log in logs.values():
        yield from log.finish()


@dataclass(slots=True)
class _Person:
    first_s: float
    last_s: float
    frame: int
    face: Face
    appeared: bool = False
    label: str = UNCERTAIN
    candidate: str = UNCERTAIN
    candidate_s: float = 0.0
    changed_s: float = float("-inf")


class EventLog:
    """Turns the results of one source, in their order, into events."""

    def __init__(self, options: EventOptions | None = None) -> None:
        self._options = options or EventOptions()
        self._people: dict[int, _Person] = {}
        self._source = ""

    def add(self, result: FrameResult) -> Iterator[Event]:
        """Yield what a frame's faces make happen; faces without a ``track_id`` make nothing."""
        self._source, now_s = result.source, result.time_s
        yield from self._leave(lambda person: now_s - person.last_s > self._options.leave_s)
        for face in result.faces:
            if face.track_id is not None:
                yield from self._see(face.track_id, face, result)

    def finish(self) -> Iterator[Event]:
        """Yield the end of everyone who is still there; the source is over."""
        yield from self._leave(lambda person: True)

    def _see(self, track_id: int, face: Face, result: FrameResult) -> Iterator[Event]:
        now_s = result.time_s
        person = self._people.setdefault(track_id, _Person(now_s, now_s, result.frame, face))
        person.last_s, person.frame, person.face = now_s, result.frame, face
        clear = self._options.gate.passes(face.xyxy, face.sharpness)
        label = face.label if clear and face.score >= self._options.least_score else UNCERTAIN
        if label != person.candidate:
            person.candidate, person.candidate_s = label, now_s
        if not person.appeared and now_s - person.first_s >= self._options.appear_s:
            person.appeared = True
            yield self._event("appeared", track_id, person)
        if person.appeared and self._is_due(person, now_s):
            previous, person.label, person.changed_s = person.label, person.candidate, now_s
            settled = previous == UNCERTAIN
            yield self._event(
                "settled" if settled else "changed", track_id, person, previous=None if settled else previous
            )

    def _is_due(self, person: _Person, now_s: float) -> bool:
        return (
            person.candidate not in (UNCERTAIN, person.label)
            and now_s - person.candidate_s >= self._options.hold_s
            and now_s - person.changed_s >= self._options.cooldown_s
        )

    def _leave(self, has_left: Callable[[_Person], bool]) -> Iterator[Event]:
        for track_id in [i for i, person in self._people.items() if has_left(person)]:
            person = self._people.pop(track_id)
            if person.appeared:
                yield self._event("left", track_id, person)

    def _event(self, kind: EventKind, track_id: int, person: _Person, previous: str | None = None) -> Event:
        return Event(
            kind,
            self._source,
            track_id,
            person.frame,
            person.last_s,
            person.label,
            person.face.scores.get(person.label, 0.0),
            previous,
            person.last_s - person.first_s,
            person.face.xyxy,
            person.face.bare if person.label == INCORRECT_MASK else None,
        )

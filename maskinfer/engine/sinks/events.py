"""Events: one record for each person and each change, instead of boxes for each frame.

A track has ``appeared`` once it was seen for long enough to be no flicker; its label is ``settled`` when one was held
for long enough, ``changed`` when another one was, and not again within a cooldown; it ``left`` when it was not seen for
as long as a track is kept. Labels under the threshold, and those of faces too small or too blurred, are ``uncertain``,
which settles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.protocols import ContractClassifier
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.records import Bare, EventKind, EventRecord, LeftCause
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, Face, FrameResult

# A running mean that stays over it for half a second is every change of the clips that were measured, recorded or live,
# and few that were none (benchmarks/event_rules.py, docs/decisions.md).
DEFAULT_MIN_SCORE = 0.75
# Smaller faces were never measured; more blurred ones are blots.
DEFAULT_GATE = Gate(min_face_px=16, min_sharpness=9)
# A classifier whose contract says that more of its labels are wrong at that score needs a higher one.
EVENT_MAX_ERROR = 0.05


@dataclass(frozen=True, slots=True)
class EventOptions:
    """When something counts as an event.

    Attributes:
        min_score: labels with a lower score count as uncertain; None for 0.75, or the score above which at most 5 % of
            the classifier's labels are wrong, if its file states that and it is higher.
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
        """``min_score``, or 0.75."""
        return DEFAULT_MIN_SCORE if self.min_score is None else self.min_score


def events_for(contract: ClassifierContract, options: EventOptions | None = None) -> EventOptions:
    """Return the options for a classifier: unless it is given, the least score is what it needs."""
    options = options or EventOptions()
    if options.min_score is not None:
        return options
    known = [threshold for error, threshold in contract.error_thresholds if error <= EVENT_MAX_ERROR]
    return replace(options, min_score=max(DEFAULT_MIN_SCORE, min(known, default=0.0)))


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
    cause: LeftCause | None = None

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
            "cause": self.cause,
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
class HeldLabel:
    """The label of one person over time: what must be seen, and for how long, before it is settled or changed.

    Events and visits both ask it, so they agree.

    Attributes:
        label: settled so far; ``uncertain`` before that.
        candidate: what the last frame showed.
        candidate_s: since when it was shown without a break, in seconds.
        changed_s: when the label was settled or changed last.
    """

    label: str = UNCERTAIN
    candidate: str = UNCERTAIN
    candidate_s: float = 0.0
    changed_s: float = float("-inf")

    def see(self, face: Face, now_s: float, options: EventOptions) -> str:
        """Take what a frame shows of the person, and return it: the face's label if it is clear, or ``uncertain``."""
        clear = options.gate.passes(face.xyxy, face.sharpness)
        label = face.label if clear and face.score >= options.least_score else UNCERTAIN
        if label != self.candidate:
            self.candidate, self.candidate_s = label, now_s
        return label

    def settle(self, now_s: float, options: EventOptions) -> bool:
        """Make the candidate the label if it was held for long enough, and tell whether it was."""
        due = (
            self.candidate not in (UNCERTAIN, self.label)
            and now_s - self.candidate_s >= options.hold_s
            and now_s - self.changed_s >= options.cooldown_s
        )
        if due:
            self.label, self.changed_s = self.candidate, now_s
        return due


@dataclass(slots=True)
class _Person:
    first_s: float
    last_s: float
    frame: int
    face: Face
    appeared: bool = False
    held: HeldLabel = field(default_factory=HeldLabel)


class EventLog:
    """Turns the results of one source, in their order, into events."""

    def __init__(self, options: EventOptions | None = None) -> None:
        self._options = options or EventOptions()
        self._people: dict[int, _Person] = {}
        self._source = ""

    def add(self, result: FrameResult) -> Iterator[Event]:
        """Yield what a frame's faces make happen; faces without a ``track_id`` make nothing."""
        self._source, now_s = result.source, result.time_s
        yield from self._leave(lambda person: now_s - person.last_s > self._options.leave_s, "not seen")
        for face in result.faces:
            if face.track_id is not None:
                yield from self._see(face.track_id, face, result)

    def finish(self, cause: LeftCause = "stopped") -> Iterator[Event]:
        """Yield the end of everyone who is still there; the source is over, or lost for now."""
        yield from self._leave(lambda person: True, cause)

    def _see(self, track_id: int, face: Face, result: FrameResult) -> Iterator[Event]:
        now_s = result.time_s
        person = self._people.setdefault(track_id, _Person(now_s, now_s, result.frame, face))
        person.last_s, person.frame, person.face = now_s, result.frame, face
        person.held.see(face, now_s, self._options)
        if not person.appeared and now_s - person.first_s >= self._options.appear_s:
            person.appeared = True
            yield self._event("appeared", track_id, person)
        previous = person.held.label
        if person.appeared and person.held.settle(now_s, self._options):
            settled = previous == UNCERTAIN
            yield self._event(
                "settled" if settled else "changed", track_id, person, previous=None if settled else previous
            )

    def _leave(self, has_left: Callable[[_Person], bool], cause: LeftCause) -> Iterator[Event]:
        for track_id in [i for i, person in self._people.items() if has_left(person)]:
            person = self._people.pop(track_id)
            if person.appeared:
                yield replace(self._event("left", track_id, person), cause=cause)

    def _event(self, kind: EventKind, track_id: int, person: _Person, previous: str | None = None) -> Event:
        return Event(
            kind,
            self._source,
            track_id,
            person.frame,
            person.last_s,
            person.held.label,
            person.face.scores.get(person.held.label, 0.0),
            previous,
            person.last_s - person.first_s,
            person.face.xyxy,
            person.face.bare if person.held.label == INCORRECT_MASK else None,
        )

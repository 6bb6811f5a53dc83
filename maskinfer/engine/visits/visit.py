"""A visit: one person before one camera, from the first to the last sight.

All times are aware datetimes on the wall clock that ``VisitBook`` is given. None of these types holds anything that
changes: each ``VisitChange`` carries the visit as it was at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import uuid4

from maskinfer.engine.results import BGRFrame

Direction = Literal["in", "out"]
Ended = Literal["left", "camera lost", "stopped"]
ChangeKind = Literal["began", "settled", "changed", "violation", "passed", "ended", "picture"]


@dataclass(frozen=True, slots=True)
class LabelSpan:
    """A part of a visit with one label.

    Attributes:
        label: one of the classifier's, or ``uncertain`` before the first one was settled.
        from_at, to_at: when it began and ended; the next span begins where this one ends.
        score: mean probability of the label over the frames of the span, 0 to 1; 0 for ``uncertain``.
        bare: what a mask that is worn badly leaves bare, ``nose`` or ``nose_and_mouth``; None if that is not known.
    """

    label: str
    from_at: datetime
    to_at: datetime
    score: float
    bare: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A line was passed.

    Attributes:
        line: its name.
        direction: ``in`` or ``out``, see ``Line``.
        at: when.
    """

    line: str
    direction: Direction
    at: datetime


@dataclass(frozen=True, slots=True)
class Violation:
    """A label that a zone does not allow was held there for long enough.

    Attributes:
        zone: its name; None when the camera has no zones, so that the whole picture counts.
        label: the label that is not allowed.
        from_at, to_at: from when to when it was seen there. ``to_at`` grows for as long as it goes on.
        bare: as in ``LabelSpan``.
    """

    zone: str | None
    label: str
    from_at: datetime
    to_at: datetime
    bare: str | None = None


@dataclass(frozen=True, slots=True)
class BestPicture:
    """The best picture of a face under one label.

    Attributes:
        label: the label.
        at: when it was taken; the picture of a visit and a label is another one if and only if this differs.
        quality: what pictures of one visit are compared by: the shorter side of the face in pixels, less where it is
            blurred, uncertain or cut off by the frame's edge.
        xyxy: the face's box in pixels of the frame, float (left, top, right, bottom).
        bgr: the face with its surroundings, uint8 (height, width, 3), BGR, undrawn; never a view of the frame.
    """

    label: str
    at: datetime
    quality: float
    xyxy: tuple[float, float, float, float]
    bgr: BGRFrame


@dataclass(frozen=True, slots=True)
class Visit:
    """One person before one camera.

    Attributes:
        id: unique: of the run, the camera and a number, as in ``3f2a91c0-door-17``.
        camera: its name.
        first_at, last_at: when the person was seen first and last.
        label: the label that is settled now; ``uncertain`` if none was yet.
        bare: of ``incorrect_mask``: ``nose``, ``nose_and_mouth``, or None if that is not known.
        spans: the labels over time, without gaps from ``first_at`` to ``last_at``.
        zones: names of the zones in which the person was seen, in the order of their first entering.
        passages: of lines, in order.
        violations: in the order in which they began.
        ended: why the visit is over; None while the person is there.
    """

    id: str
    camera: str
    first_at: datetime
    last_at: datetime
    label: str
    bare: str | None
    spans: tuple[LabelSpan, ...]
    zones: tuple[str, ...]
    passages: tuple[Passage, ...]
    violations: tuple[Violation, ...]
    ended: Ended | None


@dataclass(frozen=True, slots=True)
class VisitChange:
    """What happened to a visit.

    Attributes:
        kind: ``began``: seen for long enough to be no flicker. ``settled``: a first label was held for long enough.
            ``changed``: another one was. ``violation``: a label was held where it is not allowed. ``passed``: a line
            was. ``picture``: there is a first or a better picture of the label. ``ended``: see ``Visit.ended``.
        visit: as it is after the change.
        at: when the change was noticed; of ``ended``, when it was sure that the person had left.
        picture: of ``settled``, ``changed``, ``violation`` and ``picture``: the best one of the label so far; None if
            there is none.
        id: of the event, unique; the same for everybody who is told.
    """

    kind: ChangeKind
    visit: Visit
    at: datetime
    picture: BestPicture | None = None
    id: str = field(default_factory=lambda: uuid4().hex, compare=False)

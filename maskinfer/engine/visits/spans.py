"""The labels of one visit over time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, Face
from maskinfer.engine.sinks.events import EventOptions, HeldLabel
from maskinfer.engine.visits.visit import LabelSpan

# A poster of a face may be there for months; of so many spans the oldest become one.
MOST_SPANS = 500


@dataclass(slots=True)
class _Evidence:
    """What the frames of one label in a row say."""

    label: str
    from_at: datetime
    total: float = 0.0
    frames: int = 0
    bare: Counter[str] = field(default_factory=Counter)

    def add(self, face: Face) -> None:
        self.total += face.scores.get(self.label, face.score)
        self.frames += 1
        if self.label == INCORRECT_MASK and face.bare is not None:
            self.bare[face.bare] += 1

    def span(self, to_at: datetime) -> LabelSpan:
        mean = self.total / self.frames if self.frames and self.label != UNCERTAIN else 0.0
        return LabelSpan(self.label, self.from_at, to_at, mean, self.most_bare)

    @property
    def most_bare(self) -> str | None:
        return self.bare.most_common(1)[0][0] if self.bare else None


class Spans:
    """Keeps the spans of one visit, by the rules that events have too.

    Args:
        options: what a label needs to be settled or changed.
        at: when the visit began.
    """

    def __init__(self, options: EventOptions, at: datetime) -> None:
        self.held = HeldLabel()
        self._options = options
        self._closed: list[LabelSpan] = []
        self._now = _Evidence(UNCERTAIN, at)
        self._next = _Evidence(UNCERTAIN, at)

    @property
    def bare(self) -> str | None:
        """What the mask leaves bare in the span that goes on; None if that is not known, or of other labels."""
        return self._now.most_bare

    @property
    def from_at(self) -> datetime:
        """When the span that goes on began."""
        return self._now.from_at

    def see(self, face: Face, now_s: float, at: datetime) -> str:
        """Take what a frame shows, and return the label that it shows: ``uncertain`` if that is not clear."""
        shown = self.held.see(face, now_s, self._options)
        if shown != self._next.label:
            self._next = _Evidence(shown, at)
        for evidence in (self._now, self._next):
            if evidence.label == shown:
                evidence.add(face)
        return shown

    def interrupt(self) -> None:
        """Forget what the last frames showed: nobody saw what came after them."""
        self.held.candidate = UNCERTAIN
        self._next = _Evidence(UNCERTAIN, self._next.from_at)

    def settle(self, now_s: float) -> bool:
        """Begin a span of another label if one was held for long enough, and tell whether one was."""
        if not self.held.settle(now_s, self._options):
            return False
        if self._next.from_at > self._now.from_at:
            self._closed.append(self._now.span(self._next.from_at))
        self._now, self._next = self._next, _Evidence(self._next.label, self._next.from_at)
        if len(self._closed) > MOST_SPANS:
            self._closed[:2] = [_joined(*self._closed[:2])]
        return True

    def until(self, at: datetime) -> tuple[LabelSpan, ...]:
        """Return all spans, the last of which goes on until now."""
        return (*self._closed, self._now.span(at))


def _joined(first: LabelSpan, second: LabelSpan) -> LabelSpan:
    """Return one span for two; it has the label of the longer one."""
    longer = max(first, second, key=lambda span: span.to_at - span.from_at)
    return LabelSpan(longer.label, first.from_at, second.to_at, longer.score, longer.bare)

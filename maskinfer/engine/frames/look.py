"""How results look where they are drawn: colours, words, sizes, what is counted, the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from maskinfer.engine.errors import RequestError
from maskinfer.engine.frames.picture import BGR
from maskinfer.engine.results import INCORRECT_MASK, LABELS, WITH_MASK, WITHOUT_MASK, Face, FrameResult, label_order

# Okabe and Ito's palette, told apart with every kind of colour blindness.
LABEL_COLOURS: dict[str, BGR] = {
    WITH_MASK: (115, 158, 0),
    WITHOUT_MASK: (0, 94, 213),
    INCORRECT_MASK: (66, 228, 240),
}
OTHER_COLOUR: BGR = (176, 176, 176)
_UNCOVERED = " uncovered"


@dataclass(frozen=True, slots=True)
class Look:
    """How results look where they are drawn.

    Attributes:
        colours: pairs of a label and its blue, green and red, 0 to 255; others have those of Okabe and Ito.
        words: pairs of a label and what it is called in captions and counts. What a badly worn mask leaves uncovered
            is named like a label: ``nose`` and ``nose_and_mouth``.
        line: width of lines, as a multiple of the usual one.
        font: size of letters, as a multiple of the usual one.
        counted: labels that are counted; None for all.
        clock: write the time into the upper left corner.
        clock_start: time of the first frame on the wall; None for a clock that counts from the beginning.

    Raises:
        RequestError: a size is not over 0.
    """

    colours: tuple[tuple[str, BGR], ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    line: float = 1.0
    font: float = 1.0
    counted: tuple[str, ...] | None = None
    clock: bool = False
    clock_start: datetime | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in (("line", self.line), ("font", self.font)):
            if not 0 < value < float("inf"):
                raise RequestError(f"the {name} size is {value}, expected a number over 0")

    def colour(self, label: str) -> BGR:
        """Return the blue, green and red, 0 to 255, that a label is drawn in; grey for one that is not known."""
        own: Mapping[str, BGR] = dict(self.colours)
        return own.get(label) or LABEL_COLOURS.get(label, OTHER_COLOUR)

    def label_words(self, label: str) -> str:
        """Return what a label is called."""
        return dict(self.words).get(label) or label.replace("_", " ")

    def caption(self, face: Face) -> str:
        """Return all that a caption may say of a face.

        >>> Look().caption(Face((0, 0, 9, 9), 0.9, None, "with_mask", 0.97, {}))
        'with mask 97%'
        """
        own = dict(self.words).get(face.bare or "")
        bare = None if face.bare is None else own or f"{face.bare.replace('_', ' ')}{_UNCOVERED}"
        return f"{bare or self.label_words(face.label)} {face.score:.0%}"

    def counts(self, result: FrameResult) -> list[tuple[str, str]]:
        """Return each label that is counted, and the words for how many faces have it."""
        counts = result.counts()
        labels = label_order({*LABELS, *counts}) if self.counted is None else self.counted
        return [(label, f"{self.label_words(label)} {counts.get(label, 0)}") for label in labels]

    def time(self, time_s: float) -> str | None:
        """Return what the clock says; None where there is none.

        >>> Look(clock=True).time(3725.6)
        '1:02:05'
        """
        if not self.clock:
            return None
        if self.clock_start is not None:
            return f"{self.clock_start + timedelta(seconds=time_s):%Y-%m-%d %H:%M:%S}"
        seconds = int(time_s)
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


USUAL = Look()


def colour_of(label: str) -> BGR:
    """Return the blue, green and red, 0 to 255, that a label is usually drawn in."""
    return USUAL.colour(label)

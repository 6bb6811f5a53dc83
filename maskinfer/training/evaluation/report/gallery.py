"""The worst mistakes of an evaluation, with their pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2

from maskinfer.engine.results import BGRFrame
from maskinfer.training.evaluation.mistakes import Mistake, false_positives, missed_faces, view, wrong_labels
from maskinfer.training.evaluation.run import Evaluation

SHOWN = 25
_JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Card:
    """One mistake.

    Attributes:
        name: of the picture's file.
        picture: of the face, as a data URI.
        given: label and probability, if it was found.
        true: label, if it was annotated.
        notes: what else there is to say.
    """

    name: str
    picture: str
    given: tuple[str, float] | None
    true: str | None
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Gallery:
    """The worst mistakes of one kind.

    Attributes:
        title: what kind.
        count: how many mistakes there are.
        cards: the worst of them.
        note: what to know of them.
    """

    title: str
    count: int
    cards: tuple[Card, ...]
    note: str


def galleries(evaluation: Evaluation) -> Iterator[Gallery]:
    """Yield the most confident wrong labels, the largest missed faces and the best scored false positives.

    Raises:
        SourceNotFoundError, SourceError: a picture cannot be read any more.
    """
    note = "The surest first. Some may be mistakes of the annotation."
    yield _gallery("Most confident wrong labels", wrong_labels(evaluation), note)
    yield _gallery("Missed faces", missed_faces(evaluation), _missed_note(evaluation))
    if evaluation.outcome.counts_false_positives:
        note = "The detector's surest first. A face that nobody annotated counts as a false positive too: look."
        yield _gallery("False positives", false_positives(evaluation), note)


def _missed_note(evaluation: Evaluation) -> str:
    if evaluation.setup.kind != "scenes":
        return "The largest pictures first."
    note = "The largest first: the ones hardest to excuse. The white box is the annotated one."
    near = evaluation.detector.near_misses
    if near:
        note += (
            f" Of all, {near} are overlapped by a false positive (drawn in pink), though by less than "
            f"{evaluation.setup.iou:g}: seen perhaps, but boxed otherwise than annotated."
        )
    return note


def _gallery(title: str, mistakes: Sequence[Mistake], note: str) -> Gallery:
    return Gallery(title, len(mistakes), tuple(card_of(mistake) for mistake in mistakes[:SHOWN]), note)


def card_of(mistake: Mistake) -> Card:
    """Return a mistake with its picture; the picture is read once more."""
    name = "/".join(mistake.path.parts[-2:])
    return Card(name, _data_uri(view(mistake)), mistake.given, mistake.true, mistake.notes)


def _data_uri(bgr: BGRFrame) -> str:
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()

"""Results made by hand for the tests of visits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.results import LABELS, Bare, Face, FrameResult
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.visit import ChangeKind, VisitChange

RATE = 10.0
START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SIZE_WH = (640, 480)
BOX = (100.0, 100.0, 160.0, 180.0)


def face(
    label: str = "with_mask",
    *,
    track: int | None = 1,
    score: float = 0.97,
    xyxy: Sequence[float] = BOX,
    bare: Bare | None = None,
    sharpness: float = 15.0,
) -> Face:
    scores = {name: score if name == label else (1 - score) / 2 for name in LABELS}
    left, top, right, bottom = xyxy
    return Face((left, top, right, bottom), 0.9, None, label, score, scores, track, sharpness, bare)


def moved(x: float, y: float, xyxy: Sequence[float] = BOX) -> tuple[float, float, float, float]:
    """A box whose lower edge has its middle at a point."""
    width, height = xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]
    return x - width / 2, y - height, x + width / 2, y


def at(frame: float) -> datetime:
    return START + timedelta(seconds=frame / RATE)


def feed(
    book: VisitBook, scene: Sequence[Sequence[Face]], start: int = 0, frames: Sequence[Frame] = ()
) -> list[VisitChange]:
    """Give a book one frame after the other, ten a second."""
    changes = []
    for i, faces in enumerate(scene):
        n = start + i
        result = FrameResult("door", n, n / RATE, SIZE_WH, tuple(faces))
        changes += book.add(frames[i] if frames else None, result, at(n))
    return changes


def of_kind(changes: Sequence[VisitChange], *kinds: ChangeKind) -> list[VisitChange]:
    return [change for change in changes if change.kind in kinds]

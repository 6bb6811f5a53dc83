"""Visits made by hand, for what stores and shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from maskinfer.engine.results import INCORRECT_MASK, WITH_MASK, WITHOUT_MASK
from maskinfer.engine.visits.visit import (
    BestPicture,
    ChangeKind,
    Ended,
    LabelSpan,
    Passage,
    Violation,
    Visit,
    VisitChange,
)

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """Return the time so long after noon of 25 November 2026."""
    return NOON + timedelta(seconds=seconds)


def visit(
    number: int = 1,
    label: str = WITH_MASK,
    *,
    first_s: float = 0.0,
    camera: str = "door",
    zones: tuple[str, ...] = (),
    ended: Ended | None = "left",
    passages: tuple[Passage, ...] = (),
) -> Visit:
    """Return a visit of ten seconds; who wears no mask, or wears it badly, violates every zone."""
    first_at, last_at = after(first_s), after(first_s + 10)
    bare = "nose" if label == INCORRECT_MASK else None
    is_wrong = label in (WITHOUT_MASK, INCORRECT_MASK)
    violations = [Violation(zone, label, after(first_s + 2), last_at, bare) for zone in zones or (None,)]
    return Visit(
        id=f"3f2a91c0-{camera}-{number}",
        camera=camera,
        first_at=first_at,
        last_at=last_at,
        label=label,
        bare=bare,
        spans=(LabelSpan(label, first_at, last_at, 0.97, bare),),
        zones=zones,
        passages=passages,
        violations=tuple(violations) if is_wrong else (),
        ended=ended,
    )


def change(visit: Visit, kind: ChangeKind = "ended", picture: BestPicture | None = None) -> VisitChange:
    """Return that a visit changed."""
    return VisitChange(kind, visit, visit.last_at, picture)


def picture(label: str = WITH_MASK, *, at_s: float = 1.0, side_px: int = 64, quality: float = 40.0) -> BestPicture:
    """Return a picture full of noise, which no JPEG makes small."""
    bgr = np.random.default_rng(int(abs(at_s) * 10)).integers(0, 256, (side_px, side_px, 3), np.uint8)
    return BestPicture(label, after(at_s), quality, (8.0, 8.0, 56.0, 56.0), bgr)

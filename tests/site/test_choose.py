"""Which frames of a visit are taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.results import Face
from maskinfer.site.choose import Doubt, Kept, SeenBefore, Visit, doubt_of, fingerprint, part_of
from maskinfer.site.pool import PoolPicture


def face(with_mask: float, label: str | None = None, det_score: float = 0.95) -> Face:
    scores = {"with_mask": with_mask, "without_mask": 1 - with_mask, "incorrect_mask": 0.0}
    best = max(scores, key=lambda name: scores[name])
    return Face((0, 0, 50, 50), det_score, None, label or best, scores[best], scores, 1)


def kept(doubt: Doubt) -> Kept:
    record = PoolPicture("0" * 16, "door", "2026-11-26T10:00:00", "v", "pool", doubt.why, (100, 100))
    return Kept(doubt, record, b"", 0)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (face(0.99), None),
        (face(0.6), "low margin"),
        (face(0.99, "uncertain"), "uncertain"),
        (face(0.99, det_score=0.52), "near threshold"),
        (face(0.99, det_score=0.7), None),
    ],
)
def test_why_a_face_is_worth_a_look(seen: Face, why: str | None) -> None:
    doubt = doubt_of(seen, 0.5)
    assert (doubt and doubt.why) == why


def test_the_most_doubtful_frame_of_each_reason_is_kept(tmp_path: Path) -> None:
    visit, rng = Visit("v", "pool"), np.random.default_rng(0)
    made: list[Doubt] = []

    def make(doubt: Doubt) -> Kept:
        made.append(doubt)
        return kept(doubt)

    for seen in (face(0.99), face(0.7), face(0.55), face(0.56), face(0.6, "uncertain"), face(0.99)):
        visit.look(seen, 0.5, make, rng)
    chosen = visit.chosen(3)
    assert chosen[0].doubt.why == "uncertain"
    assert visit.by_why["low margin"].doubt.value == pytest.approx(0.9)
    assert len(made) == 3, "a frame that is hardly more doubtful is not encoded"
    assert visit.chosen(1) == chosen[:1]


def test_a_person_of_whom_the_model_is_sure_teaches_nothing() -> None:
    visit = Visit("v", "pool")
    for _ in range(20):
        visit.look(face(0.99), 0.5, kept, np.random.default_rng(0))
    assert visit.chosen(3) == []


def test_a_label_that_changes_is_worth_a_look_however_sure_the_model_is() -> None:
    visit = Visit("v", "pool")
    for seen in (face(0.99), face(0.99), face(0.01), face(0.99)):
        visit.look(seen, 0.5, kept, np.random.default_rng(0))
    assert {one.doubt.why for one in visit.chosen(3)} == {"labels change"}


def test_each_frame_of_a_test_visit_is_as_likely_as_any_other() -> None:
    taken = np.zeros(5)
    for seed in range(1500):
        visit, rng = Visit("v", "test"), np.random.default_rng(seed)
        for number in range(5):
            visit.look(face(0.99), 0.5, lambda doubt, n=number: Kept(doubt, kept(doubt).record, bytes([n]), 0), rng)  # type: ignore[misc]
        (one,) = visit.chosen(3)
        taken[one.jpeg[0]] += 1
    assert np.abs(taken / 1500 - 0.2).max() < 0.05


def test_a_visit_is_on_the_same_side_whenever_it_is_looked_at() -> None:
    parts = [part_of(f"door {n}", 0.2, 0) for n in range(2000)]
    assert parts == [part_of(f"door {n}", 0.2, 0) for n in range(2000)]
    assert 0.16 < parts.count("test") / 2000 < 0.24
    assert {part_of(f"door {n}", 0.0, 0) for n in range(50)} == {"pool"}


def test_nearly_the_same_is_taken_once() -> None:
    rng = np.random.default_rng(0)
    picture = np.clip(np.linspace(0, 255, 64)[None, :, None] + rng.normal(0, 20, (64, 64, 3)), 0, 255).astype(np.uint8)
    other = rng.integers(0, 256, (64, 64, 3), np.uint8)
    before = SeenBefore()
    assert before.is_new(fingerprint(picture))
    assert not before.is_new(fingerprint(np.clip(picture.astype(int) + 6, 0, 255).astype(np.uint8)))
    assert before.is_new(fingerprint(other))

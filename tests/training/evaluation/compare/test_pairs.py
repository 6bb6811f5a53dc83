"""What two models win and lose on the same faces."""

from __future__ import annotations

import numpy as np
import pytest

from maskinfer.training.evaluation.compare.pairs import PairedFaces, difference, mcnemar
from maskinfer.training.evaluation.intervals import Estimate


def faces(old: list[bool], new: list[bool], labels: list[str] | None = None, visit: int = 1) -> PairedFaces:
    """Faces of which ``visit`` each were in one visit."""
    n = len(old)
    return PairedFaces(
        np.asarray(labels or ["with_mask"] * n), np.arange(n) // visit, np.asarray(old, bool), np.asarray(new, bool)
    )


@pytest.mark.parametrize(
    ("won", "lost", "p"), [(0, 0, 1.0), (1, 0, 1.0), (6, 0, 2 / 64), (8, 2, 112 / 1024), (10, 10, 1.0), (2000, 1000, 0)]
)
def test_mcnemar_is_a_fair_coin_for_each_face_that_differs(won: int, lost: int, p: float) -> None:
    assert mcnemar(won, lost) == pytest.approx(p, abs=1e-12)
    assert mcnemar(lost, won) == mcnemar(won, lost)


def test_equal_models_do_not_differ_and_the_doubt_stays() -> None:
    found = difference(faces([True] * 90 + [False] * 10, [True] * 90 + [False] * 10))
    assert (found.change.value, found.won, found.lost, found.p) == (0, 0, 0, 1)
    assert found.change.low < 0 < found.change.high
    assert found.change.high < 0.05


def test_a_model_that_wins_is_seen_to() -> None:
    old = [True] * 60 + [False] * 40
    new = [True] * 58 + [False] * 2 + [True] * 30 + [False] * 10
    found = difference(faces(old, new))
    assert (found.old, found.new, found.won, found.lost) == (0.6, 0.88, 30, 2)
    assert found.change.value == pytest.approx(0.28)
    assert 0.15 < found.change.low < 0.28 < found.change.high < 0.41
    assert found.p < 1e-5
    # The other way round it is the same with the other sign.
    back = difference(faces(new, old))
    assert back.change.value == pytest.approx(-0.28)
    assert back.change.high < 0


def test_labels_count_the_same_whatever_their_number() -> None:
    labels = ["with_mask"] * 90 + ["incorrect_mask"] * 10
    found = difference(faces([True] * 90 + [False] * 10, [True] * 100, labels))
    assert (found.old, found.new, found.change.value) == (0.5, 1.0, 0.5)


def test_a_label_of_few_faces_does_not_count_as_much_as_the_others() -> None:
    labels = ["with_mask"] * 50 + ["without_mask"] * 50 + ["incorrect_mask"] * 4
    found = difference(faces([True] * 100 + [False] * 4, [True] * 104, labels))
    assert (found.faces, found.old, found.new, found.change.value, found.won) == (104, 1.0, 1.0, 0.0, 4)
    few = difference(faces([True, False], [True, True], ["with_mask", "incorrect_mask"]))
    assert (few.old, few.new) == (0.5, 1.0), "there are no others"


def test_faces_of_one_visit_say_less_than_as_many_of_many() -> None:
    rng = np.random.default_rng(0)
    old = rng.random(50) < 0.5
    new = rng.random(50) < 0.8
    alone = difference(faces(old.tolist(), new.tolist()))
    many = difference(faces(np.repeat(old, 8).tolist(), np.repeat(new, 8).tolist(), visit=8))
    naive = difference(faces(np.repeat(old, 8).tolist(), np.repeat(new, 8).tolist()))
    assert width(many.change) == pytest.approx(width(alone.change), rel=0.25)
    assert width(naive.change) < 0.6 * width(many.change)


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Twenty wins and ten losses in a hundred, in truth: the change is 0.1."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        kind = rng.choice(4, 150, p=[0.2, 0.1, 0.5, 0.2])
        change = difference(faces(np.isin(kind, (1, 2)).tolist(), np.isin(kind, (0, 2)).tolist())).change
        covered += change.low <= 0.1 <= change.high
    assert 0.9 < covered / 200 < 0.99


def test_no_faces_at_all() -> None:
    found = difference(faces([], []))
    assert (found.faces, found.change) == (0, Estimate(0.0, -1.0, 1.0, 0))

"""Groups, splits that keep them whole, and what leaks across splits that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.training.data.audit.items import Item
from maskinfer.training.data.audit.leaks import Split, count_leaks, random_split, read_split
from maskinfer.training.data.groups import group_ids, split_by_group

ITEMS = [
    Item(Path(f"{label}/{n}.png"), f"{label}/{n}.png", "set", (label,))
    for label in ("with_mask", "without_mask")
    for n in range(6)
]


def test_what_is_related_is_one_group() -> None:
    assert group_ids(7, [(5, 2), (3, 4), (2, 0), (5, 2)]).tolist() == [0, 1, 0, 2, 2, 0, 3]


def test_nothing_is_related() -> None:
    assert group_ids(3, []).tolist() == [0, 1, 2]
    assert group_ids(0, []).tolist() == []


def test_groups_are_the_connected_components() -> None:
    graphs = pytest.importorskip("scipy.sparse")
    from scipy.sparse.csgraph import connected_components

    rng = np.random.default_rng(0)
    for _ in range(20):
        pairs = rng.integers(0, 60, (rng.integers(1, 60), 2))
        graph = graphs.coo_matrix((np.ones(len(pairs)), pairs.T), shape=(60, 60))
        theirs = connected_components(graph, directed=False)[1]
        # The groups are the same, and numbered in the order of their first members.
        assert group_ids(60, pairs).tolist() == np.unique(first_members(theirs), return_inverse=True)[1].tolist()


def first_members(ids: np.ndarray) -> np.ndarray:
    return np.array([np.flatnonzero(ids == i)[0] for i in ids])


@pytest.fixture
def grouped() -> tuple[np.ndarray, np.ndarray]:
    """400 groups of 1 to 12 pictures, and three classes, one of them rare; a class fills whole groups or half."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(400), rng.integers(1, 13, 400))
    of_group = rng.choice(["with_mask", "without_mask", "incorrect_mask"], 400, p=[0.5, 0.42, 0.08])
    labels = np.where(rng.random(len(groups)) < 0.5, of_group[groups], "with_mask")
    return groups, labels


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.25, 0.5])
def test_a_split_tears_no_group_and_keeps_the_classes(grouped: tuple[np.ndarray, np.ndarray], share: float) -> None:
    pytest.importorskip("sklearn")
    groups, labels = grouped
    train, test = split_by_group(groups, labels, share, seed=3)
    assert sorted([*train, *test]) == list(range(len(groups)))
    assert not set(groups[train]) & set(groups[test])
    for label in np.unique(labels):
        of_label = labels == label
        assert of_label[test].sum() / of_label.sum() == pytest.approx(share, abs=0.04)


def test_a_split_is_the_seeds(grouped: tuple[np.ndarray, np.ndarray]) -> None:
    pytest.importorskip("sklearn")
    splits = [split_by_group(*grouped, 0.2, seed)[1].tolist() for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_a_class_of_one_picture_is_no_obstacle() -> None:
    pytest.importorskip("sklearn")
    train, test = split_by_group(np.arange(20), ["a"] * 19 + ["b"], 0.2, seed=0)
    assert (len(train), len(test)) == (16, 4)


@pytest.mark.parametrize(
    ("groups", "share", "said"),
    [([0, 0, 0, 1], 0.2, "2 groups of pictures are too few"), ([0, 1], 1.0, "share of 1"), ([0, 1], 0.001, "0.025")],
)
def test_what_cannot_be_split_is_said(groups: list[int], share: float, said: str) -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(RequestError, match=said):
        split_by_group(groups, ["a"] * len(groups), share, seed=0)


def test_classes_smaller_than_the_folds_are_said() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(RequestError, match="every class has fewer than 5 pictures"):
        split_by_group(np.arange(6), ["a", "a", "b", "b", "c", "c"], 0.2, seed=0)


def test_leaks_are_counted() -> None:
    # 0 = 1 (bytes), 1 ~ 2 (near), 2 ~ 3 (twin), 4 alone, 5 ~ 6 (augmented), all of it on one side.
    copies = np.array([0, 0, 1, 2, 3, 4, 5])
    groups = np.array([0, 0, 0, 0, 1, 2, 2])
    none = np.zeros((0, 2), np.int64)
    pairs = {
        "identical": np.array([[0, 1]]),
        "near": np.array([[0, 2]]),
        "twin": np.array([[2, 3]]),
        "augmented": np.array([[5, 6]]),
    }
    leaks = count_leaks(Split("", np.array([0, 3, 4]), np.array([1, 2, 5, 6])), pairs, copies, groups)
    assert (leaks.test, leaks.related) == (4, 2)
    assert leaks.by_kind == {"identical": 1, "near": 1, "augmented": 0, "twin": 1}
    # By way of 2, which is on neither side.
    leaks = count_leaks(Split("", np.array([3]), np.array([0])), {**pairs, "augmented": none}, copies, groups)
    assert (leaks.related, sum(leaks.by_kind.values())) == (1, 0)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("{", SourceError, "is not a split"),
        ('{"train": []}', SourceError, "expected JSON"),
        ('{"train": ["x.png"], "test": []}', RequestError, "names x.png"),
        ('{"train": ["with_mask/3.png"], "test": ["with_mask/3.png"]}', RequestError, "on both sides"),
    ],
)
def test_a_wrong_split_is_said(tmp_path: Path, text: str, error: type[Exception], said: str) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(error, match=said):
        read_split(tmp_path / "split.json", ITEMS)
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        read_split(tmp_path / "none.json", ITEMS)


def test_a_random_split_keeps_the_classes() -> None:
    pytest.importorskip("sklearn")
    split = random_split(ITEMS, 0.25, seed=1)
    assert sorted([*split.train, *split.test]) == list(range(len(ITEMS)))
    assert {ITEMS[i].label for i in split.test} == {"with_mask", "without_mask"}
    assert split.test.tolist() == random_split(ITEMS, 0.25, seed=1).test.tolist()
    for share in (0.0, 1.5):
        with pytest.raises(RequestError, match="cannot be split"):
            random_split(ITEMS, share, seed=1)

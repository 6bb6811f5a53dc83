"""Groups of pictures that belong on one side of a split."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskinfer.engine.errors import RequestError

Indices = NDArray[np.int64]
# A fold is at least this share: more folds take long and balance nothing better.
_MAX_FOLDS = 40


def group_ids(count: int, pairs: ArrayLike) -> Indices:
    """Unite what is related, directly or through others, into groups.

    Args:
        count: of pictures.
        pairs: (M, 2), indices of related pictures, 0 to ``count - 1``; in any order, repeated or not.

    Returns:
        int64 (count,): each picture's group, numbered from 0 by the groups' first pictures.
    """
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]  # halves the path for those who come later
            i = parent[i]
        return i

    for a, b in np.asarray(pairs, np.int64).reshape(-1, 2).tolist():
        # The first picture stays the root, so that roots are in the groups' order.
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    _, ids = np.unique([root(i) for i in range(count)], return_inverse=True)
    return np.asarray(ids, np.int64)


def split_by_group(groups: ArrayLike, labels: ArrayLike, test_share: float, seed: int) -> tuple[Indices, Indices]:
    """Split pictures so that no group is on both sides and each class keeps its share as well as that allows.

    Args:
        groups: (N,), integers as ``group_ids`` gives them.
        labels: (N,), integers or strings.
        test_share: of the pictures, over 0 and under 1; taken as the nearest fraction of at most 40 folds.
        seed: equal seeds split equally.

    Returns:
        Indices to train and to test on, both int64 and ascending.

    Raises:
        RequestError: there are too few groups to split so, or the share is out of range.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups, labels = np.asarray(groups), np.asarray(labels)
    share = Fraction(test_share).limit_denominator(_MAX_FOLDS)
    if not 0 < share < 1:
        raise RequestError(f"a test share of {test_share:g} cannot be split off: expected 0.025 to 0.975")
    folds, present = share.denominator, len(np.unique(groups))
    if present < folds:
        raise RequestError(f"{present} groups of pictures are too few to split off {share} of them")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        try:
            tests = [test for _, test in splitter.split(labels, labels, groups)]
        except ValueError as error:
            raise RequestError(f"every class has fewer than {folds} pictures: too few to split off {share}") from error
    in_test = np.zeros(len(groups), bool)
    in_test[np.concatenate(tests[: share.numerator])] = True
    return np.flatnonzero(~in_test).astype(np.int64), np.flatnonzero(in_test).astype(np.int64)

"""How two models differ on the same faces: paired, since what is hard for one is mostly hard for the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.intervals import Z_95
from maskinfer.engine.results import label_order
from maskinfer.training.evaluation.intervals import Estimate, Floats, bootstrap

# With fewer faces that only one of the two has right, resampling sees too little of the spread.
_LEAST_DIFFERING = 20
# Of a label with fewer faces in a group the share is chance, and would count as much as that of the others.
_LEAST_OF_LABEL = 10
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairedFaces:
    """Faces that two models looked at.

    Attributes:
        labels: (N,), the true ones.
        clusters: int64 (N,), equal for faces of one picture, or of one visit where the data say it.
        old, new: bool (N,), whether each found the face and labelled it right.
    """

    labels: NDArray[np.str_]
    clusters: NDArray[np.int64]
    old: Bools
    new: Bools

    def only(self, chosen: Bools) -> PairedFaces:
        """Return some of the faces."""
        return PairedFaces(self.labels[chosen], self.clusters[chosen], self.old[chosen], self.new[chosen])


@dataclass(frozen=True, slots=True)
class Difference:
    """How a new model differs from an old one on a group of faces.

    Attributes:
        faces: how many.
        old, new: share that was found and labelled right, the mean over labels with at least 10 faces; over all that
            occur where no label has as many.
        change: of that share, with its paired 95 % interval.
        won, lost: faces that only the new model, or only the old one, has right.
        p: of McNemar's test, exact: how often chance alone would divide won and lost so unevenly.
    """

    faces: int
    old: float
    new: float
    change: Estimate
    won: int
    lost: int
    p: float


def difference(faces: PairedFaces) -> Difference:
    """Compare two models on faces.

    The interval is that of pictures, or visits, drawn with replacement (Efron 1979); of few faces that differ it is
    Agresti and Min's for paired shares (Statistics in Medicine 24, 2005).
    """
    counts = {label: int((faces.labels == label).sum()) for label in label_order(faces.labels.tolist())}
    present = [label for label, count in counts.items() if count >= _LEAST_OF_LABEL]
    present = present or [label for label, count in counts.items() if count]
    own = [faces.only(faces.labels == label) for label in present]
    won, lost = int((faces.new & ~faces.old).sum()), int((faces.old & ~faces.new).sum())
    old, new = (float(np.mean([getattr(f, side).mean() for f in own])) if own else 0.0 for side in ("old", "new"))
    if not own:
        change = Estimate(0.0, -1.0, 1.0, 0)
    elif won + lost < _LEAST_DIFFERING or len(np.unique(faces.clusters)) < 2:
        change = _combined([_agresti_min(f) for f in own])
    else:
        change = bootstrap(_counts(faces, present), _mean_change)
    return Difference(len(faces.old), old, new, change, won, lost, mcnemar(won, lost))


def mcnemar(won: int, lost: int) -> float:
    """Return the two-sided exact p-value of McNemar's test (McNemar 1947): a fair coin for each face that differs."""
    n = won + lost
    logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(max(won, lost), n + 1))
    return min(1.0, 2 * sum(math.exp(ways - n * math.log(2)) for ways in logs))


def _counts(faces: PairedFaces, present: Sequence[str]) -> Floats:
    """Return, for each cluster, how many faces of each label there are, and how many each model has right."""
    _, rows = np.unique(faces.clusters, return_inverse=True)
    counts = np.zeros((rows.max() + 1, 3 * len(present)), np.float64)
    for column, label in enumerate(present):
        is_label = faces.labels == label
        for part, values in enumerate((is_label, is_label & faces.old, is_label & faces.new)):
            np.add.at(counts[:, part * len(present) + column], rows, values)
    return counts


def _mean_change(sums: Floats) -> Floats:
    whole, old, new = np.split(sums, 3, axis=1)
    drawn = whole > 0
    change = np.divide(new - old, whole, out=np.zeros_like(whole), where=drawn)
    return np.divide(change.sum(1), drawn.sum(1), out=np.full(len(sums), np.nan), where=drawn.any(1))


def _agresti_min(faces: PairedFaces) -> Estimate:
    won, lost, n = float((faces.new & ~faces.old).sum()), float((faces.old & ~faces.new).sum()), len(faces.old)
    value = (won - lost) / n
    b, c, total = won + 0.5, lost + 0.5, n + 2.0
    centre = (b - c) / total
    half = Z_95 * math.sqrt((b + c) - (b - c) ** 2 / total) / total
    return Estimate(value, min(value, max(-1.0, centre - half)), max(value, min(1.0, centre + half)), n)


def _combined(parts: Sequence[Estimate]) -> Estimate:
    """Return the mean of independent figures with the interval that theirs make up (Zou and Donner 2008)."""
    n = len(parts)
    value = sum(p.value for p in parts) / n
    down, up = (math.hypot(*ends) / n for ends in ([p.value - p.low for p in parts], [p.high - p.value for p in parts]))
    return Estimate(value, value - down, value + up, sum(p.n for p in parts))

"""Whether a probability means what it says, and from which probability on a label is to be given.

All functions take probabilities float (N, K), rows summing to 1, and the truth int (N,), indices into the K labels; -1
stands for a truth that the classifier has no label for: whatever it says of such a face is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskinfer.engine.errors import RequestError
from maskinfer.training.evaluation.intervals import Estimate, Floats, share

BINS = 15
MAX_TEMPERATURE = 20.0
_SMALLEST = 1e-12
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bin:
    """Faces of similar confidence.

    Attributes:
        confidence: mean of their best probabilities.
        right: share whose most probable label is right.
    """

    confidence: float
    right: Estimate


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What a threshold costs and buys.

    Attributes:
        thresholds: (M,), every best probability that occurs, falling.
        labelled: (M,), number of faces that are at or over it.
        errors: (M,), number of wrong labels among these.
        total: number of all faces.
    """

    thresholds: Floats
    labelled: Ints
    errors: Ints
    total: int

    @property
    def coverage(self) -> Floats:
        """Share of the faces that get a label at each threshold."""
        return np.asarray(self.labelled / self.total)

    @property
    def risk(self) -> Floats:
        """Share of wrong labels among these."""
        return np.asarray(self.errors / self.labelled)

    def area(self) -> float:
        """Return the area under the curve: the mean risk over all coverages, 0 to 1."""
        return float((self.risk * np.diff(self.coverage, prepend=0.0)).sum())


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold that keeps the error rate.

    Attributes:
        value: a label is given from this probability on, 0 to 1.
        coverage: share of the faces that get a label.
        error: share of wrong labels among these, as measured.
        error_bound: what that share truly is at most, with the confidence that was asked for.
    """

    value: float
    coverage: float
    error: float
    error_bound: float


def _checked(probabilities: ArrayLike, truth: ArrayLike) -> tuple[Floats, Ints]:
    p, t = np.asarray(probabilities, np.float64), np.asarray(truth, np.int64)
    if p.ndim != 2 or t.shape != p.shape[:1] or not len(p):
        raise RequestError(f"probabilities have shape {p.shape}, truth {t.shape}: expected (N, K) and (N,), N over 0")
    return p, t


def fit_temperature(probabilities: ArrayLike, truth: ArrayLike) -> float:
    """Return the temperature that makes the truth most likely (Guo et al. 2017, section 4.2).

    Minimises the negative log-likelihood of softmax(log p / T), which is convex in 1 / T. Rows whose truth is -1 are
    left out. To be fitted on data that neither trained the classifier nor judges the outcome.

    Returns:
        Over 1 for a classifier that is too sure of itself, under 1 for one that is too modest; within 1/20 and 20.

    Raises:
        RequestError: the shapes do not fit, or no truth is among the labels.
    """
    p, t = _checked(probabilities, truth)
    p, t = p[t >= 0], t[t >= 0]
    if not len(p):
        raise RequestError("a temperature needs at least one face whose truth is among the classifier's labels")
    logits = np.log(np.maximum(p, _SMALLEST))
    of_truth = logits[np.arange(len(t)), t].mean()
    low, high = -math.log(MAX_TEMPERATURE), math.log(MAX_TEMPERATURE)
    for _ in range(50):
        middle = (low + high) / 2
        # The slope of the likelihood's logarithm along 1 / T grows, so its zero is found by halving.
        slope = (_softmax(logits * math.exp(middle)) * logits).sum(1).mean() - of_truth
        low, high = (middle, high) if slope < 0 else (low, middle)
    return math.exp(-(low + high) / 2)


def apply_temperature(probabilities: ArrayLike, temperature: float) -> Floats:
    """Return softmax(log p / T), float64 (N, K); the order of the labels stays as it is.

    Raises:
        RequestError: the temperature is not over 0.
    """
    if not temperature > 0:
        raise RequestError(f"temperature is {temperature}, expected a number over 0")
    return _softmax(np.log(np.maximum(np.asarray(probabilities, np.float64), _SMALLEST)) / temperature)


def _softmax(logits: Floats) -> Floats:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float64)


def negative_log_likelihood(probabilities: ArrayLike, truth: ArrayLike) -> float:
    """Return the mean of -log p(truth) over rows whose truth is among the labels; 0 is perfect.

    Raises:
        RequestError: the shapes do not fit.
    """
    p, t = _checked(probabilities, truth)
    rows = np.flatnonzero(t >= 0)
    return float(-np.log(np.maximum(p[rows, t[rows]], _SMALLEST)).mean()) if len(rows) else 0.0


def reliability(probabilities: ArrayLike, truth: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Return faces in bins of equal numbers by their best probability, rising: a reliability diagram's points.

    Raises:
        RequestError: the shapes do not fit.
    """
    p, t = _checked(probabilities, truth)
    confidence, right = p.max(1), p.argmax(1) == t
    groups = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(p)))
    return [Bin(float(confidence[g].mean()), share(int(right[g].sum()), len(g))) for g in groups]


def expected_calibration_error(probabilities: ArrayLike, truth: ArrayLike, bins: int = BINS) -> float:
    """Return the mean gap between confidence and share of right labels over bins of equal numbers, 0 to 1.

    Guo et al. 2017, equation 3, with bins of equal mass, which do not leave most of them empty.

    Raises:
        RequestError: the shapes do not fit.
    """
    found = reliability(probabilities, truth, bins)
    total = sum(b.right.n for b in found)
    return sum(b.right.n / total * abs(b.confidence - b.right.value) for b in found)


def calibration_error_by_chance(probabilities: ArrayLike, bins: int = BINS, *, draws: int = 200) -> float:
    """Return the calibration error that so many faces show on average when every probability is true.

    The error is never 0 on a finite sample; what lies near this figure is no fault of the classifier.
    """
    p = np.asarray(probabilities, np.float64)
    confidence = np.sort(p.max(1))
    rng = np.random.default_rng(0)
    gaps = confidence - (rng.random((draws, len(p))) < confidence)
    groups = np.array_split(np.arange(len(p)), min(bins, len(p)))
    return float(sum(np.abs(gaps[:, g].sum(1)) for g in groups).mean() / len(p))  # type: ignore[union-attr]


def risk_coverage(probabilities: ArrayLike, truth: ArrayLike) -> RiskCoverage:
    """Return how error and share of labelled faces go with the threshold (Geifman and El-Yaniv 2017, section 2).

    Raises:
        RequestError: the shapes do not fit.
    """
    p, t = _checked(probabilities, truth)
    confidence, wrong = p.max(1), p.argmax(1) != t
    order = np.argsort(-confidence, kind="stable")
    errors = wrong[order].cumsum()
    # Equal probabilities pass a threshold together.
    last = np.flatnonzero(np.diff(confidence[order], append=-1.0))
    return RiskCoverage(confidence[order][last], last + 1, errors[last], len(p))


def threshold_for_error(
    probabilities: ArrayLike, truth: ArrayLike, max_error: float, *, confidence: float = 0.95
) -> Threshold | None:
    """Return a low threshold at which the labels that are given are wrong at most so often.

    Selection with guaranteed risk (Geifman and El-Yaniv 2017, algorithm 1): thresholds are tried by halving, each
    against the exact binomial bound at its share of the allowed doubt. The guarantee is for independent faces of the
    same kind as these.

    Args:
        probabilities: see above.
        truth: see above.
        max_error: greatest share of wrong labels, between 0 and 1.
        confidence: that the true share is no greater, between 0 and 1.

    Returns:
        None when no threshold that was tried can be vouched for: too many errors or too few faces.

    Raises:
        RequestError: the shapes do not fit, or a number is not between 0 and 1.
    """
    for name, value in (("max_error", max_error), ("confidence", confidence)):
        if not 0 < value < 1:
            raise RequestError(f"{name} is {value}, expected a number between 0 and 1")
    curve = risk_coverage(probabilities, truth)
    tries = max(1, math.ceil(math.log2(len(curve.thresholds) + 1)))
    best: Threshold | None = None
    low, high = 0, len(curve.thresholds) - 1
    while low <= high:
        i = (low + high + 1) // 2
        bound = binomial_upper(int(curve.errors[i]), int(curve.labelled[i]), (1 - confidence) / tries)
        if bound <= max_error:
            best = Threshold(float(curve.thresholds[i]), float(curve.coverage[i]), float(curve.risk[i]), bound)
            low = i + 1
        else:
            high = i - 1
    return best


def binomial_upper(errors: int, total: int, doubt: float) -> float:
    """Return the greatest rate at which so few errors are still as likely as ``doubt`` (Clopper and Pearson 1934).

    Args:
        errors: 0 to ``total``.
        total: trials.
        doubt: probability that the true rate is greater, between 0 and 1.
    """
    if errors >= total:
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    k = np.arange(errors + 1)
    ways = logs[total] - logs[k] - logs[total - k]
    low, high = errors / total, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        likely = np.exp(ways + k * math.log(middle) + (total - k) * math.log1p(-middle)).sum() if middle < 1 else 0.0
        low, high = (middle, high) if likely > doubt else (low, middle)
    return high

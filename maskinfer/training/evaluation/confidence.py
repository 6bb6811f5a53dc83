"""How far the classifier knows when it does not know, measured on the found faces of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskinfer.training.evaluation import calibration
from maskinfer.training.evaluation.calibration import Bin, RiskCoverage, Threshold
from maskinfer.training.evaluation.intervals import Estimate, Floats, share
from maskinfer.training.evaluation.matching import TrueFace

MAX_ERROR = 0.02
LEAST_FACES = 50
"""Of fewer faces a data set says too little about rare errors."""
ERROR_RATES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""For each of these a threshold is sought too; ``export.calibrate`` writes them into a model's file."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """Calibration and selective labelling.

    Thresholds keep the error rate on all faces together, with 95 % confidence, and as measured on each data set.

    Attributes:
        faces: found ones, on which all is measured.
        foreign: of these, faces whose true label the classifier does not have.
        temperature: fitted on all of them.
        calibration_error: of the probabilities as they are.
        calibration_error_scaled: after temperatures that were fitted on the other half of the images.
        calibration_error_by_chance: what so many faces show when every probability is true.
        likelihood, likelihood_scaled: mean of -log p(truth), likewise.
        bins, bins_scaled: reliability diagrams, likewise.
        curve: error among the labels given against the share of faces that get one.
        max_error: the error rate that was asked for.
        threshold: of the probabilities as they are, for that error rate; None when none can be vouched for.
        threshold_scaled: the same for probabilities at ``temperature``.
        by_set: of each data set with at least ``LEAST_FACES`` found faces, by name.
        ladder: thresholds of the probabilities as they are for ``ERROR_RATES``, those that can be vouched for.
    """

    faces: int
    foreign: int
    temperature: float
    calibration_error: float
    calibration_error_scaled: float
    calibration_error_by_chance: float
    likelihood: float
    likelihood_scaled: float
    bins: tuple[Bin, ...]
    bins_scaled: tuple[Bin, ...]
    curve: RiskCoverage
    max_error: float
    threshold: Threshold | None
    threshold_scaled: Threshold | None
    by_set: Mapping[str, SetConfidence]
    ladder: tuple[tuple[float, Threshold], ...]


@dataclass(frozen=True, slots=True)
class SetConfidence:
    """The same of one data set.

    Attributes:
        faces: found ones.
        calibration_error: of the probabilities as they are.
        calibration_error_by_chance: what so many faces show when every probability is true.
        curve: error among the labels given against the share of faces that get one.
        coverage: share of its faces that get a label at the threshold of all sets; of none if there is no threshold.
        error: share of wrong labels among these.
    """

    faces: int
    calibration_error: float
    calibration_error_by_chance: float
    curve: RiskCoverage
    coverage: Estimate
    error: Estimate


def measure_confidence(
    true: Sequence[TrueFace], labels: Sequence[str], max_error: float = MAX_ERROR
) -> Confidence | None:
    """Return how well probabilities and errors agree; None when no face with a label of the classifier was found.

    Args:
        true: annotated faces.
        labels: the classifier's.
        max_error: greatest share of wrong labels for which a threshold is sought.

    Raises:
        RequestError: ``max_error`` is not between 0 and 1.
    """
    found = [(face, face.found) for face in true if face.found is not None]
    known = {label: i for i, label in enumerate(labels)}
    truth = np.asarray([known.get(face.label, -1) for face, _ in found], np.int64)
    if not (truth >= 0).any():
        return None
    p = np.asarray([[face.scores[label] for label in labels] for _, face in found], np.float64)
    sets = np.asarray([face.set for face, _ in found])
    scaled = _scaled_by_the_other_half(p, truth, np.asarray([face.scene for face, _ in found]))
    temperature = calibration.fit_temperature(p, truth)
    threshold = threshold_on_every_set(p, truth, sets, max_error)
    return Confidence(
        len(p),
        int((truth < 0).sum()),
        temperature,
        calibration.expected_calibration_error(p, truth),
        calibration.expected_calibration_error(scaled, truth),
        calibration.calibration_error_by_chance(p),
        calibration.negative_log_likelihood(p, truth),
        calibration.negative_log_likelihood(scaled, truth),
        tuple(calibration.reliability(p, truth)),
        tuple(calibration.reliability(scaled, truth)),
        calibration.risk_coverage(p, truth),
        max_error,
        threshold,
        threshold_on_every_set(calibration.apply_temperature(p, temperature), truth, sets, max_error),
        {
            str(name): _of_set(p[sets == name], truth[sets == name], threshold)
            for name in np.unique(sets)
            if (sets == name).sum() >= LEAST_FACES
        },
        tuple((rate, at) for rate in ERROR_RATES if (at := threshold_on_every_set(p, truth, sets, rate))),
    )


def threshold_on_every_set(
    p: Floats, truth: NDArray[np.int64], sets: NDArray[np.str_], max_error: float
) -> Threshold | None:
    """Return a low threshold that keeps an error rate on all faces together and on every data set.

    On all faces it keeps the rate with 95 % confidence (``calibration.threshold_for_error``). A pooled threshold may be
    far off on one set, so it is raised until no set with at least ``LEAST_FACES`` faces errs more often as measured.

    Args:
        p: float64 (N, classes), probabilities.
        truth: (N,), index of the true class; -1 for one that the classifier does not have.
        sets: (N,), name of each face's data set.
        max_error: greatest share of wrong labels, between 0 and 1.

    Returns:
        None when there is no such threshold.
    """
    pooled = calibration.threshold_for_error(p, truth, max_error)
    if pooled is None:
        return None
    best, wrong = p.max(1), p.argmax(1) != truth
    groups = [sets == name for name in np.unique(sets)]
    groups = [group for group in groups if group.sum() >= LEAST_FACES]
    for value in np.unique(best[best >= pooled.value]):
        given = best >= value
        if all(wrong[given & group].sum() <= max_error * (given & group).sum() for group in groups):
            errors, labelled = int(wrong[given].sum()), int(given.sum())
            bound = calibration.binomial_upper(errors, labelled, 0.05)
            return Threshold(float(value), labelled / len(p), errors / labelled, max(bound, pooled.error_bound))
    return None


def _of_set(p: Floats, truth: NDArray[np.int64], threshold: Threshold | None) -> SetConfidence:
    given = p.max(1) >= (np.inf if threshold is None else threshold.value)
    wrong = p.argmax(1) != truth
    return SetConfidence(
        len(p),
        calibration.expected_calibration_error(p, truth),
        calibration.calibration_error_by_chance(p),
        calibration.risk_coverage(p, truth),
        share(int(given.sum()), len(p)),
        share(int(wrong[given].sum()), int(given.sum())),
    )


def _scaled_by_the_other_half(p: Floats, truth: NDArray[np.int64], scenes: NDArray[np.int64]) -> Floats:
    """Return probabilities at a temperature that was fitted on other images, so that no face judges its own fit."""
    order = np.random.default_rng(0).permutation(scenes.max() + 1)
    half = order[scenes] % 2 == 0
    scaled = p.copy()
    for part in (half, ~half):
        if (truth[~part] >= 0).any() and part.any():
            scaled[part] = calibration.apply_temperature(p[part], calibration.fit_temperature(p[~part], truth[~part]))
    return scaled

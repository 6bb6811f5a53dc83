"""How far the classifier knows when it does not know, measured on the found faces of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskinfer.training.evaluation import calibration
from maskinfer.training.evaluation.calibration import Bin, RiskCoverage, Threshold
from maskinfer.training.evaluation.intervals import Floats
from maskinfer.training.evaluation.matching import TrueFace

MAX_ERROR = 0.02
ERROR_RATES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""For each of these a threshold is sought too; ``export.calibrate`` writes them into a model's file."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """Calibration and selective labelling.

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
    ladder: tuple[tuple[float, Threshold], ...]


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
    scaled = _scaled_by_the_other_half(p, truth, np.asarray([face.scene for face, _ in found]))
    temperature = calibration.fit_temperature(p, truth)
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
        calibration.threshold_for_error(p, truth, max_error),
        calibration.threshold_for_error(calibration.apply_temperature(p, temperature), truth, max_error),
        tuple((rate, at) for rate in ERROR_RATES if (at := calibration.threshold_for_error(p, truth, rate))),
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

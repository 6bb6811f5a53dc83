"""The figures of an evaluation as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maskinfer.engine.files.atomic import atomic_write
from maskinfer.training.evaluation.calibration import Bin, Threshold
from maskinfer.training.evaluation.confidence import Confidence, SetConfidence
from maskinfer.training.evaluation.detector import DetectorFigures
from maskinfer.training.evaluation.intervals import Estimate
from maskinfer.training.evaluation.matching import to_dict
from maskinfer.training.evaluation.metrics import ClassFigures, GroupMetrics, OverSets
from maskinfer.training.evaluation.run import Evaluation, Setup

ALL = "all"
CURVE_POINTS = 200


def write_figures(evaluation: Evaluation, file: Path) -> None:
    """Write the figures of an evaluation as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    text = json.dumps(evaluation_dict(evaluation), indent=1)
    with atomic_write(file) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def evaluation_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures, JSON-ready: those of all faces under ``all``, those of each data set under its name.

    A figure's 95 % interval stands beside it under its name and ``_95``. Under ``all`` are also ``over_sets``,
    ``box_factors``, ``setup``, ``sizes``,
    ``slices``, ``detector`` and ``confidence``.
    """
    everything = figures_dict(evaluation.all) | {
        "setup": _setup(evaluation.setup),
        "over_sets": None if evaluation.over_sets is None else _over_sets(evaluation.over_sets),
        "box_factors": dict(evaluation.box_factors),
        "sizes": _groups(evaluation.sizes),
        "slices": _groups(evaluation.slices),
        "detector": _detector(evaluation.detector),
        "confidence": None if evaluation.confidence is None else _confidence(evaluation.confidence),
    }
    return {ALL: everything} | {name: group for name, group in _groups(evaluation.sets).items() if name != ALL}


def _over_sets(found: OverSets) -> dict[str, Any]:
    record: dict[str, Any] = {"worst_set": found.worst_set}
    for name in ("correct2", "correct3", "worst_correct2", "worst_correct3"):
        record |= _estimate(name, getattr(found, name))
    if found.false_positives is not None:
        record |= _estimate("false_positives_per_image", found.false_positives)
    return record


def _groups(groups: Mapping[str, GroupMetrics]) -> dict[str, Any]:
    return {name: figures_dict(figures) for name, figures in groups.items()}


def figures_dict(figures: GroupMetrics) -> dict[str, Any]:
    """Return the figures of a group, JSON-ready, with those of ``matching.to_dict`` under the same names."""
    record = to_dict(figures.score)
    record["classes"] = {label: _class(figures, label, of_class) for label, of_class in figures.classes.items()}
    if figures.false_positives is None:
        record["false_positives_per_image"] = None
    else:
        record["false_positives_per_image_95"] = _ends(figures.false_positives)
    record["correct2_95"] = _ends(figures.correct2)
    record["correct3_95"] = _ends(figures.correct3)
    return record


def _class(figures: GroupMetrics, label: str, of_class: ClassFigures) -> dict[str, Any]:
    shares = {"recall": of_class.recall, "accuracy": of_class.label_recall, "correct": of_class.correct}
    record: dict[str, Any] = {"faces": figures.score.faces[label]}
    for name, estimate in shares.items():
        record |= _estimate(name, estimate)
    return record


def _estimate(name: str, estimate: Estimate) -> dict[str, Any]:
    return {name: round(estimate.value, 4), f"{name}_95": _ends(estimate)}


def _ends(estimate: Estimate) -> list[float]:
    return [round(estimate.low, 4), round(estimate.high, 4)]


def _setup(setup: Setup) -> dict[str, Any]:
    return asdict(setup) | {"data": str(setup.data)}


def _detector(detector: DetectorFigures) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name in ("recall", "masked", "bare", "difference"):
        record |= _estimate(name, getattr(detector, name))
    record["near_misses"] = detector.near_misses
    record["sizes"] = {
        size: _estimate("masked", masked) | _estimate("bare", bare) for size, (masked, bare) in detector.by_size.items()
    }
    curve = detector.curve
    record["curve"] = curve and {
        "threshold": [round(float(t), 4) for t in curve.thresholds],
        "recall": [round(e.value, 4) for e in curve.recall],
        "masked": [round(e.value, 4) for e in curve.masked],
        "bare": [round(e.value, 4) for e in curve.bare],
        "false_positives_per_image": [round(float(v), 4) for v in curve.false_positives],
    }
    return record


def _confidence(found: Confidence) -> dict[str, Any]:
    names = ("faces", "foreign", "max_error")
    measured = ("temperature", "calibration_error", "calibration_error_scaled", "calibration_error_by_chance")
    record: dict[str, Any] = {name: getattr(found, name) for name in names}
    record |= {name: round(getattr(found, name), 5) for name in (*measured, "likelihood", "likelihood_scaled")}
    record["threshold"] = _threshold(found.threshold)
    record["threshold_scaled"] = _threshold(found.threshold_scaled)
    record["thresholds"] = [{"max_error": rate, **(_threshold(chosen) or {})} for rate, chosen in found.ladder]
    record["sets"] = {name: _set_confidence(of_set) for name, of_set in found.by_set.items()}
    record["reliability"] = [_bin(b) for b in found.bins]
    record["reliability_scaled"] = [_bin(b) for b in found.bins_scaled]
    curve = found.curve
    step = max(1, len(curve.thresholds) // CURVE_POINTS)
    record["risk_coverage"] = {
        "area": round(curve.area(), 5),
        "threshold": [round(float(v), 5) for v in curve.thresholds[::step]],
        "coverage": [round(float(v), 5) for v in curve.coverage[::step]],
        "risk": [round(float(v), 5) for v in curve.risk[::step]],
    }
    return record


def _set_confidence(found: SetConfidence) -> dict[str, Any]:
    names = ("calibration_error", "calibration_error_by_chance")
    record: dict[str, Any] = {"faces": found.faces} | {name: round(getattr(found, name), 5) for name in names}
    return record | _estimate("coverage", found.coverage) | _estimate("error", found.error)


def _threshold(found: Threshold | None) -> dict[str, float] | None:
    return None if found is None else {name: round(value, 5) for name, value in asdict(found).items()}


def _bin(found: Bin) -> dict[str, Any]:
    return {"confidence": round(found.confidence, 5), "faces": found.right.n} | _estimate("right", found.right)

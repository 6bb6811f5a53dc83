"""A comparison as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.checks import sha256_of
from maskinfer.training.evaluation.compare.run import AtPlace, Candidate, Group, Versus
from maskinfer.training.evaluation.compare.verdict import judge
from maskinfer.training.evaluation.intervals import Estimate


def write_comparison(found: Sequence[Versus], file: Path, max_loss: float) -> None:
    """Write a comparison as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_write(file) as partial:
        partial.write_text(json.dumps(comparison_dict(found, max_loss), indent=1) + "\n", encoding="utf-8")


def comparison_dict(found: Sequence[Versus], max_loss: float) -> dict[str, Any]:
    """Return a comparison, JSON-ready: the old model, and each new one with its verdict and every figure."""
    return {"old": _model(found[0].old), "new": [_versus(versus, max_loss) for versus in found]}


def _model(candidate: Candidate) -> dict[str, Any]:
    return {
        "name": candidate.name,
        "sha256": sha256_of(candidate.file),
        "bytes": candidate.file.stat().st_size,
    }


def _versus(versus: Versus, max_loss: float) -> dict[str, Any]:
    verdict = judge(versus, max_loss)
    return _model(versus.new) | {
        "sentence": verdict.sentence,
        "passes": verdict.passes,
        "worse": list(verdict.worse),
        "max_loss": max_loss,
        "relative_time": None if versus.speed is None else round(versus.speed, 3),
        "places": [_place(place) for place in versus.places],
    }


def _place(place: AtPlace) -> dict[str, Any]:
    more = place.false_positives
    return {
        "data": place.place.name,
        "groups": [_group(group) for group in place.groups],
        "false_positives_per_image": None if more is None else _estimate("change", more),
        "calibration": {
            side: None if one.confidence is None else round(one.confidence.calibration_error, 5)
            for side, one in (("old", place.old), ("new", place.new))
        },
    }


def _group(group: Group) -> dict[str, Any]:
    found = group.found
    figures = {"faces": found.faces, "old": round(found.old, 4), "new": round(found.new, 4)}
    counts = {"won": found.won, "lost": found.lost, "p": round(found.p, 5)}
    return {"kind": group.kind, "name": group.name} | figures | _estimate("change", found.change) | counts


def _estimate(name: str, estimate: Estimate) -> dict[str, Any]:
    return {name: round(estimate.value, 4), f"{name}_95": [round(estimate.low, 4), round(estimate.high, 4)]}

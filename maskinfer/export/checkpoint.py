"""From a checkpoint of either kind to an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from maskinfer.engine.errors import RequestError
from maskinfer.export.classifier import ExportSummary, export_classifier
from maskinfer.export.detector import DetectorExport, export_detector
from maskinfer.training.detector.checkpoint import CHECKPOINT_FORMAT as DETECTOR_FORMAT


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    *,
    name: str | None = None,
    version: str = "1",
    temperature: float = 1.0,
    priors: Mapping[str, float] | None = None,
    half_weights: bool = False,
) -> ExportSummary | DetectorExport:
    """Write a classifier's or a detector's checkpoint as an ONNX file; see the functions for each.

    Raises:
        RequestError: a temperature, priors or halved weights were asked for of a detector.
    """
    if _format(checkpoint) != DETECTOR_FORMAT:
        return export_classifier(
            checkpoint,
            out,
            name=name,
            version=version,
            temperature=temperature,
            priors=priors,
            half_weights=half_weights,
        )
    if temperature != 1 or priors or half_weights:
        raise RequestError(
            "a temperature, priors and halved weights are for classifiers; this is a detector's checkpoint"
        )
    return export_detector(checkpoint, out, name=name, version=version)


def _format(checkpoint: Path) -> object:
    """Return what the file says it is; what cannot be read is left to say so to the exporter."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception:  # torch raises whatever the broken file leads it to
        return None
    return content.get("format") if isinstance(content, dict) else None

"""Whether a detection is a face, decided by the detector's score and the classifier's view of the crop."""

from __future__ import annotations

import math

import numpy as np

from maskinfer.engine.contract import FaceCheck
from maskinfer.engine.results import FloatArray

# Probabilities nearer to 0 or 1 say no more: they are roundings.
_EDGE = 1e-4
# The exponential of much more overflows.
_STEEPEST = 80.0


def logits(probabilities: FloatArray) -> FloatArray:
    """Return the logits of probabilities, those at 0 and 1 as of the nearest that says something."""
    clipped = np.clip(np.asarray(probabilities, np.float32), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)


def face_scores(check: FaceCheck, face_logits: FloatArray, detector_scores: FloatArray) -> FloatArray:
    """Return the scores of faces, float32 (N,), 0 to 1.

    Args:
        check: from the classifier's contract.
        face_logits: float32 (N,), of the classifier's second output.
        detector_scores: float32 (N,), 0 to 1.
    """
    total = check.weight * face_logits + check.detector_weight * logits(detector_scores) + check.bias
    return np.asarray(1 / (1 + np.exp(-total)), np.float32)


def face_score(check: FaceCheck, face_logit: float, detector_score: float) -> float:
    """Return the score of one face, as ``face_scores`` of many: of one number, NumPy takes fifteen times as long."""
    clipped = min(max(detector_score, _EDGE), 1 - _EDGE)
    total = check.weight * face_logit + check.detector_weight * math.log(clipped / (1 - clipped)) + check.bias
    return 1 / (1 + math.exp(min(-total, _STEEPEST)))

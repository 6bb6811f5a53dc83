"""A close look at two pictures: one is laid onto the other, and where they differ decides what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import FloatArray
from maskinfer.training.data.audit.candidates import Candidate
from maskinfer.training.data.audit.fingerprints import SIDE_PX, Print, mirrored_features
from maskinfer.training.data.audit.overlay import Overlay, lay_over

Kind = Literal["identical", "near", "augmented", "twin"]
KINDS: tuple[Kind, ...] = ("identical", "near", "augmented", "twin")
# Features match when each is the other's nearest and their cosine is over this; of unrelated faces few do.
_MIN_FEATURE_COSINE = 0.87
_MIN_MATCHES = 7
_REPROJECTION_PX = 3.0
_MIN_SCALE, _MAX_SCALE = 0.25, 4.0
_MIN_COVERAGE = 0.5
# The more features agree to one placement, the less has to look alike: noise and blur take their share, a large mask
# takes more. Without features, in smooth or stretched pictures, hardly anything may differ.
_FEATURES = (10, 20)
_COPY_ALIKE, _TWIN_ALIKE = (0.8, 0.65), (0.6, 0.4)
_COPY_ALIKE_ALONE, _TWIN_ALIKE_ALONE = 0.93, 0.8
# A mask takes at least 1 % of a picture that can be judged and at most half of a tightly cut one; beside it a twin
# differs hardly anywhere.
_MIN_PATCH, _MAX_PATCH, _MAX_STRAY = 0.008, 0.45, 0.2
# What compression and resizing to another format do to the place of things.
_STILL_SCALE, _STILL_SHIFT_PX, _STILL_TURN = 0.05, 0.04 * SIDE_PX, 0.04


@dataclass(frozen=True, slots=True)
class _Placed:
    matrix: FloatArray
    features: int
    moved: bool


@dataclass(frozen=True, slots=True)
class Match:
    """What two pictures are to each other.

    Attributes:
        kind: ``near``: the same picture, saved, scaled, blurred or mirrored; ``augmented``: turned, shifted, zoomed
            or cut as well; ``twin``: the same photo under different labels but for one patch. (``identical`` is told
            from the files' bytes.)
        alike: share of the structure that is in both alike, 0 to 1.
    """

    kind: Kind
    alike: float


def compare(a: Print, b: Print, candidate: Candidate, *, labels_differ: bool) -> Match | None:
    """Tell what two pictures are to each other; None when they do not show the same photo.

    Args:
        a: the one.
        b: the other.
        candidate: says whether the other is to be mirrored first, and whether one may be the other stretched to
            another format.
        labels_differ: twins are such only then.
    """
    placements = [_place(a, b, candidate.mirrored), _stretch(a, b) if candidate.same_layout else None]
    grey_b = np.ascontiguousarray(b.grey[:, ::-1]) if candidate.mirrored else b.grey
    found: list[Match] = []
    for placed in placements:
        if placed is None:
            continue
        overlay = lay_over(a.grey, grey_b, placed.matrix)
        if (kind := _judge(overlay, placed, labels_differ)) is not None:
            found.append(Match(kind, overlay.alike))
    return max(found, key=lambda match: match.alike, default=None)


def _place(a: Print, b: Print, mirrored: bool) -> _Placed | None:
    """Turn, scale and shift b so that its features lie on those of a."""
    features = mirrored_features(b.features) if mirrored else b.features
    if min(len(a.features), len(features)) < _MIN_MATCHES:
        return None
    # OpenCV's product: for matrices this small a BLAS spends its time on waking threads.
    unit_a, unit_b = a.features.astype(np.float32) / 255, features.astype(np.float32) / 255
    cosines = np.asarray(cv2.gemm(unit_a, unit_b, 1, None, 0, flags=cv2.GEMM_2_T))  # type: ignore[call-overload]
    nearest = cosines.argmax(1)
    own = np.arange(len(nearest))
    matched = (cosines.argmax(0)[nearest] == own) & (cosines[own, nearest] > _MIN_FEATURE_COSINE)
    if matched.sum() < _MIN_MATCHES:
        return None
    points = b.points[nearest[matched]]
    if mirrored:
        points = points * np.array([-1, 1], np.float32) + np.array([b.grey.shape[1] - 1, 0], np.float32)
    placement, inliers = cv2.estimateAffinePartial2D(
        points, a.points[matched], method=cv2.RANSAC, ransacReprojThreshold=_REPROJECTION_PX, maxIters=500
    )
    if placement is None or inliers.sum() < _MIN_MATCHES or not _MIN_SCALE < _scale(placement) < _MAX_SCALE:
        return None
    matrix = np.asarray(placement, np.float32)
    return _Placed(matrix, int(inliers.sum()), _moves(matrix, b))


def _stretch(a: Print, b: Print) -> _Placed:
    x, y = np.array(a.grey.shape[::-1]) / np.array(b.grey.shape[::-1])
    return _Placed(np.array([[x, 0, 0], [0, y, 0]], np.float32), 0, False)


def _scale(placement: NDArray[np.floating]) -> float:
    return float(np.hypot(placement[0, 0], placement[1, 0]))


def _moves(placement: FloatArray, b: Print) -> bool:
    centre = np.array([b.grey.shape[1] / 2, b.grey.shape[0] / 2, 1])
    shift = np.abs(placement @ centre - centre[:2]).max()
    turn = abs(float(np.arctan2(placement[1, 0], placement[0, 0])))
    return bool(abs(_scale(placement) - 1) > _STILL_SCALE or shift > _STILL_SHIFT_PX or turn > _STILL_TURN)


def _judge(overlay: Overlay, placed: _Placed, labels_differ: bool) -> Kind | None:
    if overlay.coverage < _MIN_COVERAGE:
        return None
    patched = _MIN_PATCH <= overlay.patch <= _MAX_PATCH and overlay.stray <= _MAX_STRAY
    if labels_differ and patched:
        return "twin" if overlay.alike >= _needed(placed, _TWIN_ALIKE, _TWIN_ALIKE_ALONE) else None
    if overlay.alike < _needed(placed, _COPY_ALIKE, _COPY_ALIKE_ALONE):
        return None
    return "augmented" if placed.moved else "near"


def _needed(placed: _Placed, by_features: tuple[float, float], alone: float) -> float:
    if not placed.features:
        return alone
    return float(np.interp(placed.features, _FEATURES, by_features, left=1.0))

"""How a head is turned, from five landmarks and an average head; rough, but enough to sort faces by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Degrees = NDArray[np.float64]
# Of the distance from the eyes to the mouth, on an average head seen from the front: where the nose's tip is between
# them, and how far it stands out.
_NOSE_DOWN, _NOSE_OUT = 0.62, 0.42
# From here on a head counts as turned to the side, as looking up or down, and as tilted.
ASIDE_DEG, NODDING_DEG, TILTED_DEG = 35.0, 22.0, 25.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Angles of N heads, float64 (N,), in degrees; NaN where there are no landmarks or they lie on a point.

    Attributes:
        yaw: to the side; positive when the nose points to the image's right. 90 at most.
        pitch: positive when the face looks down.
        roll: in the image plane, positive clockwise; -180 to 180.
    """

    yaw: Degrees
    pitch: Degrees
    roll: Degrees

    @property
    def turned(self) -> NDArray[np.bool_]:
        """Whether each is turned aside, up or down, or tilted by more than the constants of this module."""
        aside, nodding = np.abs(self.yaw) > ASIDE_DEG, np.abs(self.pitch) > NODDING_DEG
        return np.asarray(aside | nodding | (np.abs(self.roll) > TILTED_DEG), np.bool_)


def head_pose(landmarks: ArrayLike) -> Pose:
    """Estimate how heads are turned.

    The nose stands out of the plane of the eyes and the mouth: seen from the side its tip moves aside of the line
    down the face, seen from above it moves down along that line.

    Args:
        landmarks: (N, 5, 2) in pixels, as ``Detections`` has them; NaN where unknown.
    """
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    eyes, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
    down, nose = mouth - eyes, points[:, 2] - eyes
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = (down**2).sum(1)
        along = (nose * down).sum(1) / squared
        aside = (nose[:, 0] * down[:, 1] - nose[:, 1] * down[:, 0]) / squared
        yaw = np.degrees(np.arcsin(np.clip(aside / _NOSE_OUT, -1, 1)))
        pitch = np.degrees(np.arctan((along - _NOSE_DOWN) / _NOSE_OUT))
        roll = np.where(squared > 0, np.degrees(np.arctan2(-down[:, 0], down[:, 1])), np.nan)
    return Pose(yaw, pitch, roll)

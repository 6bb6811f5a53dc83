"""How heads are turned: the average head's landmarks, turned by known angles."""

from __future__ import annotations

import numpy as np
import pytest

from maskinfer.training.data.head_pose import head_pose
from maskinfer.training.data.masks.demo_clip import PORTRAIT_LANDMARKS

HEAD = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.62, 0.42], [-0.4, 1, 0], [0.4, 1, 0]])


def seen(yaw: float = 0, pitch: float = 0, roll: float = 0) -> np.ndarray:
    """Return the head's landmarks in pixels, turned to the image's right, down, and clockwise, by degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    aside = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    nod = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    tilt = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (HEAD @ (tilt @ nod @ aside).T)[:, :2] * 40 + 100


@pytest.mark.parametrize("degrees", [-40, -15, 0, 15, 40])
@pytest.mark.parametrize("name", ["yaw", "pitch", "roll"])
def test_each_turn_is_told(name: str, degrees: float) -> None:
    pose = head_pose([seen(**{name: degrees})])
    for other in ("yaw", "pitch", "roll"):
        assert getattr(pose, other)[0] == pytest.approx(degrees if other == name else 0, abs=0.01)


@pytest.mark.parametrize(
    ("turn", "turned"),
    [({}, False), ({"yaw": 30}, False), ({"yaw": -40}, True), ({"pitch": 25}, True), ({"roll": -30}, True)],
)
def test_what_counts_as_turned(turn: dict[str, float], turned: bool) -> None:
    assert head_pose([seen(**turn)]).turned.tolist() == [turned]
    assert not head_pose([PORTRAIT_LANDMARKS]).turned[0]


def test_unknown_landmarks_are_not_turned() -> None:
    pose = head_pose([np.full((5, 2), np.nan), np.ones((5, 2)), seen()])
    assert np.isnan(pose.yaw).tolist() == [True, True, False]
    assert not pose.turned.any()
    assert head_pose(np.zeros((0, 5, 2))).yaw.shape == (0,)

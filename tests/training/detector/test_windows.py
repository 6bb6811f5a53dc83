"""What the detector's training makes of pictures: what the teacher says, where labels go, what anchors learn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from maskinfer.engine.contract import DetectorContract  # noqa: E402
from maskinfer.engine.faces import retinaface  # noqa: E402
from maskinfer.engine.faces.boxes import iou_matrix  # noqa: E402
from maskinfer.engine.results import Detections  # noqa: E402
from maskinfer.training.detector import labels, teacher  # noqa: E402
from maskinfer.training.detector import windows as samples  # noqa: E402
from maskinfer.training.detector.dataset import Picture  # noqa: E402
from maskinfer.training.detector.labels import Labelled  # noqa: E402
from maskinfer.training.detector.loss import measure_losses  # noqa: E402
from maskinfer.training.detector.model import ANCHORS  # noqa: E402
from maskinfer.training.detector.targets import FACE, IGNORED, make_targets  # noqa: E402
from maskinfer.training.detector.windows import TrainingWindow  # noqa: E402

pytestmark = pytest.mark.train


def _found(score: float, left: float) -> Detections:
    box = np.array([[left, 10, left + 40, 60]], np.float32)
    return Detections(box, np.array([score], np.float32), np.full((1, 5, 2), left, np.float32))


def test_views_that_miss_a_face_make_it_less_sure() -> None:
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
    agreed = teacher.agree([_found(0.9, 10), _found(0.7, 12), nothing], [1, 1, 1])
    assert agreed.scores == pytest.approx([1.6 / 3])
    assert agreed.xyxy[0].tolist() == pytest.approx([10.875, 10, 50.875, 60])
    # In the last view the face would have 8 pixels: it need not be seen there.
    assert teacher.agree([_found(0.9, 10), _found(0.7, 12), nothing], [1, 1, 0.2]).scores == pytest.approx([0.8])
    apart = teacher.agree([_found(0.7, 100), _found(0.9, 10)], [1, 1])
    assert apart.scores == pytest.approx([0.45, 0.35])
    assert len(teacher.agree([nothing], [1]).xyxy) == 0


def test_what_the_teacher_sees_beside_the_annotated_faces_is_ignored() -> None:
    agreed = teacher.agree([_found(0.9, 10), _found(0.9, 100), _found(0.3, 200)], [0.1, 0.1, 0.1])
    annotated = np.array([[11, 10, 51, 60], [300, 10, 340, 60]], np.float32)
    scene = labels.Scene(Path("x"), "set", annotated, ("with_mask", "without_mask"))
    known = labels.label_scenes([scene], [agreed])[0]
    assert known.xyxy.tolist() == annotated.tolist()
    assert known.masked == (True, False)
    assert known.landmarks[0].tolist() == np.full((5, 2), 10).tolist()
    assert np.isnan(known.landmarks[1]).all()
    assert known.ignored[:, 0].tolist() == [100]
    nobody = labels.Scene(Path("x"), "set", np.zeros((0, 4), np.float32), ())
    assert len(labels.label_scenes([nobody], [agreed])[0].ignored) == 2


def test_boxes_of_a_set_are_brought_to_the_teachers_habit() -> None:
    agreed = teacher.agree([_found(0.9, 10)], [1])
    # From the brows down, and a tenth wider on the right.
    box = np.array([[10, 20, 54, 60]], np.float32)
    scenes = [labels.Scene(Path("x"), name, box, ("with_mask",)) for name in ["many"] * labels.LEAST_PAIRS + ["few"]]
    *many, few = labels.label_scenes(scenes, [agreed] * len(scenes))
    assert few.xyxy.tolist() == box.tolist()
    for known in many:
        assert np.abs(known.xyxy - agreed.xyxy).max() < 1e-3


@pytest.mark.parametrize("kind", ["scenes", "crops"])
def test_labels_move_with_the_pixels(kind: str) -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    cv2.ellipse(image, (180, 90), (24, 32), 0, 0, 360, (255, 255, 255), -1)
    box = np.array([[156, 58, 204, 122]], np.float32)
    points = np.array([[[170, 80], [190, 80], [180, 90], [172, 104], [188, 104]]], np.float32)
    picture = Picture(image, Labelled(Path("x"), "set", kind, box, (True,), points))
    seen = 0
    for n in range(40):
        rng = np.random.default_rng(n)
        sample = samples.window(picture, (128, 96), (20, 40), rng)
        assert sample.image.shape == (96, 128, 3)
        if not len(sample.xyxy):
            continue
        white = sample.image.min(2) > 150
        if white[[0, -1]].any() or white[:, [0, -1]].any():  # an outside as bright as the disc
            continue
        ys, xs = np.nonzero(white)
        left, top, right, bottom = sample.xyxy[0]
        assert np.abs([left - xs.min(), top - ys.min(), right - 1 - xs.max(), bottom - 1 - ys.max()]).max() < 3
        left_eye, right_eye, _, left_mouth, right_mouth = sample.landmarks[0]
        down = (left_mouth + right_mouth - left_eye - right_eye) / 2
        across = right_eye - left_eye
        assert across[0] * down[1] - across[1] * down[0] > 0
        seen += 1
    assert seen > 15


def _sample(faces: list[list[float]], ignored: list[list[float]]) -> TrainingWindow:
    xyxy = np.array(faces, np.float32).reshape(-1, 4)
    points = np.repeat((xyxy[:, None, :2] + xyxy[:, None, 2:]) / 2, 5, axis=1)
    image = np.zeros((128, 128, 3), np.uint8)
    return TrainingWindow(image, xyxy, points, np.array(ignored, np.float32).reshape(-1, 4))


def test_targets_decode_to_the_faces() -> None:
    sample = _sample([[10, 12, 40, 50], [70, 60, 78, 69]], [[90, 90, 120, 120]])
    targets = make_targets([sample, _sample([], [])], 0.35)
    assert targets.kinds.shape == (2, 2 * (16**2 + 8**2 + 4**2))
    assert (targets.kinds[0] == IGNORED).any()
    assert (targets.kinds[1] == 0).all()
    faces = np.flatnonzero(targets.kinds[0] == FACE)
    boxes, points = (np.zeros((1, targets.kinds.shape[1], n), np.float32) for n in (4, 10))
    boxes[0, faces], points[0, faces] = targets.boxes, targets.landmarks
    probabilities = np.stack([targets.kinds[:1] != FACE, targets.kinds[:1] == FACE], 2).astype(np.float32)
    contract = DetectorContract("x", "1", "MIT", "retinaface", anchors=ANCHORS)
    xyxy, _, landmarks = retinaface.decode([boxes, probabilities, points], (128, 128), contract)[0]
    overlaps = iou_matrix(xyxy, sample.xyxy)
    assert overlaps.max(1).min() > 0.99
    assert (overlaps.argmax(1) == 1).any(), "the small face has an anchor too"
    assert landmarks is not None
    assert np.abs(landmarks[:, 0] - (xyxy[:, :2] + xyxy[:, 2:]) / 2).max() < 1e-3


def test_ignored_anchors_and_unknown_landmarks_cost_nothing() -> None:
    targets = make_targets([_sample([[10, 12, 40, 50]], [[90, 90, 120, 120]])], 0.35)
    targets.landmarks[:] = np.nan
    torch.manual_seed(0)
    predicted = [torch.randn(1, targets.kinds.shape[1], n) for n in (4, 2, 10)]
    before = measure_losses(tuple(predicted), targets)
    predicted[1][torch.from_numpy(targets.kinds == IGNORED)] += torch.tensor([-9.0, 9.0])
    predicted[2] += 5
    after = measure_losses(tuple(predicted), targets)
    assert float(after.faces) == pytest.approx(float(before.faces))
    assert float(after.landmarks) == float(before.landmarks) == 0
    predicted[1][torch.from_numpy(targets.kinds == FACE)] += torch.tensor([9.0, -9.0])
    assert float(measure_losses(tuple(predicted), targets).faces) > float(before.faces)

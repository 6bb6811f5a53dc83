"""The engine as a program uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError, SourceNotFoundError
from maskinfer.engine.faces.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.frames.annotate import annotate
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import AnyPicture, Picture
from maskinfer.engine.presets import PRESETS
from maskinfer.engine.results import BGRFrame, Detections, FrameResult
from maskinfer.engine.tuned.way import most_lanes
from tests.helpers.clips import write_clip


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> maskinfer.Engine:
    return maskinfer.load(classifier=str(colour_classifier))


def test_a_frame_gives_a_result(engine: maskinfer.Engine, portrait: BGRFrame) -> None:
    result = engine(portrait)
    assert result.size_wh == (512, 512)
    assert len(result.faces) == 1
    face = result.faces[0]
    assert sum(face.scores.values()) == pytest.approx(1, abs=1e-4)
    assert face.score == face.scores[face.label] == max(face.scores.values())
    assert face.landmarks is not None
    assert len(face.landmarks) == 5
    with pytest.raises(FrozenInstanceError):
        face.label = "other"  # type: ignore[misc]


def test_frames_of_any_sizes_give_what_each_gives_alone(engine: maskinfer.Engine, portrait: BGRFrame) -> None:
    frames = [portrait, np.zeros((90, 200, 3), np.uint8), np.ascontiguousarray(portrait[:300, 100:420])]
    together = engine(frames)
    assert [len(result.faces) for result in together] == [1, 0, 1]
    for frame, result in zip(frames, together, strict=True):
        for ours, alone in zip(result.faces, engine(frame).faces, strict=True):
            assert ours.label == alone.label
            assert ours.xyxy == pytest.approx(alone.xyxy, abs=0.1)
            assert ours.score == pytest.approx(alone.score, abs=1e-3)


def test_the_accurate_preset_looks_several_times(portrait: BGRFrame) -> None:
    once, accurate = maskinfer.load(), maskinfer.load(preset="accurate")
    for engine in (accurate, accurate._in_lanes()):
        assert isinstance(engine.detector, OnnxDetector)
        assert engine.detector.views == PRESETS["accurate"].views != ()
        assert isinstance(engine.classifier, OnnxClassifier)
        assert engine.classifier.mirrored
    (face,), (other,) = once(portrait).faces, accurate(portrait).faces
    assert (face.label, other.label) == ("without_mask", "without_mask")
    assert face.score != other.score
    assert other.xyxy == pytest.approx(face.xyxy, abs=6)


def test_models_that_are_named_look_once(colour_classifier: Path) -> None:
    detector = maskinfer.load("retinaface-mask", preset="accurate").detector
    assert isinstance(detector, OnnxDetector)
    assert detector.views == ()
    classifier = maskinfer.load(classifier=str(colour_classifier), preset="accurate").classifier
    assert isinstance(classifier, OnnxClassifier)
    assert not classifier.mirrored


def test_faces_below_the_asked_score_are_uncertain(colour_classifier: Path, portrait: BGRFrame) -> None:
    sure = maskinfer.load(classifier=str(colour_classifier))(portrait).faces[0]
    strict = maskinfer.load(classifier=str(colour_classifier), uncertain_below=sure.score + 1e-3)(portrait).faces[0]
    lax = maskinfer.load(classifier=str(colour_classifier), uncertain_below=sure.score - 1e-3)(portrait).faces[0]
    assert (strict.label, strict.score, strict.scores) == ("uncertain", sure.score, sure.scores)
    assert lax == sure


def test_no_frames_give_no_results(engine: maskinfer.Engine) -> None:
    assert engine([]) == []


def boxes_of(result: FrameResult) -> list[list[float]]:
    return [[round(float(v)) for v in row] for row in result.xyxy]


def test_a_path_is_read(engine: maskinfer.Engine, portrait_jpg: Path) -> None:
    expected = boxes_of(engine(cv2.imread(str(portrait_jpg))))
    assert len(expected) == 1
    for given in (portrait_jpg, str(portrait_jpg)):
        result = engine(given)
        assert (result.source, boxes_of(result)) == (str(portrait_jpg), expected)


def test_grey_arrays_and_pil_images_are_taken(engine: maskinfer.Engine, portrait: BGRFrame, portrait_jpg: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    expected = boxes_of(engine(portrait))
    pil = image.fromarray(np.ascontiguousarray(portrait[..., ::-1]))
    assert boxes_of(engine(pil)) == expected
    assert boxes_of(engine(pil.convert("RGBA"))) == expected
    grey = np.asarray(pil.convert("L"))
    assert boxes_of(engine(grey)) == boxes_of(engine(grey[..., None])) == boxes_of(engine(pil.convert("L"))) != []
    with image.open(portrait_jpg) as opened:
        assert engine(opened).source == str(portrait_jpg)


def test_a_list_may_mix_all_kinds(engine: maskinfer.Engine, portrait: BGRFrame, portrait_jpg: Path) -> None:
    results = engine([portrait, portrait_jpg, str(portrait_jpg), portrait[..., 1]])
    assert [len(result.faces) for result in results] == [1] * 4
    assert [result.frame for result in results] == [0, 1, 2, 3]
    assert [result.source for result in results] == ["", str(portrait_jpg), str(portrait_jpg), ""]
    assert len(engine((portrait, portrait))) == 2


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.float32),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 3), np.uint8),
        None,
        7,
        b"team.jpg",
        iter([np.zeros((8, 8, 3), np.uint8)]),
        [[np.zeros((8, 8, 3), np.uint8)]],
    ],
)
def test_what_is_no_image_is_refused(engine: maskinfer.Engine, image: Any) -> None:
    with pytest.raises(RequestError, match=r"got an? .*, expected a uint8 array .*BGR.* grey, the path .*PIL.*list"):
        engine(image)


def test_deep_pil_images_are_refused(engine: maskinfer.Engine) -> None:
    image = pytest.importorskip("PIL.Image")
    with pytest.raises(RequestError, match="got a PIL image of mode I;16"):
        engine(image.fromarray(np.zeros((8, 8), np.uint16)))


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("clip.mp4", "a video"),
        ("0", "a camera or a stream"),
        ("rtsp://door/1", "a camera or a stream"),
        (".", "a folder"),
    ],
)
def test_what_has_many_frames_is_for_iterate(engine: maskinfer.Engine, given: str, kind: str) -> None:
    with pytest.raises(RequestError, match=rf"is {kind}, not an image: use engine\.iterate"):
        engine(given)
    with pytest.raises(RequestError, match="iterate"):
        engine([Path(given)] if kind == "a video" else [given])


def test_a_file_that_is_not_there(engine: maskinfer.Engine) -> None:
    with pytest.raises(SourceNotFoundError, match=r"nobody\.jpg does not exist"):
        engine("nobody.jpg")


def test_a_source_yields_a_result_a_frame(engine: maskinfer.Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [portrait] * 7, rate=10)
    results = list(engine.iterate(clip))
    assert [result.frame for result in results] == list(range(7))
    assert [result.time_s for result in results] == pytest.approx([n / 10 for n in range(7)])
    assert all(len(result.faces) == 1 for result in results)


def test_ten_thousand_faces_in_a_frame(colour_classifier: Path) -> None:
    count = 10_000
    corners = np.stack(np.meshgrid(np.arange(100) * 6, np.arange(100) * 6), -1).reshape(-1, 2)
    xyxy = np.concatenate([corners, corners + 6], axis=1).astype(np.float32)

    def crowd(frames: Sequence[AnyPicture]) -> list[Detections]:
        return [Detections(xyxy, np.linspace(1, 0.5, count, dtype=np.float32), None)] * len(frames)

    frame = np.full((600, 600, 3), 80, np.uint8)
    frame[:, 300:, 2] = 250  # the right half is red
    engine = Engine(crowd, load_classifier(str(colour_classifier)))
    tracker = Tracker()
    for i in range(3):
        (result,) = engine.infer([Frame("crowd", i, i / 25, Picture(frame))], [tracker])
        assert len(result.faces) == count
        annotate(frame.copy(), result)
    red = {face.label for face in result.faces if face.xyxy[0] > 320}
    other = {face.label for face in result.faces if face.xyxy[2] < 280}
    assert len(red) == len(other) == 1
    assert red != other


def test_lanes_change_nothing_but_the_speed(colour_classifier: Path, portrait: BGRFrame, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [np.roll(portrait, 4 * i, 1) for i in range(11)], rate=10)
    one, two = (maskinfer.load(classifier=str(colour_classifier), threads=2, lanes=lanes) for lanes in (1, 2))
    for track in (None, TrackOptions(), TrackOptions(detect_every=3)):
        expected, results = (list(engine.iterate(clip, track=track)) for engine in (one, two))
        assert [result.frame for result in results] == list(range(11))
        for ours, theirs in zip(results, expected, strict=True):
            assert len(ours.faces) == len(theirs.faces)
            for a, b in zip(ours.faces, theirs.faces, strict=True):
                assert (a.label, a.track_id) == (b.label, b.track_id)
                assert a.xyxy == pytest.approx(b.xyxy, abs=0.1)


def test_threads_are_shared_among_lanes(colour_classifier: Path) -> None:
    def threads_of(**options: Any) -> tuple[int, int, int]:
        engine = maskinfer.load(classifier=str(colour_classifier), provider="cpu", **options)
        each = engine.classifier.session.get_session_options().intra_op_num_threads
        return engine.threads, engine.lanes, each

    assert threads_of(threads=4) == (4, 1, 4)
    assert threads_of(threads=4, lanes=2) == (4, 2, 2)
    assert threads_of(threads=3, lanes=most_lanes("cpu", 3)) == (3, 3, 1)
    for wrong in ({"threads": 0}, {"threads": 2, "lanes": 3}, {"threads": 2, "lanes": 0}):
        with pytest.raises(RequestError, match=r"threads is .* lanes is"):
            threads_of(**wrong)


def test_a_recording_is_looked_at_in_lanes_with_the_same_results(portrait: BGRFrame, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", [portrait] * 9)
    by_itself, in_one = maskinfer.load(threads=2), maskinfer.load(threads=2, lanes=1)
    assert by_itself.for_recordings is not None
    assert in_one.for_recordings is None
    results = list(by_itself.iterate(clip, track=TrackOptions()))
    assert [result.frame for result in results] == list(range(9))
    expected = list(in_one.iterate(clip, track=TrackOptions()))
    for ours, theirs in zip(results, expected, strict=True):
        assert ours.xyxy == pytest.approx(theirs.xyxy, abs=0.1)
        assert list(ours.labels) == list(theirs.labels)

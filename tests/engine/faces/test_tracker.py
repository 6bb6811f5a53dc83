"""Faces followed from frame to frame, and the labels of what is followed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.faces.track import Track, TrackOptions, frames_a_look
from maskinfer.engine.faces.tracker import MAX_FACES, Look, Tracker
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame, Detections
from tests.helpers.clips import write_clip

RATE = 25.0


def boxes(*corners: tuple[float, float], side: float = 40.0) -> Detections:
    xyxy = np.array([(x, y, x + side, y + side) for x, y in corners], np.float32).reshape(-1, 4)
    return Detections(xyxy, np.linspace(1, 0.6, len(xyxy), dtype=np.float32), None)


def ids(tracks: list[Track | None]) -> list[int | None]:
    return [None if track is None else track.id for track in tracks]


def test_two_faces_that_cross_keep_their_ids() -> None:
    tracker = Tracker()
    for frame in range(40):
        # 12 px a frame towards each other, in lanes that overlap by half.
        found = boxes((12 * frame, 100), (480 - 12 * frame, 120))
        swapped = Detections(found.xyxy[::-1], found.scores, None)
        assert ids(
            tracker.follow(found, frame / RATE) if frame % 2 else tracker.follow(swapped, frame / RATE)[::-1]
        ) == ([2, 1])


def test_the_order_of_the_boxes_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    corners = [(float(x), float(y)) for x in range(0, 600, 60) for y in range(0, 300, 60)]
    straight, shuffled = Tracker(), Tracker()
    first = ids(straight.follow(boxes(*corners), 0.0))
    assert ids(shuffled.follow(boxes(*corners), 0.0)) == first
    for frame in range(1, 10):
        moved = [(x + 5 * frame, y - 3 * frame) for x, y in corners]
        order = rng.permutation(len(moved))
        assert ids(straight.follow(boxes(*moved), frame / RATE)) == first
        given = ids(shuffled.follow(boxes(*(moved[i] for i in order)), frame / RATE))
        assert given == [first[i] for i in order]


def test_who_passes_a_slow_camera_quickly_keeps_an_id() -> None:
    tracker = Tracker()
    # Each step is longer than the face is wide; another face stands still.
    seen = [ids(tracker.follow(boxes((50 * frame, 100), (300, 300)), frame / 8)) for frame in range(8)]
    assert seen == [[1, 2]] * 8


@pytest.mark.parametrize(("x", "side"), [(110, 40), (45, 80)])
def test_what_is_too_far_or_of_another_size_is_another_face(x: float, side: float) -> None:
    tracker = Tracker()
    tracker.follow(boxes((0, 100)), 0.0)
    assert ids(tracker.follow(boxes((x, 100), side=side), 0.1)) == [2]


def test_a_face_that_hides_for_a_moment_comes_back_where_it_would_be() -> None:
    tracker = Tracker(TrackOptions(max_gap_s=0.5))
    for frame in range(10):
        tracker.follow(boxes((10 * frame, 50)), frame / RATE)
    for frame in range(10, 18):
        assert tracker.follow(boxes(), frame / RATE) == []
    assert ids(tracker.follow(boxes((180, 50)), 18 / RATE)) == [1]
    assert ids(tracker.follow(boxes((180, 50)), 18 / RATE + 0.6)) == [2]


def test_a_time_that_goes_back_is_no_harm() -> None:
    tracker = Tracker()
    assert ids(tracker.follow(boxes((0, 0)), 5.0)) == [1]
    assert ids(tracker.follow(boxes((1, 0)), 1.0)) == [1]
    assert ids(tracker.follow(boxes((2, 0)), 5.1)) == [1]


def test_ten_thousand_faces_are_no_harm() -> None:
    side = 100
    corners = [(float(i % side * 10), float(i // side * 10)) for i in range(side * side)]
    tracker = Tracker()
    for frame in range(2):
        given = ids(tracker.follow(boxes(*corners, side=8), frame / RATE))
        assert given[:MAX_FACES] == list(range(1, MAX_FACES + 1))
        assert set(given[MAX_FACES:]) == {None}


def new_track() -> Track:
    return Track(1, np.zeros(4, np.float32), np.zeros(4, np.float32), 0.0, 0.0)


def row(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_label_changes_once_when_the_evidence_does() -> None:
    track, options, labels = new_track(), TrackOptions(), []
    for frame in range(100):
        flicker = frame % 4 == 0
        masked = (frame < 50) != flicker
        track.classify(row(0.95, 0.05) if masked else row(0.05, 0.95), frame / RATE, options)
        labels.append(track.label)
    changes = np.flatnonzero(np.diff(labels))
    assert labels[0] == 1  # of one frame alone
    assert len(changes) == 2
    assert 50 < changes[1] < 65


def test_the_mean_of_like_frames_is_what_each_says() -> None:
    track = new_track()
    for frame in range(30):
        track.classify(row(0.7, 0.2, 0.1), frame / RATE, TrackOptions())
        assert track.scores == pytest.approx([0.7, 0.2, 0.1])


def test_what_is_certain_is_classified_now_and_then() -> None:
    tracker = Tracker(TrackOptions(classify_every=4, certain_after=2))
    asked = []
    for frame in range(12):
        (track,) = tracker.follow(boxes((0, 0)), frame / RATE)
        assert track is not None
        asked.append(tracker.wants(track))
        assert tracker.wants(track) == asked[-1]  # asking changes nothing
        track.note(will_classify=asked[-1])
        if asked[-1]:
            track.classify(row(0.99, 0.01), frame / RATE, tracker.options)
    assert asked == [True, True, False, False, False, True, False, False, False, True, False, False]


@pytest.mark.parametrize(("rate", "every"), [(25.0, 4), (8.0, 2), (3.0, 1)])
def test_a_slow_source_is_not_classified_too_seldom(rate: float, every: int) -> None:
    tracker = Tracker(TrackOptions(classify_every=4, certain_after=2))
    asked = []
    for frame in range(40):
        (track,) = tracker.follow(boxes((0, 0)), frame / rate)
        assert track is not None
        asked.append(tracker.wants(track))
        track.note(will_classify=asked[-1])
        if asked[-1]:
            track.classify(row(0.99, 0.01), frame / rate, tracker.options)
    assert set(np.diff(np.flatnonzero(asked[2:]))) == {every}


@pytest.mark.parametrize(("rate", "every"), [(25.0, 4), (8.0, 2), (3.0, 1)])
def test_what_is_no_face_is_asked_about_as_seldom(rate: float, every: int) -> None:
    tracker = Tracker(TrackOptions(classify_every=4, certain_after=2), proposals=True)
    asked = []
    for frame in range(40):
        (track,) = tracker.follow(boxes((0, 0)), frame / rate)
        assert track is not None
        asked.append(tracker.wants(track))
        track.note(will_classify=asked[-1])
        if asked[-1]:
            track.ask(-5.0)
        tracker.decide(track, 0.01, is_face=False)
    assert set(np.diff(np.flatnonzero(asked[2:]))) == {every}


@pytest.mark.parametrize(
    ("classify_every", "asked"), [(4, [0, 1, 2, 3, 4, 5, 7, 9, 11]), (2, [0, 1, 2, 3, 4, 5, 7, 9, 11]), (1, range(12))]
)
def test_what_is_not_certain_is_classified_always_and_then_in_turns(classify_every: int, asked: Sequence[int]) -> None:
    tracker = Tracker(TrackOptions(classify_every=classify_every))
    found = []
    for frame in range(12):
        (track,) = tracker.follow(boxes((0, 0)), frame / RATE)
        assert track is not None
        wants = tracker.wants(track)
        track.note(will_classify=wants)
        if wants:
            found.append(frame)
            track.classify(row(0.6, 0.4), frame / RATE, tracker.options)
    assert found == list(asked)


def test_what_has_no_label_yet_is_classified_always() -> None:
    tracker = Tracker(TrackOptions(classify_every=4))
    for frame in range(12):
        (track,) = tracker.follow(boxes((0, 0)), frame / RATE)
        assert track is not None
        assert tracker.wants(track)
        track.note(will_classify=True)


@pytest.mark.parametrize(
    ("frame_rate", "every"),
    [(60, 3), (50, 3), (30, 2), (30000 / 1001, 2), (25, 2), (24, 2), (20, 1), (15, 1), (5, 1)],
)
def test_how_often_the_detector_looks_does_not_depend_on_the_frame_rate(frame_rate: float, every: int) -> None:
    picture = Picture(np.zeros((8, 8, 3), np.uint8))
    tracker = Tracker(looks_per_s=15)
    looks = [tracker.next_frame(picture, i / frame_rate) for i in range(12)]
    assert looks == [Look.COAST if i % every else Look.DETECT for i in range(12)]
    assert frames_a_look(TrackOptions(), 15, frame_rate) == every
    # What is said of frames counts more.
    named = Tracker(TrackOptions(detect_every=4), looks_per_s=15)
    looks = [named.next_frame(picture, i / frame_rate) for i in range(12)]
    assert looks == [Look.COAST if i % 4 else Look.DETECT for i in range(12)]
    assert frames_a_look(TrackOptions(detect_every=4), 15, frame_rate) == 4


def test_frames_that_come_unsteadily_are_looked_at() -> None:
    picture, rng = Picture(np.zeros((8, 8, 3), np.uint8)), np.random.default_rng(0)
    tracker = Tracker(looks_per_s=15)
    times = np.arange(90) / 15 + rng.uniform(-0.006, 0.006, 90)
    assert {tracker.next_frame(picture, float(t)) for t in times} == {Look.DETECT}
    # A clock that begins anew is looked at, not waited for.
    assert tracker.next_frame(picture, 0.0) is Look.DETECT


@pytest.mark.parametrize("option", ["classify_every", "detect_every", "certain_after"])
def test_numbers_of_frames_are_checked(option: str) -> None:
    with pytest.raises(RequestError, match=f"{option} is 0, expected at least 1"):
        TrackOptions(**{option: 0})


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier))


def sliding(portrait: BGRFrame, count: int) -> list[BGRFrame]:
    """Return frames in which the portrait moves 6 px to the right each."""
    frames = []
    for i in range(count):
        move = np.array([[1, 0, 6 * i], [0, 1, 0]], np.float32)
        frames.append(np.asarray(cv2.warpAffine(portrait, move, (768, 512)), np.uint8))
    return frames


def test_the_engine_gives_ids_and_smooth_scores(engine: Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", sliding(portrait, 12), rate=25)
    plain = list(engine.iterate(clip))
    followed = list(engine.iterate(clip, track=TrackOptions(classify_every=1)))
    assert [[face.track_id for face in result.faces] for result in plain] == [[None]] * 12
    assert [[face.track_id for face in result.faces] for result in followed] == [[1]] * 12
    assert "track_id" not in plain[0].to_dict()["faces"][0]
    assert followed[0].to_dict()["faces"][0]["track_id"] == 1
    assert followed[0].faces[0].scores == pytest.approx(plain[0].faces[0].scores)
    spread = [np.ptp([result.faces[0].score for result in results[2:]]) for results in (plain, followed)]
    assert spread[1] < spread[0]


def test_between_detections_a_face_goes_on_as_it_went(engine: Engine, portrait: BGRFrame) -> None:
    tracker = Tracker(TrackOptions(detect_every=3))
    frames = [Frame("", i, i / RATE, Picture(frame)) for i, frame in enumerate(sliding(portrait, 10))]
    every = [engine.infer([frame])[0].faces[0] for frame in frames]
    bridged = [engine.infer([frame], [tracker])[0].faces[0] for frame in frames]
    assert {face.track_id for face in bridged} == {1}
    for i in (0, 3, 6, 9):
        assert bridged[i].xyxy == pytest.approx(every[i].xyxy)
    for i in (4, 5, 7, 8):
        assert bridged[i].xyxy == pytest.approx(every[i].xyxy, abs=6)
        assert bridged[i].xyxy != pytest.approx(bridged[i - 1].xyxy, abs=2)
        ours, true = bridged[i].landmarks, every[i].landmarks
        assert ours is not None
        assert true is not None
        assert np.array(ours) == pytest.approx(np.array(true), abs=6)


def test_a_face_is_not_classified_where_it_is_only_supposed_to_be(engine: Engine, portrait: BGRFrame) -> None:
    tracker = Tracker(TrackOptions(detect_every=3, classify_every=1))
    classified = []
    for i, picture in enumerate(sliding(portrait, 9)):
        (result,) = engine.infer([Frame("", i, i / RATE, Picture(picture))], [tracker])
        assert [face.track_id for face in result.faces] == [1]
        classified.append(tracker._tracks[0].classified)
    assert classified == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_two_sources_in_one_batch_have_tracks_of_their_own(engine: Engine, portrait: BGRFrame) -> None:
    trackers = [Tracker(), Tracker()]
    frames = sliding(portrait, 6)
    for i, frame in enumerate(frames):
        both = [
            Frame("a", i, i / RATE, Picture(frame)),
            Frame("b", i, i / RATE, Picture(frame[:, ::-1].copy())),
        ]
        results = engine.infer(both, trackers)
        assert [[face.track_id for face in result.faces] for result in results] == [[1], [1]]


def test_what_is_too_blurred_says_nothing_of_its_track(colour_classifier: Path, portrait: BGRFrame) -> None:
    engine = maskinfer.load(classifier=str(colour_classifier), gate=Gate(min_sharpness=19))
    blurred = np.asarray(cv2.GaussianBlur(portrait, (0, 0), 5), np.uint8)
    tracker = Tracker(TrackOptions(classify_every=1))
    labels, scores = [], []
    for i, frame in enumerate([blurred, portrait, blurred]):
        faces = engine.infer([Frame("", i, i / RATE, Picture(frame))], [tracker])[0].faces
        labels.append(faces[0].label)
        scores.append(faces[0].score)
    assert labels[0] == "uncertain"
    assert labels[1] != "uncertain"
    assert (labels[2], scores[2]) == (labels[1], scores[1])

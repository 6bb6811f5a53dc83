"""Videos drawn again from their results, and faces made unknowable."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.files.jsonl import read_results
from maskinfer.engine.frames.annotate import Style, annotate, blur_faces
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from maskinfer.engine.sources.video import open_video
from tests.commands.test_run import check_error, maskinfer
from tests.helpers.clips import facts, write_clip


def result(*boxes: tuple[float, float, float, float], size_wh: tuple[int, int] = (512, 512)) -> FrameResult:
    faces = tuple(Face(box, 0.9, None, "with_mask", 0.9, {"with_mask": 0.9}) for box in boxes)
    return FrameResult("a", 0, 0.0, size_wh, faces)


def test_a_blurred_face_is_found_by_no_detector(portrait: BGRFrame) -> None:
    detector = load_detector(det_threshold=0.3)
    found = detector([portrait])[0]
    frame = portrait.copy()
    blur_faces(frame, [tuple(float(v) for v in box) for box in found.xyxy])  # type: ignore[misc]
    assert len(detector([frame])[0]) == 0
    left, top, right, bottom = found.xyxy[0].astype(int)
    patch = frame[top:bottom, left:right]
    assert len(np.unique(patch.reshape(-1, 3), axis=0)) <= 64
    changed = (frame != portrait).any(2)
    assert not changed[:, : left - 40].any()
    assert not changed[bottom + 40 :].any()


@pytest.mark.parametrize("box", [(-50.0, -50.0, 20.0, 20.0), (600.0, 0.0, 700.0, 90.0), (10.0, 10.0, 10.4, 10.4)])
def test_faces_at_and_past_the_border(portrait: BGRFrame, box: tuple[float, float, float, float]) -> None:
    frame = portrait.copy()
    blur_faces(frame, [box])
    assert (frame != portrait).any() == (box[0] < 512 and box[2] - box[0] > 1)


def test_what_is_drawn(portrait: BGRFrame) -> None:
    one = result((200.0, 60.0, 300.0, 200.0))
    drawn = {style: portrait.copy() for style in (Style(), Style(boxes=False), Style(False, True), Style(True, True))}
    for style, frame in drawn.items():
        annotate(frame, one, style)
    plain, nothing, blurred, both = drawn.values()
    assert (nothing == portrait).all()
    assert (blurred[120, 230:270] != portrait[120, 230:270]).any()
    assert (blurred[500, :40] == portrait[500, :40]).all()
    assert (both[120, 230:270] == blurred[120, 230:270]).all()
    assert (plain[120, 230:270] == portrait[120, 230:270]).all()


def test_labels_and_counts_can_be_left_out(portrait: BGRFrame) -> None:
    one = result((200.0, 160.0, 300.0, 300.0))
    plain, no_captions, no_counts = (portrait.copy() for _ in range(3))
    for frame, style in ((plain, Style()), (no_captions, Style(captions=False)), (no_counts, Style(counts=False))):
        annotate(frame, one, style)
    assert (plain[480:, :60] != portrait[480:, :60]).any()
    assert (no_counts[480:, :60] == portrait[480:, :60]).all()
    assert (no_captions[480:, :60] == plain[480:, :60]).all()
    assert (plain[135:155, 210:290] != portrait[135:155, 210:290]).any()
    assert (no_captions[135:155, 210:290] == portrait[135:155, 210:290]).all()
    assert (no_captions[160, 200:300] == plain[160, 200:300]).all()


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    face = Face((1.5, 2.25, 30.0, 40.0), 0.9, ((1.0, 2.0),) * 5, "with_mask", 0.75, {"a": 0.75, "b": 0.25}, 7)
    true = FrameResult("clip", 3, 0.12, (64, 48), (face, Face((0.0, 0.0, 1.0, 1.0), 0.5, None, "b", 0.5, {"b": 0.5})))
    (tmp_path / "r.jsonl").write_text(json.dumps(true.to_dict()) + "\n")
    assert list(read_results(tmp_path / "r.jsonl")) == [true]
    assert FrameResult.from_dict(true.to_dict()) == true
    (tmp_path / "r.jsonl").write_text(json.dumps(true.to_dict()) + '\n{"source": 1}\n')
    with pytest.raises(SourceError, match=r"line 2 of .*r\.jsonl is not a result of maskinfer"):
        list(read_results(tmp_path / "r.jsonl"))
    with pytest.raises(SourceNotFoundError):
        list(read_results(tmp_path / "none.jsonl"))


@pytest.fixture
def clip(portrait: BGRFrame, tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", [portrait] * 12, sound=["aac"], rate=25)


def last_frame(path: Path) -> BGRFrame:
    with av.open(str(path)) as container:
        return np.asarray([frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)][-1], np.uint8)


def test_a_video_is_drawn_again_as_it_was(clip: Path, colour_classifier: Path, tmp_path: Path) -> None:
    one, two, lines, events = (tmp_path / name for name in ("one.mp4", "two.mp4", "r.jsonl", "events.jsonl"))
    done = maskinfer(
        "video", clip, "-o", one, "--jsonl", lines, "--events", events, "--classifier", colour_classifier,
        "--event-min-score", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kinds = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert kinds == ["appeared", "left"]
    assert {json.loads(line)["faces"][0]["track_id"] for line in lines.read_text().splitlines()} == {1}
    done = maskinfer("render", clip, lines, "-o", two)
    assert done.returncode == 0, done.stderr
    assert facts(two).times == facts(clip).times
    assert facts(two).sounds == facts(clip).sounds
    assert np.abs(last_frame(one).astype(int) - last_frame(two)).mean() < 0.5
    done = maskinfer("render", clip, lines, "-o", two, "--blur-faces", "--no-boxes")
    assert done.returncode == 0, done.stderr
    assert len(load_detector()([last_frame(two)])[0]) == 0


def test_results_of_another_video_are_refused(clip: Path, portrait: BGRFrame, tmp_path: Path) -> None:
    lines, out = tmp_path / "r.jsonl", tmp_path / "out.mp4"
    lines.write_text(json.dumps(result(size_wh=(640, 480)).to_dict()) + "\n")
    check_error(maskinfer("render", clip, lines, "-o", out), 1, "is not of", "640x480")
    lines.write_text(json.dumps(result().to_dict()) + "\n")
    check_error(maskinfer("render", clip, lines, "-o", out), 1, "ends after 1 frames")
    assert len(facts(out).times) == 1
    check_error(maskinfer("render", clip, tmp_path / "none.jsonl", "-o", out), 2, "none.jsonl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--events", "-"], "--events and --webhook need tracked faces"),
        (["--classify-every", "2"], "--classify-every would do nothing"),
    ],
)
def test_what_needs_tracks_says_so(clip: Path, tmp_path: Path, options: list[str], message: str) -> None:
    done = maskinfer("video", clip, "-o", tmp_path / "out.mp4", "--no-track", *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_only_what_is_near_to_an_event(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 100, rate=25, sound=["aac"], options={"bf": "0"})
    lines, out = tmp_path / "r.jsonl", tmp_path / "out.mp4"
    face = Face((10.0, 10.0, 50.0, 60.0), 0.9, None, "with_mask", 0.95, {"with_mask": 0.95}, 1)
    with open_video(clip) as video:
        size_wh = video.info.size_wh
    # Somebody is there from frame 30 to 69: appears at 38, is settled at 43, and was seen last at 69.
    results = [FrameResult("clip.mp4", i, i / 25, size_wh, (face,) if 30 <= i < 70 else ()) for i in range(100)]
    lines.write_text("".join(json.dumps(result.to_dict()) + "\n" for result in results))
    done = maskinfer("render", clip, lines, "-o", out, "--only-events", "0.2s", "--no-boxes")
    assert done.returncode == 0, done.stderr
    made = facts(out)
    kept = [*range(33, 49), *range(64, 75)]
    assert made.numbers == kept
    assert made.times == [Fraction(i, 25) for i in range(len(kept))]
    assert made.sounds == []
    plain = [dataclasses.replace(result, faces=()) for result in results]
    lines.write_text("".join(json.dumps(result.to_dict()) + "\n" for result in plain))
    check_error(maskinfer("render", clip, lines, "-o", out, "--only-events", "1s"), 2, "holds no event")


def test_a_face_that_was_missed_in_some_frames_is_clear_in_none(portrait: BGRFrame, tmp_path: Path) -> None:
    small = np.ascontiguousarray(portrait[::2, ::2])
    clip, lines, out = tmp_path / "a.mp4", tmp_path / "a.jsonl", tmp_path / "b.mp4"
    write_clip(clip, [small] * 12)
    assert maskinfer("video", clip, "-o", tmp_path / "c.mp4", "--jsonl", lines).returncode == 0
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    for record in records[:2] + records[5:8] + records[10:]:
        record["faces"] = []
    lines.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert maskinfer("render", clip, lines, "-o", out, "--blur-faces", "--no-boxes").returncode == 0
    detector = load_detector()
    with av.open(str(out)) as container:
        found = [len(detector([frame.to_ndarray(format="bgr24")])[0]) for frame in container.decode(video=0)]
    assert found == [0] * 12
    done = maskinfer("render", clip, lines, "-o", out, "--blur-faces", "--no-boxes", "--blur-hold", "0")
    assert done.returncode == 0


def test_blurred_faces_and_clear_crops_are_refused(tmp_path: Path, portrait_jpg: Path) -> None:
    done = maskinfer("image", portrait_jpg, "-o", tmp_path / "o", "--crops", tmp_path / "crops", "--blur-faces")
    assert done.returncode == 2
    assert "crops show faces as they are, and blurring hides them" in done.stderr
    assert not (tmp_path / "crops").exists()

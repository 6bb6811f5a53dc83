"""``maskinfer video`` and ``maskinfer stream``, in processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.results import BGRFrame
from tests.commands.test_run import check_error, maskinfer, results
from tests.conftest import ROOT, shared
from tests.helpers.browser import play_in_chromium
from tests.helpers.clips import IN_FRONT, cut, facts, write_clip

DEMO = ROOT / "samples/demo.mp4"


def moving(portrait: BGRFrame, count: int) -> list[BGRFrame]:
    """The portrait, 256 x 192, a little further to the right in each frame."""
    small = cv2.resize(portrait, (192, 192))
    canvas = np.full((192, 256, 3), 120, np.uint8)
    canvas[:, :192] = small
    return [np.roll(canvas, 2 * i, axis=1) for i in range(count)]


@pytest.fixture
def clip(portrait: BGRFrame, tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path, moving(portrait, 20), sound=["aac"], container_options=IN_FRONT)
    return path


def test_video_keeps_frames_times_and_sound(clip: Path, colour_classifier: Path, tmp_path: Path) -> None:
    out, jsonl = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    done = maskinfer("video", clip, "-o", out, "--jsonl", jsonl, "--classifier", colour_classifier)
    assert done.returncode == 0, done.stderr
    before, after = facts(clip), facts(out)
    assert after.times == before.times
    assert after.duration_s == pytest.approx(before.duration_s, abs=0.04)
    assert after.sounds == before.sounds
    records = results(jsonl.read_text())
    assert [r["frame"] for r in records] == list(range(20))
    assert [r["time_s"] for r in records] == [pytest.approx(float(t - before.times[0])) for t in before.times]
    assert all(len(r["faces"]) == 1 for r in records)  # type: ignore[arg-type]
    lefts = [r["faces"][0]["bbox"][0] for r in records]  # type: ignore[index]
    assert lefts == pytest.approx(lefts[0] + 2.0 * np.arange(20), abs=4)
    assert "20 frames" in done.stderr
    assert str(out) in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "out.jsonl", "out.mp4"]


def test_faces_that_are_to_be_hidden_are_looked_for_in_every_frame(
    clip: Path, colour_classifier: Path, tmp_path: Path
) -> None:
    texts = []
    for options in ([], ["--detect-every", "1"], ["--blur-faces"]):
        jsonl = tmp_path / "out.jsonl"
        command = ["video", clip, "-o", tmp_path / "out.mp4", "--jsonl", jsonl, "--classifier", colour_classifier]
        done = maskinfer(*command, *options)
        assert done.returncode == 0, done.stderr
        texts.append(jsonl.read_text())
    usual, every_frame, hidden = texts
    assert hidden == every_frame != usual


def test_a_video_cut_in_the_middle_is_finished_and_reported(
    portrait: BGRFrame, colour_classifier: Path, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, moving(portrait, 60), container_options=IN_FRONT)
    cut(path, 0.9)
    out, jsonl = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    done = maskinfer("video", path, "-o", out, "--jsonl", jsonl, "--classifier", colour_classifier)
    check_error(done, 1, "clip.mp4")
    frames = len(facts(out).times)
    assert 20 < frames < 60
    assert len(results(jsonl.read_text())) == frames


def test_a_text_file_named_mp4(tmp_path: Path, colour_classifier: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a video at all")
    done = maskinfer("video", tmp_path / "notes.mp4", "-o", tmp_path / "out.mp4", "--classifier", colour_classifier)
    check_error(done, 1, "notes.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_video_never_overwrites_its_input(clip: Path, colour_classifier: Path) -> None:
    before = clip.read_bytes()
    done = maskinfer("video", clip.name, "-o", clip, "--classifier", colour_classifier, cwd=clip.parent)
    check_error(done, 2, "clip.mp4")
    assert clip.read_bytes() == before


@pytest.mark.parametrize(("target", "code"), [("out.avi", 2), ("absent/out.mp4", 2)])
def test_an_output_that_cannot_be(clip: Path, colour_classifier: Path, tmp_path: Path, target: str, code: int) -> None:
    done = maskinfer("video", clip, "-o", tmp_path / target, "--classifier", colour_classifier)
    check_error(done, code, target.split("/")[0])
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_stream_of_a_file(clip: Path, colour_classifier: Path, tmp_path: Path) -> None:
    record, jsonl = tmp_path / "record.mp4", tmp_path / "out.jsonl"
    done = maskinfer(
        "stream", "--source", clip, "--no-show", "--record", record, "--jsonl", jsonl, "--classifier", colour_classifier
    )
    assert done.returncode == 0, done.stderr
    assert len(facts(record).times) == len(results(jsonl.read_text())) == 20


def test_results_without_a_video_are_the_same(clip: Path, colour_classifier: Path, tmp_path: Path) -> None:
    models, first, second = ("--classifier", colour_classifier), tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    for arguments in (("-o", tmp_path / "a.mp4", "--jsonl", first), ("--jsonl", second)):
        done = maskinfer("video", clip, *arguments, *models)
        assert done.returncode == 0, done.stderr
        assert ("annotated" in done.stderr) == (arguments[0] == "-o")
    assert [line["faces"] for line in results(first.read_text())] == [
        line["faces"] for line in results(second.read_text())
    ]  # fmt: skip
    assert len(results(second.read_text())) == 20


def test_a_named_camera_may_be_given_up(colour_classifier: Path) -> None:
    address = ("--source", "door=http://127.0.0.1:9/x", "--no-show", "--give-up-after", "0.1", "--every-frame")
    done = maskinfer("stream", *address, "--classifier", colour_classifier)
    check_error(done, 1, "nothing listens at 127.0.0.1:9")


def test_stream_without_a_camera(colour_classifier: Path) -> None:
    if Path("/dev/video97").exists():
        pytest.skip("there is a camera 97")
    done = maskinfer(
        "stream", "--source", "97", "--no-show", "--give-up-after", "0.1", "--classifier", colour_classifier
    )
    assert done.returncode == 1
    assert "97 cannot be opened yet, and is tried again: no camera at index 97" in done.stderr
    assert "Traceback" not in done.stderr
    never = maskinfer("stream", "--source", "99999999999", "--no-show", "--classifier", colour_classifier)
    assert never.returncode == 2
    assert "99999999999" in never.stderr


def test_show_without_a_window_system(clip: Path, colour_classifier: Path) -> None:
    done = maskinfer("stream", "--source", clip, "--classifier", colour_classifier, DISPLAY="", WAYLAND_DISPLAY="")
    check_error(done, 2, "--no-show")


def test_ctrl_c_ends_a_stream_cleanly(portrait: BGRFrame, colour_classifier: Path, tmp_path: Path) -> None:
    path, record, jsonl = tmp_path / "long.mp4", tmp_path / "record.mp4", tmp_path / "out.jsonl"
    write_clip(path, [frame for _ in range(100) for frame in moving(portrait, 20)])
    command = [sys.executable, "-m", "maskinfer", "stream", "--source", path, "--no-show"]
    command += ["--record", record, "--jsonl", jsonl, "--classifier", colour_classifier]
    process = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True, env=os.environ)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (jsonl.exists() and jsonl.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    frames = len(results(jsonl.read_text()))
    assert 0 < frames < 2000
    assert abs(len(facts(record).times) - frames) <= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_marks_a_video_as_partial(
    portrait: BGRFrame, colour_classifier: Path, tmp_path: Path, number: signal.Signals
) -> None:
    path, out, jsonl, events = (tmp_path / name for name in ("long.mp4", "out.mp4", "out.jsonl", "events.jsonl"))
    write_clip(path, [frame for _ in range(100) for frame in moving(portrait, 20)])
    out.write_bytes(b"an earlier one")
    command = [sys.executable, "-m", "maskinfer", "video", path, "-o", out, "--jsonl", jsonl, "--events", events]
    process = subprocess.Popen(
        [str(c) for c in [*command, "--classifier", colour_classifier]], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(part.stat().st_size for part in tmp_path.glob(".out.jsonl*")):
        time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stderr
    frames = len(facts(tmp_path / "out.partial.mp4").times)
    assert 0 < frames < 2000
    assert len(results((tmp_path / "out.partial.jsonl").read_text())) == frames
    assert f"Error: stopped after {frames} of 2000 frames, which are in {tmp_path / 'out.partial.mp4'}" in stderr
    assert out.read_bytes() == b"an earlier one"
    assert sorted(p.name for p in tmp_path.glob("*.jsonl")) == ["events.partial.jsonl", "out.partial.jsonl"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names elsewhere are always Unicode")
def test_a_video_whose_name_is_in_another_encoding(clip: Path, colour_classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    clip.rename(folder / os.fsdecode(b"\xff.mp4"))
    outputs = ("-o", tmp_path / "out", "--jsonl", tmp_path / "r", "--csv", tmp_path / "t")
    for skipped in (False, True):
        done = maskinfer("video", folder, *outputs, "--classifier", colour_classifier)
        assert done.returncode == 0, done.stderr
        assert ("done before" in done.stderr) is skipped
    (record, *_) = results((tmp_path / "r" / os.fsdecode(b"\xff.mp4.jsonl")).read_text())
    assert str(record["source"]).endswith("caf\\xe9/\\xff.mp4")


def test_a_recording_of_a_wrong_kind_is_refused_at_once(clip: Path, colour_classifier: Path, tmp_path: Path) -> None:
    command = ("stream", "--source", clip, "--no-show", "--record", tmp_path / "x.avi", "--jsonl", tmp_path / "r.jsonl")
    check_error(maskinfer(*command, "--classifier", colour_classifier), 2, "x.avi", ".mp4, .mov, .mkv")


def test_a_second_signal_waits_for_nobody(portrait: BGRFrame, colour_classifier: Path, tmp_path: Path) -> None:
    path, jsonl = tmp_path / "long.mp4", tmp_path / "out.jsonl"
    write_clip(path, [frame for _ in range(100) for frame in moving(portrait, 20)])
    with socket.create_server(("127.0.0.1", 0)) as receiver:  # takes connections, and never answers
        url = f"http://guard:hunter2@127.0.0.1:{receiver.getsockname()[1]}/events"
        command = [sys.executable, "-m", "maskinfer", "stream", "--source", path, "--no-show", "--webhook", url]
        command += ["--jsonl", jsonl, "--classifier", colour_classifier]
        process = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True, env=os.environ)
        with receiver.accept()[0]:  # there was an event
            for _ in range(2):
                process.send_signal(signal.SIGTERM)
                time.sleep(0.7)
            _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert "hunter2" not in stderr
    assert results(jsonl.read_text())


def test_the_annotated_demo_plays_in_a_browser(tmp_path: Path) -> None:
    out = tmp_path / "annotated.mp4"
    done = maskinfer("video", DEMO, "-o", out)
    assert done.returncode == 0, done.stderr
    shown = play_in_chromium(out)
    size = cv2.VideoCapture(str(DEMO))
    assert shown["videoWidth"] == size.get(cv2.CAP_PROP_FRAME_WIDTH)
    assert shown["currentTime"] > 0


def test_a_real_clip_keeps_its_frames_and_sound(tmp_path: Path) -> None:
    clip = shared("videos", "group_720p.mp4")
    out = tmp_path / "out.mp4"
    assert maskinfer("video", clip, "-o", out).returncode == 0
    before, after = facts(clip), facts(out)
    assert len(after.times) == len(before.times)
    assert after.duration_s == pytest.approx(before.duration_s, abs=1 / 25)
    assert [codec for codec, _ in after.sounds] == ["aac"]
    assert after.sounds == before.sounds

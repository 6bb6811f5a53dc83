"""Many videos: only what is not done, several at a time, one broken among them, stopped in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError, SourceNotFoundError
from maskinfer.engine.faces.classifier import OnnxClassifier
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.jobs.archive import run_videos
from maskinfer.engine.jobs.journal import JOURNAL
from maskinfer.engine.presets import View
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.event_targets import EventTargets
from maskinfer.engine.sinks.outputs import Outputs
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.helpers.clips import IN_FRONT, cut, facts, write_clip


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "monday").mkdir(parents=True)
    write_clip(folder / "a.mp4", 12)
    write_clip(folder / "b.avi", 9, codec="mpeg4")
    write_clip(folder / "monday/a.mkv", 7)
    (folder / "notes.txt").write_text("no video")
    return folder


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_folder_of_videos(engine: Engine, archive: Path, tmp_path: Path, jobs: int) -> None:
    out, results = tmp_path / "out", tmp_path / "results"
    outputs = Outputs(jsonl=str(results), events=EventTargets(str(results)))
    summary = run_videos(engine, [str(archive)], out, jobs=jobs, track=TrackOptions(), outputs=outputs)
    assert (summary.frames, summary.problems, summary.skipped) == (28, [], 0)
    assert files(out) == [JOURNAL, "a.mp4", "b.avi.mp4", "monday/a.mkv"]
    assert [len(facts(out / name).times) for name in files(out)[1:]] == [12, 9, 7]
    assert [name for name in files(results) if "events" not in name] == [
        "a.mp4.jsonl",
        "b.avi.jsonl",
        "monday/a.mkv.jsonl",
    ]
    assert len((results / "b.avi.jsonl").read_text().splitlines()) == 9


def test_what_is_done_is_left_out_until_something_changes(engine: Engine, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def again(engine: Engine = engine, **settings: Any) -> tuple[int, int]:
        summary = run_videos(engine, [str(archive)], out, **settings)
        return summary.frames, summary.skipped

    assert again() == (28, 0)
    assert again() == (0, 3)
    (out / "a.mp4").unlink()
    assert again() == (12, 2)
    (archive / "b.avi").rename(archive / "old.avi")
    write_clip(archive / "b.avi", 5, codec="mpeg4")
    assert again() == (14, 2)  # the new one, and the old one under its new name
    assert again(track=TrackOptions(), overwrite=True) == (33, 0)
    gate = replace(engine.gate, min_face_px=20)
    assert again(replace(engine, gate=gate), overwrite=True) == (33, 0)
    with (out / JOURNAL).open("a") as journal:
        journal.write('{"key": "cut by a power fai')
    assert again(replace(engine, gate=gate)) == (0, 4)
    assert isinstance(engine.classifier, OnnxClassifier)
    assert isinstance(engine.detector, OnnxDetector)
    # How often the models look is a setting too.
    twice = replace(engine, classifier=replace(engine.classifier, mirrored=True))
    assert again(twice, overwrite=True) == (33, 0)
    assert again(twice) == (0, 4)
    assert again(replace(twice, detector=replace(engine.detector, views=(View(1, True),))), overwrite=True) == (33, 0)


def test_other_settings_replace_nothing_unasked(engine: Engine, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "monday").mkdir(parents=True)
    (out / "a.mp4").write_bytes(b"somebody's own")
    with pytest.raises(RequestError, match=r"1 file would be replaced .*a\.mp4\), which no job of this folder made"):
        run_videos(engine, [str(archive)], out)
    assert files(out) == ["a.mp4"]
    assert run_videos(engine, [str(archive)], out, overwrite=True).frames == 28
    before = {name: (out / name).read_bytes() for name in files(out)}
    blurred = Style(blur_faces=True)
    told = r"3 files would be replaced .*made with style\.blur_faces false, now true: .*--overwrite"
    with pytest.raises(RequestError, match=told):
        run_videos(engine, [str(archive)], out, style=blurred)
    assert {name: (out / name).read_bytes() for name in files(out)} == before
    moved = out.rename(tmp_path / "moved")
    results = Outputs(jsonl=str(tmp_path / "results"))
    assert run_videos(engine, [str(archive)], moved).skipped == 3
    # More results of the same settings change nothing that is there.
    assert run_videos(engine, [str(archive)], moved, outputs=results).frames == 28
    assert run_videos(engine, [str(archive)], moved, outputs=results).skipped == 3
    assert run_videos(engine, [str(archive)], moved).skipped == 3
    write_clip(archive / "a.mp4", 13)
    assert run_videos(engine, [str(archive)], moved).frames == 13
    assert run_videos(engine, [str(archive)], moved, outputs=results).frames == 13
    assert len((tmp_path / "results/a.mp4.jsonl").read_text().splitlines()) == 13
    (moved / "a.mp4").write_bytes(b"cut by hand")
    with pytest.raises(RequestError, match="which were changed since"):
        run_videos(engine, [str(archive)], moved)
    (moved / "a.mp4").unlink()
    assert run_videos(engine, [str(archive)], moved, style=blurred, overwrite=True).frames == 29


def test_what_a_killed_job_left_is_done_again_without_a_question(engine: Engine, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_videos(engine, [str(archive)], out)
    lines = [line for line in (out / JOURNAL).read_text().splitlines() if '"problems"' not in line]
    (out / JOURNAL).write_text("".join(f"{line}\n" for line in lines))  # as if killed before they were noted
    assert run_videos(engine, [str(archive)], out).frames == 28
    with pytest.raises(RequestError, match="would be replaced"):
        run_videos(engine, [str(archive)], out, track=TrackOptions())


def test_a_broken_video_is_told_each_time_and_the_others_are_done(
    engine: Engine, archive: Path, tmp_path: Path
) -> None:
    (archive / "broken.mp4").write_bytes(b"not a video at all")
    out = tmp_path / "out"
    (out / "a.mp4").mkdir(parents=True)
    for skipped in (0, 2):
        summary = run_videos(engine, [str(archive)], out)
        folder, broken = summary.problems
        assert "a.mp4" in folder
        assert "it is a folder" in folder
        assert "broken.mp4 is not a video that can be read" in broken
        assert summary.skipped == skipped
    assert files(out) == [JOURNAL, "b.avi.mp4", "monday/a.mkv"]


def test_what_was_wrong_with_a_video_is_told_again(engine: Engine, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "cut.mp4", 60, container_options=IN_FRONT)
    cut(clip, 0.8)
    first = run_videos(engine, [str(clip)], tmp_path / "out")
    again = run_videos(engine, [str(clip)], tmp_path / "out")
    assert first.problems == again.problems
    assert "ended early" in first.problems[0]
    assert (first.skipped, again.skipped, again.frames) == (0, 1, 0)


def test_requests_that_cannot_be(engine: Engine, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="would be overwritten"):
        run_videos(engine, [str(archive)], archive)
    with pytest.raises(RequestError, match=r"would both be written to .*a\.mkv"):
        run_videos(engine, [str(archive / "monday/a.mkv"), str(write_clip(tmp_path / "a.mkv", 3))], tmp_path / "out")
    with pytest.raises(RequestError, match="cannot go to standard output"):
        run_videos(engine, [str(archive)], tmp_path / "out", outputs=Outputs(jsonl="-"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFoundError, match="holds no video"):
        run_videos(engine, [str(tmp_path / "empty")], tmp_path / "out")
    assert not (archive / JOURNAL).exists()


def test_ctrl_c_ends_it_and_the_next_run_goes_on(portrait: BGRFrame, colour_classifier: Path, tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    archive.mkdir()
    write_clip(archive / "a.mp4", 5)
    write_clip(archive / "b.mp4", [portrait] * 400)
    command = [
        sys.executable,
        "-m",
        "maskinfer",
        "video",
        str(archive),
        "-o",
        str(out),
        "--classifier",
        str(colour_classifier),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (out / "a.mp4").exists():
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert 0 < len(facts(out / "b.partial.mp4").times) < 400
    assert not (out / "b.mp4").exists()
    noted = [json.loads(line) for line in (out / JOURNAL).read_text().splitlines()]
    assert [record["place"] for record in noted if "sizes" in record] == ["a.mp4"]
    write_clip(archive / "b.mp4", [portrait] * 20)
    done = run_maskinfer("video", archive, "-o", out, "--classifier", colour_classifier)
    assert done.returncode == 0, done.stderr
    assert "20 frames" in done.stderr
    assert "1 video was done before" in done.stderr
    assert sorted(path.name for path in out.glob("*.mp4")) == ["a.mp4", "b.mp4"]


def test_jobs_of_one_video(colour_classifier: Path, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 3)
    check_error(run_maskinfer("video", clip, "-o", tmp_path / "b.mp4", "--jobs", "2"), 2, "name a folder for -o")
    done = run_maskinfer("video", clip, "-o", tmp_path / "b.mp4", "--overwrite")
    check_error(done, 2, "--overwrite would do nothing: the one video that -o names is replaced in any case")


def test_overwrite_from_the_command_line(colour_classifier: Path, archive: Path, tmp_path: Path) -> None:
    job = ["video", archive, "-o", tmp_path / "out", "--classifier", colour_classifier]
    assert run_maskinfer(*job).returncode == 0
    check_error(run_maskinfer(*job, "--no-track"), 2, "3 files would be replaced", "add --overwrite")
    again = run_maskinfer(*job, "--no-track", "--overwrite")
    assert again.returncode == 0, again.stderr
    assert "28 frames" in again.stderr

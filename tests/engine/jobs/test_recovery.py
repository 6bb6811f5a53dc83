"""What kill -9 leaves of videos is found at the next start; what living processes write is left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.files.atomic import atomic_write, taken_name
from maskinfer.engine.files.parts import lock_left, new_part
from maskinfer.engine.jobs.recovery import recover_videos
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.jobs.watch import Sinks, run_watch
from maskinfer.engine.sinks.recording import Recorder
from maskinfer.engine.sources.video import open_video
from tests.helpers.clips import facts, readable, write_clip
from tests.helpers.progress import Watcher

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")

# Writes frames of a clip until it is killed: at the frame that is given, by itself.
_KILLED = """
import os, signal, sys
from pathlib import Path
from maskinfer.engine.sinks.recording import Recorder
from maskinfer.engine.sinks.video import open_writer
from maskinfer.engine.sources.video import open_video
how, clip, out, last = sys.argv[1:]
with open_video(clip) as video:
    recorder = Recorder(Path(out), None if how == "record" else 2.0)
    opened = open_writer(Path(out), video.info)
    writer = opened.__enter__() if how == "video" else None
    for frame in video:
        if writer is None:
            recorder.write(frame, video.info)
        else:
            writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
        if frame.index == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(100)]
    return write_clip(tmp_path_factory.mktemp("clips") / "noise.mp4", noise, rate=25)


def kill_at(last: int, how: str, clip: Path, out: Path) -> None:
    command = [sys.executable, "-c", _KILLED, how, str(clip), str(out), str(last)]
    assert subprocess.run(command, check=False).returncode == -9


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_killed_recording_is_found_by_the_next_watch(engine: Engine, clip: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"rec{suffix}"
    kill_at(80, "record", clip, out)
    assert out.stat().st_size == 0
    assert len(list(tmp_path.iterdir())) == 2
    watcher = Watcher()
    summary, _ = run_watch(engine, [str(write_clip(tmp_path / "a.avi", 12))], sinks=Sinks(record=out), progress=watcher)
    assert summary.problems == []
    assert 50 <= readable(out) <= 81
    assert [len(facts(path).times) for path in tmp_path.glob(f"rec-*{suffix}")] == [12]
    assert len([path for path in tmp_path.iterdir() if path.suffix != ".avi"]) == 2
    assert any(line.startswith(f"{out} is recovered, ") and "a recording" in line for line in watcher.lines)
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_killed_segment_is_found_and_whole_ones_stay(clip: Path, tmp_path: Path) -> None:
    kill_at(95, "segments", clip, tmp_path / "rec.mp4")
    said: list[str] = []
    recover_videos([tmp_path / "other.mkv"], said.append)
    whole, cut = sorted(tmp_path.iterdir())
    assert len(facts(whole).times) == 50
    assert 25 <= readable(cut) < 50
    (line,) = said
    assert line.startswith(f"{cut} is recovered")


@pytest.mark.parametrize(("suffix", "is_kept"), [(".mkv", True), (".mp4", False)])
def test_a_killed_video_is_partial_or_cleared(
    engine: Engine, clip: Path, tmp_path: Path, suffix: str, is_kept: bool
) -> None:
    out = tmp_path / f"out{suffix}"
    kill_at(95, "video", clip, out)
    watcher = Watcher()
    run_video(engine, write_clip(tmp_path / "a.avi", 12), out, progress=watcher)
    assert len(facts(out).times) == 12
    partial = tmp_path / f"out.partial{suffix}"
    assert partial.exists() == is_kept
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["a.avi", out.name, *([partial.name] if is_kept else [])]
    )
    (line,) = watcher.lines
    assert line.startswith(f"{partial} is recovered" if is_kept else f"{out} was cut off")


def test_a_recording_that_was_killed_before_its_first_picture_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "rec.mp4"
    kill_at(0, "record", clip, out)
    assert len(list(tmp_path.iterdir())) == 2
    said: list[str] = []
    recover_videos([out], said.append)
    assert list(tmp_path.iterdir()) == []
    assert "cannot be played, and is removed" in said[0]


def test_what_a_living_process_writes_is_left_alone(clip: Path, tmp_path: Path) -> None:
    out, said = tmp_path / "rec.mp4", list[str]()
    with Recorder(out) as recorder, open_video(str(clip)) as video:
        for frame in video:
            recorder.write(frame, video.info)
            if frame.index == 60:
                before = {path: path.stat().st_ino for path in tmp_path.iterdir()}
                recover_videos([out], said.append)
                with atomic_write(tmp_path / "b.txt") as part:
                    part.touch()
                (tmp_path / "b.txt").unlink()
                assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == before
    assert said == []
    assert len(facts(out).times) == 100


def test_a_name_that_a_dead_process_took_is_adopted_and_a_living_ones_is_not(tmp_path: Path) -> None:
    paths = (tmp_path / "a.mp4", tmp_path / "b.mp4")
    paths[0].touch()  # as a process leaves it that is killed before it wrote anything
    with taken_name(paths) as first, taken_name(paths) as second:
        assert (first, second) == paths
    assert list(tmp_path.iterdir()) == []


def test_a_recording_does_not_take_the_name_that_a_living_one_has(clip: Path, tmp_path: Path) -> None:
    out, said = tmp_path / "rec.mp4", list[str]()
    kill_at(80, "record", clip, out)
    out.unlink()
    with taken_name([out]):
        recover_videos([out], said.append)
        assert out.stat().st_size == 0
        assert len(facts(tmp_path / "rec_002.mp4").times) >= 50
    assert len(said) == 1


def test_temporary_files_of_dead_processes_are_cleared(tmp_path: Path) -> None:
    (tmp_path / "mine.part").write_text("somebody's")
    dead, release = new_part(tmp_path / "out.txt", 0o600, "file")
    release()  # as the system does when a process ends
    with atomic_write(tmp_path / "new.txt") as part:
        part.write_text("x")
        assert lock_left(part) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.part", "new.txt"]
    assert not dead.exists()


def test_links_and_folders_under_such_names_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "real.mp4").write_bytes(b"x")
    link = tmp_path / ".a.mp4.01234567.maskinfer-recording.part"
    link.symlink_to(tmp_path / "real.mp4")
    (tmp_path / ".b.mp4.01234567.maskinfer-file.part").mkdir()
    recover_videos([tmp_path / "out.mp4"], lambda line: pytest.fail(line))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_long_name_keeps_its_suffix(tmp_path: Path) -> None:
    out = tmp_path / f"{'é' * 120}.mp4"
    part, release = new_part(out, 0o600, "recording")
    release()
    assert part.name.startswith(".éé")
    assert ".mp4." in part.name

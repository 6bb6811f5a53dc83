"""Recordings of a watch: split, on a full disk, beside one another."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import OutputError
from maskinfer.engine.jobs.watch import Sinks, run_watch
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.outputs import Outputs
from maskinfer.engine.sinks.recording import Recorder
from maskinfer.engine.sinks.run import Run
from maskinfer.engine.sources.video import open_video
from tests.helpers.clips import facts, readable, write_clip
from tests.helpers.progress import Watcher
from tests.helpers.records import lines


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160))


def test_recordings_are_split_and_whole(engine: Engine, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 50, rate=25)
    other = write_clip(tmp_path / "b.mp4", 10, rate=25)
    sinks = Sinks(record=tmp_path / "rec.mp4", segment_s=0.8)
    summary, _ = run_watch(engine, [str(clip), str(other)], sinks=sinks)
    assert summary.problems == []
    parts = sorted(tmp_path.glob("rec-1-*.mp4"))
    assert all(re.fullmatch(r"rec-1-\d{8}T\d{6}(_\d{3})?\.mp4", path.name) for path in parts)
    assert [len(facts(path).times) for path in parts] == [20, 20, 10]
    assert all(facts(path).times[0] == 0 for path in parts)
    assert [len(facts(path).times) for path in tmp_path.glob("rec-2-*.mp4")] == [10]


def test_a_recording_that_fails_ends_alone(engine: Engine, tmp_path: Path) -> None:
    clip, out = str(write_clip(tmp_path / "a.mp4", 12)), tmp_path / "out.jsonl"
    sinks = Sinks(record=tmp_path / "none" / "rec.mp4", outputs=Outputs(str(out)))
    with pytest.raises(OutputError, match="there is no folder") as refused:
        run_watch(engine, [clip], sinks=sinks)
    assert refused.value.exit_code == 2
    assert not out.exists()
    (tmp_path / "none").mkdir()

    class Unplug:
        def write(self, *_: object) -> None:
            shutil.rmtree(tmp_path / "none", ignore_errors=True)

    sinks = replace(sinks, outputs=Outputs(str(out), sinks=(Unplug(),)))
    summary, (report,) = run_watch(engine, [clip], sinks=sinks)
    assert report.recorded == []
    assert len(lines(out)) == 12
    assert "there is no folder" in summary.problems[0] or "No such file" in summary.problems[0]
    assert "the watch goes on" not in summary.problems[0]
    assert summary.problems[1:] == [f"{sinks.record} could not be written to the end; 12 frames were lost"]


def test_a_full_disk_keeps_what_was_whole(engine: Engine, small_disk: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(60)]
    clip = write_clip(tmp_path / "noise.mp4", noisy, rate=25)
    out = tmp_path / "out.jsonl"
    sinks = Sinks(record=small_disk / "rec.mp4", segment_s=0.2, outputs=Outputs(str(out)))
    summary, _ = run_watch(engine, [str(clip)], sinks=sinks)
    assert len(lines(out)) == 60
    assert "No space left" in summary.problems[0]
    kept = sorted(small_disk.iterdir())
    assert len(kept) > 1
    assert all(len(facts(path).times) == 5 for path in kept[:-1])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_keeps_what_one_long_recording_had(
    engine: Engine, small_disk: Path, tmp_path: Path, suffix: str
) -> None:
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(80)]
    clip = write_clip(tmp_path / "noise.mp4", noisy, rate=5)
    watcher = Watcher()
    sinks = Sinks(record=small_disk / f"rec{suffix}")
    summary, _ = run_watch(engine, [str(clip)], sinks=sinks, progress=watcher)
    assert summary.frames == 80
    assert [line.removesuffix("; the watch goes on") for line in watcher.lines] == summary.problems
    assert "No space left" in watcher.lines[0]
    assert "what was written before is kept; the watch goes on" in watcher.lines[0]
    assert [path.name for path in small_disk.iterdir()] == [f"rec{suffix}"]
    assert 5 <= readable(small_disk / f"rec{suffix}") < 80


def test_space_that_is_back_gets_the_next_segment(engine: Engine, small_disk: Path, tmp_path: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(262_144))
    clip = write_clip(tmp_path / "a.mp4", 40, rate=25)
    seen: list[FrameResult] = []

    def on_result(result: FrameResult) -> None:
        seen.append(result)
        if len(seen) == 15:
            ballast.unlink()

    sinks = Sinks(record=small_disk / "rec.mp4", segment_s=0.4)
    summary, _ = run_watch(engine, [str(clip)], sinks=sinks, on_result=on_result)
    assert summary.problems
    kept = [number for path in sorted(small_disk.iterdir()) for number in facts(path).numbers]
    assert kept[-10:] == list(range(30, 40))


def test_a_watch_that_is_begun_again_keeps_its_recording(engine: Engine, tmp_path: Path) -> None:
    for count in (8, 12):
        clip = write_clip(tmp_path / "a.mp4", count)
        run_watch(engine, [str(clip)], sinks=Sinks(record=tmp_path / "rec.mp4"))
    assert [len(facts(path).times) for path in sorted(tmp_path.glob("rec*"))] == [
        12,
        8,
    ]  # rec-20261125T191500.mp4, rec.mp4


def test_watches_that_overlap_keep_both_recordings(tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{name}.mp4", count) for name, count in (("a", 8), ("b", 12))]
    for segment_s in (None, 10.0):
        folder = tmp_path / f"{segment_s}"
        folder.mkdir()
        runs = [Run(), Run()]
        with ExitStack() as stack:
            recorders = [stack.enter_context(Recorder(folder / "rec.mp4", segment_s, run)) for run in runs]
            for recorder, clip in zip(recorders, clips, strict=True):
                with open_video(str(clip)) as video:
                    for frame in video:
                        recorder.write(frame, video.info)
        found = sorted(folder.iterdir())
        assert sorted(len(facts(path).times) for path in found) == [8, 12]
        comments = set()
        for path in found:
            with av.open(str(path)) as film:
                comments.add(film.metadata["comment"])
                assert "creation_time" in film.metadata
        assert comments == {f"maskinfer run {run.id}" for run in runs}


def test_a_recording_does_not_replace_what_was_put_in_its_place(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 8)
    with Recorder(tmp_path / "rec.mp4") as recorder, open_video(str(clip)) as video:
        for frame in video:
            recorder.write(frame, video.info)
        (tmp_path / "rec.mp4").write_bytes(b"another program's")
    assert (tmp_path / "rec.mp4").read_bytes() == b"another program's"
    assert len(facts(tmp_path / "rec_002.mp4").times) == 8


def test_of_many_recordings_the_last_ones_are_named(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 110)
    with open_video(clip) as video, Recorder(tmp_path / "rec.mp4", segment_s=0.01) as recorder:
        for frame in video:
            recorder.write(frame, video.info)
    assert len(list(tmp_path.glob("rec-*.mp4"))) == 110
    assert len(recorder.files) == 100
    assert recorder.files[-1].is_file()


def test_a_recorder_without_a_frame_writes_nothing(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []

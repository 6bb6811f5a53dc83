"""Overlays of videos in old and new formats: into a .mkv where it holds them, beside the file as it is elsewhere."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import maskinfer
from maskinfer.cluster.attempt import Meter, attempt
from maskinfer.cluster.jobs import Job, OutFile, Setup
from maskinfer.engine.errors import RequestError
from maskinfer.engine.frames.annotate import PLAIN
from maskinfer.engine.jobs.archive import run_videos
from maskinfer.engine.jobs.entry import Entry
from maskinfer.engine.jobs.journal import JOURNAL
from maskinfer.engine.jobs.render import run_renders
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.copies.encoding import Encoding
from maskinfer.engine.sinks.outputs import Outputs
from tests.engine.sinks.test_overlay import packets
from tests.helpers.clips import write_clip
from tests.helpers.own_models import LightClassifier, RedDetector

OVERLAY = Encoding("copy")


@pytest.fixture(scope="module")
def engine() -> maskinfer.Engine:
    return maskinfer.load(RedDetector(), LightClassifier())


def red(count: int) -> list[BGRFrame]:
    frame = np.full((240, 320, 3), 100, np.uint8)
    frame[60:140, 60:140] = (10, 10, 250)
    return [frame] * count


def old_archive(folder: Path) -> Path:
    folder.mkdir()
    write_clip(folder / "flash.flv", red(6), codec="flv")
    write_clip(folder / "windows.wmv", red(7), codec="wmv2")
    write_clip(folder / "usual.flv", red(5))
    return folder


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libsvtav1"), ("a.mkv", "libx265"), ("a.webm", "libvpx-vp9")])
def test_what_a_newer_codec_made_is_copied(engine: maskinfer.Engine, tmp_path: Path, name: str, codec: str) -> None:
    clip, out = write_clip(tmp_path / name, red(6), codec=codec), tmp_path / "out.mkv"
    assert run_video(engine, clip, out, encoding=OVERLAY).problems == []
    assert [data for _, data in packets(out, "video")] == [data for _, data in packets(clip, "video")]


def test_a_folder_with_what_no_mkv_holds(
    engine: maskinfer.Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive, out = old_archive(tmp_path / "archive"), tmp_path / "out"
    results = Outputs(jsonl=str(tmp_path / "results"))
    for frames, skipped in ((18, 0), (0, 3)):
        with caplog.at_level(logging.WARNING):
            summary = run_videos(engine, [str(archive)], out, encoding=OVERLAY, outputs=results)
        assert (summary.frames, summary.skipped, summary.problems) == (frames, skipped, [])
    copies = {"flash.flv": "flash.flv.flv", "windows.wmv": "windows.wmv.wmv", "usual.flv": "usual.flv.mkv"}
    sidecars = [f"{name}.{kind}" for name in copies for kind in ("ass", "vtt")]
    assert sorted(file.name for file in out.iterdir()) == sorted([JOURNAL, *copies.values(), *sidecars])
    told = [line for line in caplog.messages if "is the file as it is" in line]
    assert [line.split("/")[-1].split(":")[0] for line in told] == ["flash.flv", "windows.wmv"]
    for name in ("flash.flv", "windows.wmv"):
        assert (out / copies[name]).read_bytes() == (archive / name).read_bytes()
        assert (out / copies[name]).stat().st_mode & 0o077 == 0
        assert "Dialogue:" in (out / f"{name}.ass").read_text()
    (out / "flash.flv.flv").unlink()
    assert run_videos(engine, [str(archive)], out, encoding=OVERLAY, outputs=results).frames == 6
    summary = run_renders([str(archive)], tmp_path / "results", tmp_path / "again", style=PLAIN, encoding=OVERLAY)
    assert (summary.frames, summary.problems) == (18, [])
    again = sorted(file.name for file in (tmp_path / "again").iterdir())
    assert again == sorted(file.name for file in out.iterdir())


def test_what_is_there_already_is_not_replaced(engine: maskinfer.Engine, tmp_path: Path) -> None:
    archive, out = old_archive(tmp_path / "archive"), tmp_path / "out"
    out.mkdir()
    (out / "flash.flv.flv").write_text("somebody's")
    with pytest.raises(RequestError, match=r"flash\.flv\.flv.*which no job of this folder made"):
        run_videos(engine, [str(archive)], out, encoding=OVERLAY)
    assert (out / "flash.flv.flv").read_text() == "somebody's"
    assert run_videos(engine, [str(archive)], out, encoding=OVERLAY, overwrite=True).problems == []
    assert (out / "flash.flv.flv").read_bytes() == (archive / "flash.flv").read_bytes()
    write_clip(archive / "flash.flv.flv", red(3))
    with pytest.raises(RequestError, match="is an input"):
        run_videos(engine, [str(archive)], archive, encoding=OVERLAY, overwrite=True)


def test_one_video_is_refused_before_anything_is_begun(engine: maskinfer.Engine, tmp_path: Path) -> None:
    archive = old_archive(tmp_path / "archive")
    with pytest.raises(RequestError, match=r"cannot be copied into a \.mkv .*name a \.ass file for -o"):
        run_video(engine, archive / "flash.flv", tmp_path / "out.mkv", encoding=OVERLAY)
    assert not list(tmp_path.glob("out*"))
    assert run_video(engine, archive / "flash.flv", tmp_path / "out.ass", encoding=OVERLAY).frames == 6


def test_an_attempt_of_a_cluster(engine: maskinfer.Engine, tmp_path: Path) -> None:
    clip, out = old_archive(tmp_path / "archive") / "flash.flv", tmp_path / "out"
    names = [f"flash.flv{suffix}" for suffix in (".mkv", ".ass", ".vtt")]
    files = tuple(OutFile("video", name, str(out / name), f"out/{name}") for name in names)
    entry = Entry(names[0], "flash.flv", "settings", {})
    setup = Setup({}, "", None, PLAIN, OVERLAY, Outputs(), records=str(out / "r"), pieces=str(out / "p"), piece_s=None)
    job = Job(0, str(clip), "flash.flv", "flash.flv", entry, None, files)
    outcome = attempt(engine, setup, job, Meter())
    assert (outcome.failure, outcome.frames, outcome.problems) == (None, 6, [])
    assert (out / "flash.flv.flv").read_bytes() == clip.read_bytes()
    assert outcome.line is not None
    assert sorted(outcome.line["sizes"]) == ["flash.flv.ass", "flash.flv.flv", "flash.flv.vtt"]
    assert any("is the file as it is" in line for line in outcome.warnings)
    assert attempt(engine, setup, replace(job, done_as=outcome.key), Meter()).was_done

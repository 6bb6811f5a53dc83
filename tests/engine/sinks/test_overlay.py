"""Annotations without encoding again: the source's packets stay as they are, and players draw what we would draw."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.errors import RequestError, TruncatedSourceError
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.frames.draw import LABEL_COLOURS
from maskinfer.engine.jobs.archive import run_videos
from maskinfer.engine.jobs.journal import JOURNAL
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from maskinfer.engine.sinks.copies.annotated import open_copy
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING, Encoding
from maskinfer.engine.sources.video import open_video
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.helpers.clips import IN_FRONT, cut, facts, turn_mp4, write_clip
from tests.helpers.ffmpeg import need_libass, probed, shown
from tests.helpers.own_models import LightClassifier, RedDetector

OVERLAY = Encoding("copy")
BOXES = Style(captions=False, counts=False)
SIZE_WH = (320, 240)


def face(box: tuple[float, float, float, float], label: str = "with_mask", track_id: int | None = 1) -> Face:
    return Face(box, 0.9, None, label, 0.97, {label: 0.97}, track_id)


def walk(count: int, size_wh: tuple[int, int] = SIZE_WH) -> list[FrameResult]:
    """One face that walks, grows and trembles, and one that is there for a while."""
    results = []
    for i in range(count):
        wobble = (i * 7 % 3 - 1) * 0.6
        left, top, side = 60 + 2.3 * i + wobble, 70 + 0.8 * i, 70 + 0.7 * i
        faces = [face((left, top, left + side * 0.8, top + side))]
        if 8 <= i < 17:
            faces.append(face((230, 20, 290, 100), "without_mask", 2))
        results.append(FrameResult("clip", i, i / 25, size_wh, tuple(faces)))
    return results


def grey(count: int, size_wh: tuple[int, int] = SIZE_WH) -> list[BGRFrame]:
    return [np.full((size_wh[1], size_wh[0], 3), 100, np.uint8)] * count


def annotate_clip(
    clip: Path, results: Sequence[FrameResult], out: Path, encoding: Encoding = PLAIN_ENCODING, style: Style = BOXES
) -> list[str]:
    with open_video(clip) as video, open_copy(out, video.info, str(clip), style, encoding) as copy:
        for frame, result in zip(video, results, strict=True):
            copy.add(frame, result)
    return copy.problems


def painted(bgr: BGRFrame, label: str) -> np.ndarray:
    """Where a label's colour is, (height, width)."""
    away: np.ndarray = np.abs(bgr.astype(int) - LABEL_COLOURS[label]).max(-1)
    return away < 70


def around(mask: np.ndarray) -> list[int] | None:
    """Left, top, right and bottom of what is painted."""
    y, x = np.nonzero(mask)
    return None if len(x) < 20 else [int(v) for v in (x.min(), y.min(), x.max(), y.max())]


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        stream = next(one for one in container.streams if one.type == kind)
        found = [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]
    # Sound that begins before the pictures, as AAC does, moves all of a Matroska file by that little.
    return [(round(at - found[0][0], 2), data) for at, data in found]


CLIPS: dict[str, tuple[dict[str, Any], tuple[int, int, int, int], tuple[int, int]]] = {
    "plain": ({}, (1, 0, 0, 1), SIZE_WH),
    "B-frames": ({"b_frames": 2}, (1, 0, 0, 1), SIZE_WH),
    "broad pixels": ({"pixel_aspect": Fraction(16, 11)}, (1, 0, 0, 1), SIZE_WH),
    "turned by a quarter": ({}, (0, 1, -1, 0), (240, 320)),
    "upside down": ({}, (-1, 0, 0, -1), SIZE_WH),
}


@pytest.mark.parametrize("kind", CLIPS)
def test_a_player_draws_what_we_would_draw(tmp_path: Path, kind: str) -> None:
    need_libass()
    options, matrix, size_wh = CLIPS[kind]
    clip = write_clip(tmp_path / "clip.mp4", grey(30), **options)
    if matrix != (1, 0, 0, 1):
        turn_mp4(clip, matrix)
    results = walk(30, size_wh)
    assert annotate_clip(clip, results, tmp_path / "drawn.mp4") == []
    assert annotate_clip(clip, results, tmp_path / "overlay.mkv", OVERLAY) == []
    expected = shown(tmp_path / "drawn.mp4", None, tmp_path / "expected")
    across = float(options.get("pixel_aspect", 1))
    tracks = {name: tmp_path / name for name in ("overlay.mkv", "overlay.ass")}
    for name, subtitles in tracks.items():
        video = tmp_path / "overlay.mkv" if name == "overlay.mkv" else clip
        frames = shown(video, subtitles, tmp_path / f"of {name}")
        assert len(frames) == len(expected) == 30
        for i, (frame, drawn) in enumerate(zip(frames, expected, strict=True)):
            assert frame.shape == drawn.shape
            for label in ("with_mask", "without_mask"):
                here, there = around(painted(frame, label)), around(painted(drawn, label))
                assert (here is None) == (there is None), (i, label)
                if here is not None and there is not None:
                    # Drawn lines are made broad with the pixels, the track's are not; colours of 4:2:0 are smeared.
                    most_px = (3.5 * across, 3, 3.5 * across, 3)
                    assert (np.abs(np.subtract(here, there)) <= most_px).all(), (i, label, here, there)


def test_captions_and_counts_are_shown_where_they_are_drawn(tmp_path: Path) -> None:
    need_libass()
    clip = write_clip(tmp_path / "clip.mp4", grey(20, (640, 480)))
    result = FrameResult("clip", 0, 0.0, (640, 480), (face((220, 120, 420, 380)),))
    results = [replace(result, frame=i, time_s=i / 25) for i in range(20)]
    for style, has_caption, has_counts in ((Style(), True, True), (BOXES, False, False)):
        out = tmp_path / f"{has_counts}.mkv"
        annotate_clip(clip, results, out, OVERLAY, style)
        frame = shown(out, out, tmp_path / f"shown {has_counts}")[10]
        above, below = painted(frame[80:115, 220:330], "with_mask"), painted(frame[440:, :120], "with_mask")
        assert (above.mean() > 0.4) == has_caption
        assert (below.sum() > 30) == has_counts
        assert (frame[440:, :200] > 230).all(-1).any() == has_counts


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".ts", ".mkv"])
def test_the_packets_of_the_source_stay_as_they_are(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    sound = {".avi": "mp3", ".ts": "aac"}.get(suffix, "aac")
    clip = write_clip(tmp_path / f"clip{suffix}", 20, codec=codec, sound=[sound])
    out = tmp_path / "out.mkv"
    assert annotate_clip(clip, walk(20, (64, 48)), out, OVERLAY) == []
    if suffix != ".ts":  # whose framing is another
        assert packets(out, "video") == packets(clip, "video")
        assert [data for _, data in packets(out, "audio")] == [data for _, data in packets(clip, "audio")]
    with open_video(clip) as one, open_video(out) as other:
        frames = [(a, b) for a, b in zip(one, other, strict=True)]
    assert len(frames) == 20
    for before, after in frames:
        assert (before.bgr == after.bgr).all()
        assert abs(before.time_s - after.time_s) < 0.002
    assert facts(out).numbers == list(range(20))
    assert len(facts(out).sounds) == 1


def test_the_track_is_shown_by_default_and_has_a_name(tmp_path: Path) -> None:
    need_libass()
    clip = write_clip(tmp_path / "clip.mp4", grey(10))
    annotate_clip(clip, walk(10), tmp_path / "out.mkv", OVERLAY)
    kinds = {stream["codec_type"]: stream for stream in probed(tmp_path / "out.mkv")}
    assert list(kinds) == ["video", "subtitle"]
    track = kinds["subtitle"]
    assert (track["codec_name"], track["disposition"]["default"], track["tags"]["title"]) == ("ass", 1, "maskinfer")
    assert (tmp_path / "out.mkv").stat().st_mode & 0o077 == 0


def test_the_text_alone(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", grey(30))
    for suffix in (".ass", ".vtt"):
        annotate_clip(clip, walk(30), tmp_path / f"out{suffix}", OVERLAY, Style())
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.ass", "out.vtt"]
    lines = (tmp_path / "out.ass").read_text().splitlines()
    assert len([line for line in lines if ",box," in line]) < 30, "a line for each frame"
    cues = (tmp_path / "out.vtt").read_text().split("\n\n")
    assert cues[0] == "WEBVTT"
    timings = [re.match(r"(\S+) --> (\S+) position:[\d.]+%,line-left", cue) for cue in cues if "-->" in cue]
    starts = [found[1] for found in timings if found]
    assert len(starts) == len(timings) == 2
    assert starts == sorted(starts)
    assert all(found[1] < found[2] for found in timings if found)
    assert "<c.without_mask>without mask 97%</c>" in (tmp_path / "out.vtt").read_text()


def test_what_a_label_says_is_no_command(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", grey(3, (640, 480)))
    label = "{\\pos(0,0)}<b>\n--> x"
    result = FrameResult("clip", 0, 0.0, (640, 480), (face((20, 120, 620, 380), label),))
    results = [replace(result, frame=i, time_s=i / 25) for i in range(3)]
    for suffix in (".ass", ".vtt"):
        annotate_clip(clip, results, tmp_path / f"out{suffix}", OVERLAY, Style())
    text = (tmp_path / "out.ass").read_text()
    assert "(/pos(0,0))" in text
    assert "}{\\pos(0,0)}" not in text
    assert "<b>" not in (tmp_path / "out.vtt").read_text()
    assert (tmp_path / "out.vtt").read_text().count("-->") == 1


@pytest.fixture(scope="module")
def engine() -> maskinfer.Engine:
    return maskinfer.load(RedDetector(), LightClassifier())


def red(count: int) -> list[BGRFrame]:
    frame = grey(1)[0].copy()
    frame[60:140, 60:140] = (10, 10, 250)
    return [frame] * count


def test_a_folder_of_overlays(engine: maskinfer.Engine, tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    (archive / "monday").mkdir(parents=True)
    write_clip(archive / "a.mp4", red(6))
    write_clip(archive / "monday/b.mkv", red(5))
    for frames, skipped in ((11, 0), (0, 2)):
        summary = run_videos(engine, [str(archive)], out, encoding=OVERLAY)
        assert (summary.frames, summary.skipped, summary.problems) == (frames, skipped, [])
    names = ["a.mp4.ass", "a.mp4.mkv", "a.mp4.vtt", "monday/b.ass", "monday/b.mkv", "monday/b.vtt"]
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [JOURNAL, *names]
    (out / "a.mp4.vtt").unlink()
    assert run_videos(engine, [str(archive)], out, encoding=OVERLAY).frames == 6
    with pytest.raises(RequestError, match=r'encoding.encoder "copy", now "libx264"'):
        run_videos(engine, [str(archive)], out)


def test_a_source_that_is_cut_off_and_a_job_that_is_stopped(engine: maskinfer.Engine, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", red(60), container_options=IN_FRONT, options={"g": "10"})
    summary = run_video(engine, clip, tmp_path / "out.mkv", encoding=OVERLAY, stopped=lambda: signal.SIGTERM)
    assert "out.partial.mkv, " in summary.problems[-1]
    assert sorted(p.name for p in tmp_path.glob("out*")) == ["out.partial.ass", "out.partial.mkv", "out.partial.vtt"]
    with open_video(tmp_path / "out.partial.mkv") as video:
        assert len(list(video)) < 60
    cut(clip, 0.5)
    summary = run_video(engine, clip, tmp_path / "out.mkv", encoding=OVERLAY)
    assert "ended early" in summary.problems[0]
    found = []
    with open_video(tmp_path / "out.mkv") as video, suppress(TruncatedSourceError):
        found += [frame.index for frame in video]
    assert len(found) == summary.frames > 10


def test_overlays_that_cannot_be(engine: maskinfer.Engine, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", red(3))
    with pytest.raises(RequestError, match=r"one of \.mkv, \.ass, \.vtt"):
        run_video(engine, clip, tmp_path / "out.mp4", encoding=OVERLAY)
    with pytest.raises(RequestError, match="an overlay hides no face"):
        run_video(engine, clip, tmp_path / "out.mkv", encoding=OVERLAY, style=Style(blur_faces=True))
    write_clip(tmp_path / "out.mkv", red(3))
    with pytest.raises(RequestError, match="is an input"):
        run_video(engine, tmp_path / "out.mkv", tmp_path / "out.mkv", encoding=OVERLAY)
    (tmp_path / "in.ass").symlink_to(clip)
    with pytest.raises(RequestError, match="would be overwritten"):
        run_video(engine, clip, tmp_path / "in.mkv", encoding=OVERLAY)


def test_the_command(colour_classifier: Path, tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "clip.mp4", grey(5)), tmp_path / "out.mkv"
    done = run_maskinfer("video", clip, "-o", out, "--overlay", "--classifier", colour_classifier)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.glob("out*")) == ["out.ass", "out.mkv", "out.vtt"]
    command = [
        sys.executable,
        "-m",
        "maskinfer",
        "video",
        "-",
        "-o",
        out,
        "--overlay",
        "--classifier",
        colour_classifier,
    ]
    with clip.open("rb") as pipe:
        done = subprocess.run(command, stdin=pipe, capture_output=True, text=True, check=False)
    check_error(done, 2, "it cannot be read twice: name a .ass file for -o")

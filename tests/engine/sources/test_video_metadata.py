"""What containers and frames say of themselves: metadata, clocks, aspect, rate, dynamic range."""

from __future__ import annotations

import logging
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.engine.frames.colour import SDR_VIDEO
from maskinfer.engine.sources.video import open_video
from tests.engine.sources.test_video import _quarters
from tests.helpers.clips import (
    copy,
    facts,
    join,
    number_of,
    numbered_frame,
    numbers_read,
    write_clip,
)


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_metadata_in_any_encoding(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}", 3, metadata={"title": "cafXXX"}, sound=["mp3"])
    path.write_bytes(path.read_bytes().replace(b"cafXXX", b"caf\xe9\x80\xff"))
    assert numbers_read(path) == [0, 1, 2]
    assert facts(copy(path, tmp_path / "out.mp4")).numbers == [0, 1, 2]


def _with_exif(jpeg: bytes, orientation: int) -> bytes:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_exif_in_every_frame(tmp_path: Path, orientation: int, turns: int) -> None:
    jpegs = [cv2.imencode(".jpg", np.ascontiguousarray(np.rot90(_quarters(), -turns)))[1].tobytes()] * 4
    path = tmp_path / "cam.mjpeg"
    path.write_bytes(b"".join(_with_exif(jpeg, orientation) for jpeg in jpegs))
    with open_video(path) as video:
        frames = [frame.bgr for frame in video]
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 4
    corners = np.ix_([8, -8], [8, -8])
    np.testing.assert_allclose(frames[0][corners].astype(int), _quarters()[corners].astype(int), atol=20)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libvpx-vp9"), (".mkv", "libx264")])
def test_the_pixel_aspect_is_that_of_the_container(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}", 3, codec=codec, pixel_aspect=Fraction(3, 4))
    with open_video(path) as video:
        assert video.info.pixel_aspect == Fraction(3, 4)
    with open_video(copy(path, tmp_path / "out.mp4")) as video:
        assert video.info.pixel_aspect == Fraction(3, 4)


WRAP = 1 << 33


@pytest.mark.parametrize("sound", [[], ["aac"]])
def test_a_clock_that_wraps(tmp_path: Path, sound: list[str]) -> None:
    start = WRAP - 10 * 3600
    path = write_clip(
        tmp_path / "a.ts", 30, pts=[start + i * 3600 for i in range(30)], time_base=Fraction(1, 90_000),
        sound=sound, sound_start_s=start / 90_000,
    )  # fmt: skip
    with open_video(path) as video:
        times = [frame.pts * frame.time_base - video.info.clock_start_s for frame in video]
    assert [b - a for a, b in pairwise(times)] == [Fraction(1, 25)] * 29
    after = facts(copy(path, tmp_path / "out.mp4"))
    assert after.numbers == list(range(30))
    assert after.times[0] >= 0
    assert after.duration_s == pytest.approx(1.2, abs=0.05)


def test_a_clock_that_begins_below_zero(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 30, container_options={"avoid_negative_ts": "disabled"},
                      pts=[-500 + 40 * i for i in range(30)], time_base=Fraction(1, 1000))  # fmt: skip
    after = facts(copy(path, tmp_path / "out.mp4"))
    assert after.numbers == list(range(30))
    assert after.times[0] == 0


@pytest.mark.parametrize("jump_s", [3600, -5, 90_000])
def test_a_gap_of_the_clock_is_closed_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, jump_s: int) -> None:
    begin = 900_000
    stamps = [begin + i * 3600 + (jump_s * 90_000 if i >= 50 else 0) for i in range(100)]
    parts = [
        write_clip(tmp_path / f"{name}.ts", [numbered_frame(i) for i in indices], time_base=Fraction(1, 90_000),
                   pts=[stamps[i] for i in indices])
        for name, indices in (("a", range(50)), ("b", range(50, 100)))
    ]  # fmt: skip
    with caplog.at_level(logging.WARNING), open_video(join(tmp_path / "both.ts", *parts)) as video:
        frames = list(video)
    assert [number_of(frame.bgr) for frame in frames] == list(range(100))
    assert frames[-1].time_s == pytest.approx(99 / 25, abs=0.01)
    assert max(frame.duration or 0 for frame in frames) * video.info.time_base < 0.1
    assert "its clock jumps by" in caplog.text


def test_a_slow_film_keeps_its_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_clip(tmp_path / "a.mp4", 4, pts=[0, 60, 120, 7200], time_base=Fraction(1))
    with caplog.at_level(logging.WARNING), open_video(path) as video:
        assert [frame.time_s for frame in video] == [0, 60, 120, 7200]
    assert not caplog.text


@pytest.mark.parametrize(("suffix", "codec"), [(".h264", "libx264"), (".hevc", "libx265")])
def test_a_raw_stream_has_its_own_rate(tmp_path: Path, suffix: str, codec: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write_clip(tmp_path / f"a{suffix}", 30, rate=15, codec=codec, options=options)
    with open_video(path) as video:
        assert video.info.frame_rate == 15
        assert [frame.time_s for frame in video] == pytest.approx([i / 15 for i in range(30)], abs=1e-4)


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_mapped(tmp_path: Path, transfer: int) -> None:
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    picture = np.repeat(np.repeat(levels[None, :, None], 4, axis=1), 48, axis=0).repeat(3, axis=2)
    path = write_clip(tmp_path / "a.mkv", [picture] * 2, codec="ffv1", pix_fmt="yuv420p10le", transfer=transfer)
    with open_video(path) as video:
        seen = next(iter(video)).bgr[24, 2::4].astype(int)
    assert video.info.colour == SDR_VIDEO
    grey = seen.mean(axis=1)
    assert np.ptp(seen, axis=1).max() <= 3
    assert (np.diff(grey) >= 0).all()
    assert grey[0] <= 2
    code = {16: 0.58, 18: 0.75}[transfer]  # diffuse white, by BT.2408
    assert 180 < np.interp(code * 15, range(16), grey) < 230
    assert grey[-1] == 255

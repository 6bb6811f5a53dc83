from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from maskinfer.engine.errors import OutputError, RequestError
from maskinfer.engine.frames.frame import VideoInfo
from maskinfer.engine.sinks.copies.encoding import Encoding
from maskinfer.engine.sinks.video import open_writer
from maskinfer.engine.sources.video import open_video
from tests.conftest import shared
from tests.helpers.clips import copy, facts, number_of, numbered_frame, solid_yuv, turn_mp4, write_clip

CLIPS: dict[str, dict[str, Any]] = {
    "constant": {},
    "b-frames": {"b_frames": 3},
    "ntsc": {"pts": [1001 * i for i in range(40)], "time_base": Fraction(1, 30000)},
    "variable": {"pts": [7 * i * i + (i % 3) for i in range(40)], "time_base": Fraction(1, 1000), "b_frames": 2},
    "late": {"pts": [333 + 40 * i for i in range(40)], "time_base": Fraction(1, 1000)},
    "one frame a second": {"rate": 1},
}


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_every_frame_at_its_time(tmp_path: Path, clip: str, suffix: str) -> None:
    source = write_clip(tmp_path / "a.mp4", 40, **CLIPS[clip])
    before, after = facts(source), facts(copy(source, tmp_path / f"out{suffix}"))
    assert after.numbers == list(range(40))
    assert after.times == before.times
    with open_video(source) as video:
        last = list(video)[-1]
    end_s = float((last.pts + (last.duration or 0)) * last.time_base)
    assert after.duration_s == pytest.approx(end_s - float(before.times[0]), abs=1e-3)


@pytest.mark.parametrize("clip", CLIPS)
def test_every_frame_at_its_time_in_matroska(tmp_path: Path, clip: str) -> None:
    source = write_clip(tmp_path / "a.mkv", 40, **CLIPS[clip])
    before, after = facts(source), facts(copy(source, tmp_path / "out.mkv"))
    assert after.numbers == list(range(40))
    assert after.times == before.times


def test_a_clock_that_starts_anywhere_starts_at_zero_and_sound_stays_with_it(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "a.ts", 40, sound=["aac"], sound_start_s=0.4, container_options={"output_ts_offset": "5000"}
    )
    before, after = facts(source), facts(copy(source, tmp_path / "out.mp4"))
    assert before.times[0] >= 5000
    assert after.times[0] < 1
    assert after.numbers == list(range(40))
    gap_before = before.sounds[0][1][0][0] - before.times[0]
    gap_after = after.sounds[0][1][0][0] - after.times[0]
    assert float(gap_after) == pytest.approx(float(gap_before), abs=0.002)


@pytest.mark.parametrize("size_wh", [(65, 48), (64, 49), (65, 49), (33, 17)])
def test_odd_sizes_grow_by_a_repeated_line(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    source = write_clip(
        tmp_path / "a.mkv",
        [numbered_frame(i, size_wh) for i in range(12)],
        codec="ffv1",
        pix_fmt="bgr0",
        full_range=True,
    )
    with open_video(copy(source, tmp_path / "out.mp4")) as video:
        frames = list(video)
    assert video.info.size_wh == (size_wh[0] + size_wh[0] % 2, size_wh[1] + size_wh[1] % 2)
    assert [number_of(frame.bgr) for frame in frames] == list(range(12))
    assert abs(frames[5].bgr[-4:, -4:].astype(int) - 96).max() < 8


def test_a_frame_of_another_size_is_letterboxed(tmp_path: Path) -> None:
    info = VideoInfo("camera 0", (128, 72), Fraction(1, 25))
    white = np.full((72, 128, 3), 255, np.uint8)
    with open_writer(tmp_path / "out.mp4", info) as writer:
        for i, bgr in enumerate([white, np.full((200, 100, 3), 255, np.uint8), white]):
            writer.write(bgr, i, Fraction(1, 25))
    with open_video(tmp_path / "out.mp4") as video:
        frames = [frame.bgr for frame in video]
    assert [frame.shape for frame in frames] == [(72, 128, 3)] * 3
    assert frames[1][36, 64].min() > 240
    assert frames[1][:, [10, 117]].max() < 16
    assert frames[2].min() > 240


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_are_tagged_as_they_were_made(tmp_path: Path, matrix: int, full_range: bool) -> None:
    colours = [(40, 40, 200), (60, 180, 60), (190, 70, 40), (235, 235, 235)]
    source = write_clip(
        tmp_path / "a.mp4",
        [solid_yuv(colour, matrix, full_range) for colour in colours],
        matrix=matrix,
        full_range=full_range,
    )
    out = copy(source, tmp_path / "out.mp4", encoding=Encoding(quality=5))
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range), frame.format.name) == (matrix, 1, "yuv420p")
        expected = solid_yuv(colours[0], matrix, full_range=False)
        for plane, wanted in zip(frame.planes, expected.planes, strict=True):
            assert abs(bytes(plane)[0] - bytes(wanted)[0]) <= 3
    with open_video(out) as video:
        read = [frame.bgr[24, 32].astype(int).tolist() for frame in video]
    np.testing.assert_allclose(read, colours, atol=7)


def test_a_turned_video_is_written_upright(tmp_path: Path) -> None:
    source = turn_mp4(write_clip(tmp_path / "a.mp4", 5), (0, 1, -1, 0))
    with open_video(copy(source, tmp_path / "out.mp4")) as video:
        assert video.info.size_wh == (48, 64)
        assert [number_of(np.rot90(frame.bgr)) for frame in video] == list(range(5))


def test_an_mp4_has_its_index_in_front(tmp_path: Path) -> None:
    data = copy(write_clip(tmp_path / "a.mp4"), tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_recording_by_the_clock(tmp_path: Path) -> None:
    times_s = [0.0, 0.031, 0.07, 0.5, 0.52]
    info = VideoInfo("camera 0", (64, 48), Fraction(1, 90_000), frame_rate=Fraction(30))
    with open_writer(tmp_path / "out.mp4", info) as writer:
        for i, time_s in enumerate(times_s):
            writer.write(numbered_frame(i), round(time_s * 90_000), Fraction(1, 90_000))
    written = facts(tmp_path / "out.mp4")
    assert [float(time) for time in written.times] == pytest.approx(times_s, abs=1e-6)
    assert written.numbers == [0, 1, 2, 3, 4]


def test_writing_from_another_thread(tmp_path: Path) -> None:
    info = VideoInfo("camera 0", (64, 48), Fraction(1, 25))
    with open_writer(tmp_path / "out.mp4", info) as writer:

        def write_all() -> None:
            for i in range(30):
                writer.write(numbered_frame(i), i, Fraction(1, 25))

        thread = threading.Thread(target=write_all)
        thread.start()
        thread.join()
    assert facts(tmp_path / "out.mp4").numbers == list(range(30))


@pytest.mark.parametrize("name", ["out.avi", "out.webm", "out", "out.MP5"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    info = VideoInfo("camera 0", (64, 48), Fraction(1, 25))
    with pytest.raises(RequestError, match=r"one of \.mp4, \.mov, \.mkv"), open_writer(tmp_path / name, info):
        pass
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_the_block_raises(tmp_path: Path) -> None:
    info = VideoInfo("camera 0", (64, 48), Fraction(1, 25))

    def write_and_fail() -> None:
        with open_writer(tmp_path / "out.mp4", info) as writer:
            writer.write(numbered_frame(0), 0, Fraction(1, 25))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_not_one_frame_is_an_error(tmp_path: Path) -> None:
    info = VideoInfo("camera 0", (64, 48), Fraction(1, 25))
    with pytest.raises(OutputError, match="not one frame"), open_writer(tmp_path / "out.mp4", info):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_refuses_is_an_output_error(tmp_path: Path) -> None:
    info = VideoInfo("camera 0", (64, 48), Fraction(1, 25))

    def write() -> None:
        with open_writer(tmp_path / "out.mp4", info, encoding=Encoding(preset="warp")) as writer:
            writer.write(numbered_frame(0), 0, Fraction(1, 25))

    with pytest.raises(OutputError, match=r"cannot write .*out\.mp4: ") as caught:
        write()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_up_to(size_bytes: int) -> Iterator[None]:
    """Let no file grow over a size, as a full disk would."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    info = VideoInfo("camera 0", (320, 240), Fraction(1, 25))
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)

    def write() -> None:
        with files_up_to(200_000), open_writer(tmp_path / f"out{suffix}", info) as writer:
            for i in range(60):
                writer.write(np.roll(noise, i * 7, axis=1), i, Fraction(1, 25))

    with pytest.raises(OutputError, match=rf"cannot write .*out\{suffix}: ") as caught:
        write()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["group_720p.mp4", "hands_book.mkv"])
def test_real_clips_keep_times_and_sound(tmp_path: Path, name: str) -> None:
    source = shared("videos", name)
    before = facts(source)
    after = facts(copy(source, tmp_path / "out.mp4", encoding=Encoding(preset="ultrafast")))
    assert after.times == before.times
    assert after.sounds == before.sounds

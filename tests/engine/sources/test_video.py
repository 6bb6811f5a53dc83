from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.sources.timestamps import mender
from maskinfer.engine.sources.video import open_video
from tests.helpers.clips import (
    number_of,
    numbered_frame,
    numbers_read,
    solid_yuv,
    turn_mp4,
    write_clip,
)

# Blue, green, red. None is so saturated that a range or matrix could clip.
COLOURS = [(40, 40, 200), (60, 180, 60), (190, 70, 40), (128, 128, 128), (235, 235, 235), (20, 20, 20)]


def solids(size_wh: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    return [np.full((size_wh[1], size_wh[0], 3), colour, np.uint8) for colour in COLOURS]


def assert_colours(path: Path, tolerance: int = 4) -> None:
    with open_video(path) as video:
        read = [frame.bgr[24, 32].astype(int).tolist() for frame in video]
    np.testing.assert_allclose(read, COLOURS, atol=tolerance)


def test_every_frame_in_order_with_its_time(tmp_path: Path) -> None:
    with open_video(write_clip(tmp_path / "a.mp4", 30, b_frames=3)) as video:
        frames = list(video)
    assert [number_of(frame.bgr) for frame in frames] == list(range(30))
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 25 for i in range(30)])
    assert {frame.duration * frame.time_base for frame in frames if frame.duration} == {Fraction(1, 25)}


def test_info(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 30)
    with open_video(path) as video:
        info = video.info
    assert (info.source, info.size_wh, info.frame_rate, info.frame_count) == (str(path), (64, 48), 25, 30)
    assert info.duration_s == pytest.approx(1.2)


def test_frames_belong_to_the_caller(tmp_path: Path) -> None:
    with open_video(write_clip(tmp_path / "a.mp4", 5)) as video:
        frames = list(video)
    frames[0].bgr[:] = 7
    assert frames[0].bgr.flags.c_contiguous
    assert [number_of(frame.bgr) for frame in frames[1:]] == [1, 2, 3, 4]


def test_variable_frame_rate_keeps_times_and_durations(tmp_path: Path) -> None:
    pts = [0, 40, 50, 200, 210, 900]
    path = write_clip(tmp_path / "a.mkv", 6, pts=pts, time_base=Fraction(1, 1000))
    with open_video(path) as video:
        frames = list(video)
    assert [frame.pts for frame in frames] == pts
    assert [frame.duration for frame in frames[:-1]] == [40 - 0, 10, 150, 10, 690]


def test_time_counts_from_the_first_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 3, pts=[500, 540, 580], time_base=Fraction(1, 1000))
    with open_video(path) as video:
        frames = list(video)
    assert [frame.pts for frame in frames] == [500, 540, 580]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.08])


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
def test_matrix_and_range_are_honoured(tmp_path: Path, matrix: int, full_range: bool) -> None:
    pictures = [solid_yuv(colour, matrix, full_range) for colour in COLOURS]
    assert_colours(write_clip(tmp_path / "a.mp4", pictures, matrix=matrix, full_range=full_range))


def test_untagged_hd_is_bt709_and_sd_is_bt601(tmp_path: Path) -> None:
    for matrix, size_wh in ((1, (1280, 720)), (6, (640, 480))):
        tagged = write_clip(tmp_path / "tagged.mkv", solids(size_wh), matrix=matrix, codec="ffv1")
        with open_video(tagged) as video:
            expected = [frame.bgr[24, 32].tolist() for frame in video]
        stripped = _untag(tagged)
        with open_video(stripped) as video:
            assert video.info.colour.colour_matrix == matrix
            assert [frame.bgr[24, 32].tolist() for frame in video] == expected


def _untag(path: Path) -> Path:
    # Matroska holds the matrix in one byte behind the element id 55B1 81.
    data = bytearray(path.read_bytes())
    at = data.index(b"\x55\xb1\x81") + 3
    data[at] = 2
    stripped = path.with_name("stripped.mkv")
    stripped.write_bytes(data)
    return stripped


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("libx264", "yuv444p"),
        ("libx264", "yuv422p10le"),
        ("ffv1", "yuv420p16le"),
        ("ffv1", "bgra"),
        ("ffv1", "gbrp16le"),
        ("ffv1", "yuva420p"),
        ("mjpeg", "yuvj420p"),
    ],
)
def test_any_pixel_format(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    full = pix_fmt.startswith(("yuvj", "bgr", "gbr", "rgb"))
    assert_colours(write_clip(tmp_path / "a.mkv", solids(), codec=codec, pix_fmt=pix_fmt, full_range=full), 6)


@pytest.mark.parametrize("pix_fmt", ["gray", "gray16le"])
def test_grey(tmp_path: Path, pix_fmt: str) -> None:
    levels = [np.full((48, 64, 3), level, np.uint8) for level in (0, 60, 128, 255)]
    path = write_clip(tmp_path / "a.mkv", levels, codec="ffv1", pix_fmt=pix_fmt, full_range=True)
    with open_video(path) as video:
        read = [frame.bgr[24, 32].astype(int).tolist() for frame in video]
    np.testing.assert_allclose(read, [[level] * 3 for level in (0, 60, 128, 255)], atol=2)


def _quarters() -> np.ndarray:
    """Return 64x48: red, green in the upper half, blue, white in the lower."""
    bgr = np.zeros((48, 64, 3), np.uint8)
    bgr[:24, :32], bgr[:24, 32:], bgr[24:, :32], bgr[24:, 32:] = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)
    return bgr


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((0, 1, -1, 0), np.rot90(_quarters(), -1)),
        ((0, -1, 1, 0), np.rot90(_quarters(), 1)),
        ((-1, 0, 0, -1), np.rot90(_quarters(), 2)),
        ((-1, 0, 0, 1), _quarters()[:, ::-1]),
        ((0, 1, 1, 0), _quarters().transpose(1, 0, 2)),
    ],
    ids=["clockwise", "anticlockwise", "upside down", "mirrored", "transposed"],
)
def test_phone_videos_come_upright(tmp_path: Path, matrix: tuple[int, int, int, int], upright: np.ndarray) -> None:
    path = turn_mp4(write_clip(tmp_path / "a.mp4", [_quarters()] * 3), matrix)
    with open_video(path) as video:
        frames = list(video)
    assert len(frames) == 3
    assert frames[0].bgr.shape == upright.shape
    assert video.info.size_wh == upright.shape[1::-1]
    corners = np.ix_([8, -8], [8, -8])
    np.testing.assert_allclose(frames[0].bgr[corners].astype(int), upright[corners].astype(int), atol=12)


def test_a_size_that_changes_is_given_as_it_is(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "a.ts", [numbered_frame(i) for i in range(3)])
    second = write_clip(tmp_path / "b.ts", [numbered_frame(i, (96, 64)) for i in range(3, 6)])
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with open_video(both) as video:
        frames = list(video)
    assert [frame.bgr.shape for frame in frames] == [(48, 64, 3)] * 3 + [(64, 96, 3)] * 3
    assert [number_of(frame.bgr) for frame in frames] == list(range(6))
    assert all(b.pts > a.pts for a, b in pairwise(frames))


@pytest.mark.parametrize(
    ("stamps", "mended"),
    [
        ([0, 10, 20], [0, 10, 20]),
        ([None, None, None], [0, 10, 20]),
        ([5, None, 25], [5, 15, 25]),
        ([0, 10, 10, 9, 30], [0, 10, 11, 12, 30]),
        ([90_000, 90_010, 0, 10], [90_000, 90_010, 90_020, 90_030]),
    ],
    ids=["good", "none", "one missing", "backwards", "clock restarts"],
)
def test_stamps_are_mended(stamps: list[int | None], mended: list[int]) -> None:
    mend = mender(10, Fraction(1, 1000))
    assert [mend(stamp) for stamp in stamps] == mended


def test_leaving_early_closes_the_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 30)
    with open_video(path) as video:
        frames = iter(video)
        assert next(frames).index == 0
    assert list(frames) == []
    path.unlink()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"there is no file .*gone\.mp4"), open_video(tmp_path / "gone.mp4"):
        pass


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes.mkv"])
def test_text_is_no_video(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("call the plumber\n" * 200)
    with pytest.raises(SourceError, match=name) as caught, open_video(path):
        pass
    assert "\n" not in str(caught.value)


def test_an_empty_file_and_a_folder_are_no_videos(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for path in (tmp_path / "empty.mp4", tmp_path):
        with pytest.raises(SourceError, match="is not a video that can be read"), open_video(path):
            pass


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    code = f"import av; c = av.open({str(tmp_path / 'a.wav')!r}, 'w'); s = c.add_stream('pcm_s16le', rate=8000); "
    code += "f = av.AudioFrame('s16', 'stereo', 800); f.sample_rate = 8000; c.mux(s.encode(f)); c.close()"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(SourceError, match="holds no video stream"), open_video(tmp_path / "a.wav"):
        pass


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "a.mp4", 3).rename(tmp_path / "take:2.mp4")
    assert numbers_read(Path("take:2.mp4")) == [0, 1, 2]


def test_a_password_is_in_no_message() -> None:
    with (
        pytest.raises(SourceError, match=r"http://127\.0\.0\.1:9/a") as caught,
        open_video("http://guard:hunter2@127.0.0.1:9/a"),
    ):
        pass
    assert "hunter2" not in str(caught.value)
    # FFmpeg's own text names the whole URL.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__

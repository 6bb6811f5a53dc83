"""Sources that are cut off or damaged: what can be read is given, and what is missing is told."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import pytest

from maskinfer.engine.errors import SourceError, TruncatedSourceError
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.sources.video import open_video
from tests.helpers.clips import IN_FRONT, cut, number_of, numbers_read, write_clip


def read_until_error(path: Path) -> tuple[list[Frame], TruncatedSourceError]:
    frames: list[Frame] = []
    with pytest.raises(TruncatedSourceError) as caught, open_video(path) as video:
        frames.extend(video)
    return frames, caught.value


@pytest.mark.parametrize("b_frames", [0, 3])
def test_a_cut_mp4_gives_its_frames_and_then_tells(tmp_path: Path, b_frames: int) -> None:
    path = cut(write_clip(tmp_path / "a.mp4", 100, b_frames=b_frames, container_options=IN_FRONT), 0.6)
    frames, error = read_until_error(path)
    assert 20 < len(frames) < 90
    # The cut goes through the order of decoding, so a B-frame before the last reference may be missing.
    numbers = [number_of(frame.bgr) for frame in frames]
    assert numbers[:-4] == list(range(len(numbers) - 4))
    assert f"{len(frames)} of 100 frames could be read" in str(error)
    assert str(path) in str(error)


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_other_cut_containers_tell_too(tmp_path: Path, suffix: str) -> None:
    path = cut(write_clip(tmp_path / f"a{suffix}", 100, codec="mjpeg", pix_fmt="yuvj420p", full_range=True), 0.6)
    frames, _ = read_until_error(path)
    assert [number_of(frame.bgr) for frame in frames] == list(range(len(frames)))
    assert 40 < len(frames) < 80


KINDS: list[tuple[str, str, dict[str, str]]] = [
    (".flv", "libx264", {}),
    (".wmv", "wmv2", {}),
    (".mxf", "mpeg2video", {}),
    (".ivf", "libvpx", {}),
    (".rm", "rv10", {}),
    (".webm", "libvpx", {}),
    (".mp4", "libx264", {"movflags": "frag_keyframe+delay_moov+global_sidx+dash"}),
    (".mp4", "libx264", {"movflags": "frag_keyframe"}),
]


def _clip_of(path: Path, codec: str, options: dict[str, str], sound_s: float = 0.0) -> Path:
    sound = {".webm": "libopus", ".mxf": "pcm_s16le", ".rm": "ac3"}.get(path.suffix, "aac")
    coding = {"g": "10"} if codec == "libx264" else {}
    return write_clip(
        path, 100, codec=codec, container_options=options, options=coding,
        sound=[sound] if sound_s else [], sound_s=sound_s,
    )  # fmt: skip


@pytest.mark.parametrize(("suffix", "codec", "options"), KINDS)
def test_a_cut_of_any_container_is_told(tmp_path: Path, suffix: str, codec: str, options: dict[str, str]) -> None:
    path = _clip_of(tmp_path / f"a{suffix}", codec, options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    frames, _ = read_until_error(path)
    assert 20 < len(frames) < 90
    assert max(frame.duration or 0 for frame in frames) * frames[0].time_base < 0.1


@pytest.mark.parametrize(("suffix", "codec", "options"), KINDS)
@pytest.mark.parametrize("sound_s", [0.0, 6.0])
def test_a_whole_one_of_any_container_is_never_called_cut(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], sound_s: float
) -> None:
    if sound_s and suffix == ".ivf":
        pytest.skip("IVF holds no sound")
    path = _clip_of(tmp_path / f"a{suffix}", codec, options, sound_s)
    with open_video(path) as video:
        frames = list(video)
    assert len(frames) >= 99  # RealVideo's first frame may come twice or not
    assert max(frame.duration or 0 for frame in frames) * frames[0].time_base < 0.1


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".ts"])
@pytest.mark.parametrize("sound_s", [0.0, 0.3, 3.0])
def test_a_whole_file_is_never_called_cut(tmp_path: Path, suffix: str, sound_s: float) -> None:
    sound = ["aac"] if sound_s else []
    path = write_clip(tmp_path / f"a{suffix}", 30, sound=sound, sound_s=sound_s)
    assert numbers_read(path) == list(range(30))


def test_an_edit_that_leaves_out_frames_is_no_cut(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 50, rate=25)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12  # past version, flags and the number of entries
    assert int.from_bytes(data[at : at + 4], "big") == 2000
    data[at : at + 4] = (1000).to_bytes(4, "big")
    path.write_bytes(data)
    numbers = numbers_read(path)
    assert numbers == list(range(len(numbers)))
    assert 25 <= len(numbers) <= 27


def test_an_mp4_without_its_index_is_no_video(tmp_path: Path) -> None:
    path = cut(write_clip(tmp_path / "a.mp4", 50), 0.6)
    with pytest.raises(SourceError, match="check that it is complete"), open_video(path):
        pass


def _damage(path: Path, *indices: int) -> Path:
    """Overwrite the packets of an intra-coded clip, by their place, with zeros."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for index in indices:
        position, size = packets[index]
        start = data.index(b"\xff\xd8", position or 0)
        data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


def test_damaged_packets_in_the_middle_are_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = write_clip(tmp_path / "a.mp4", 30, codec="mjpeg", pix_fmt="yuvj420p", full_range=True)
    with caplog.at_level(logging.WARNING), open_video(_damage(clip, 7, 8, 20)) as video:
        numbers = [number_of(frame.bgr) for frame in video]
    assert numbers == [i for i in range(30) if i not in (7, 8, 20)]
    assert f"{clip}: damaged packets that had to be skipped: 3" in caplog.text


def test_a_damaged_end_is_a_cut(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 30, codec="mjpeg", pix_fmt="yuvj420p", full_range=True)
    frames, _ = read_until_error(_damage(clip, 26, 27, 28, 29))
    assert [number_of(frame.bgr) for frame in frames] == list(range(26))


def test_damage_in_every_packet_is_no_video(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 5, codec="mjpeg", pix_fmt="yuvj420p", full_range=True)
    with pytest.raises(SourceError, match="not a video that can be read"), open_video(_damage(clip, *range(5))):
        pass

"""Packets to pictures: what is met on the way is counted, and an early end is told from a whole file's."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from maskinfer.engine.sources.packets import Health, declared_end, decoded, is_cut
from tests.helpers.clips import number_of, write_clip


def read(path: Path) -> tuple[list[int], Health, bool, int]:
    """The numbers of the pictures, what was met, whether the file is cut, and the end that it declares."""
    with av.open(str(path)) as container:
        stream, health = container.streams.video[0], Health()
        step = round(1 / (stream.average_rate * stream.time_base))
        pictures = decoded(container, stream, step, health)
        numbers = [number_of(picture.to_ndarray(format="bgr24")) for picture in pictures]
        return numbers, health, is_cut(container, stream, step, health), declared_end(container, stream)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts", ".mov"])
def test_a_whole_file(tmp_path: Path, suffix: str) -> None:
    numbers, health, cut, end = read(write_clip(tmp_path / f"a{suffix}", 20, b_frames=2 if suffix != ".avi" else 0))
    assert numbers == list(range(20))
    assert (health.frames, health.packets, health.skipped, health.error, cut) == (20, 20, 0, None, False)
    assert (end > 0) == (suffix in (".mp4", ".mov", ".avi"))
    assert float(health.end_s) >= 0.8 - 1e-6


@pytest.mark.parametrize("suffix", [".mkv", ".flv"])
def test_a_file_that_is_cut_through(tmp_path: Path, suffix: str) -> None:
    whole = write_clip(tmp_path / f"a{suffix}", 40)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    numbers, health, is_early, _ = read(cut)
    assert 0 < health.frames == len(numbers) < 40
    assert is_early


def test_a_packet_that_cannot_be_decoded_is_counted_and_passed_over(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 12, codec="mjpeg", pix_fmt="yuvj420p", full_range=True)
    with av.open(str(clip)) as container:
        position, size = next((packet.pos, packet.size) for i, packet in enumerate(container.demux(video=0)) if i == 5)
    data = bytearray(clip.read_bytes())
    start = data.index(b"\xff\xd8", position or 0)
    data[start : start + size] = bytes(size)
    clip.write_bytes(data)
    numbers, health, cut, _ = read(clip)
    assert numbers == [n for n in range(12) if n != 5]
    assert (health.frames, health.packets, health.skipped, cut) == (11, 12, 1, False)


def test_what_a_decoder_holds_back_comes_at_the_end(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 9, b_frames=3)
    numbers, health, _, end = read(clip)
    assert numbers == list(range(9))
    assert health.decoded_end == health.packets_end == end

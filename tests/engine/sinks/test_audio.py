from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from maskinfer.engine.sinks.video import open_writer
from maskinfer.engine.sources.video import open_video
from tests.helpers.clips import copy, facts, write_clip


@pytest.mark.parametrize(
    ("container", "codec", "suffix"),
    [
        (".mp4", "aac", ".mp4"),
        (".mp4", "aac", ".mkv"),
        (".mp4", "aac", ".mov"),
        (".ts", "aac", ".mp4"),
        (".ts", "aac", ".mkv"),
        (".mkv", "libopus", ".mp4"),
        (".mkv", "libopus", ".mkv"),
        (".mov", "pcm_s16le", ".mov"),
        (".mkv", "libmp3lame", ".mp4"),
        (".mkv", "flac", ".mkv"),
    ],
)
def test_sound_is_copied(tmp_path: Path, container: str, codec: str, suffix: str) -> None:
    source = write_clip(tmp_path / f"a{container}", 20, sound=[codec])
    (name, before), (copied_name, after) = (
        facts(source).sounds[0],
        facts(copy(source, tmp_path / f"out{suffix}")).sounds[0],
    )
    assert copied_name == name
    adts = 7 if container == ".ts" else 0  # the header of each packet, which MP4 and Matroska keep once
    assert [data for _, data in after] == [data[adts:] for _, data in before]
    shift = float(after[0][0] - before[0][0])
    assert [float(time) for time, _ in after] == pytest.approx([float(time) + shift for time, _ in before], abs=0.002)


@pytest.mark.parametrize(
    ("container", "codec", "suffix"),
    [
        (".avi", "pcm_s16le", ".mp4"),
        (".mkv", "pcm_s16le", ".mp4"),
        (".mkv", "libopus", ".mov"),
        (".avi", "pcm_u8", ".mkv"),
    ],
)
def test_other_sound_becomes_aac(tmp_path: Path, container: str, codec: str, suffix: str) -> None:
    source = write_clip(tmp_path / f"a{container}", 20, sound=[codec], sound_s=0.8)
    out = copy(source, tmp_path / f"out{suffix}")
    assert facts(out).sounds[0][0] == "aac"
    assert facts(out).numbers == list(range(20))
    assert _seconds_of_tone(out) == pytest.approx(0.8, abs=0.06)


def _seconds_of_tone(path: Path) -> float:
    with av.open(str(path)) as container:
        loud = [np.abs(frame.to_ndarray()).max() > 0.1 for frame in container.decode(audio=0)]
        return sum(loud) * 1024 / container.streams.audio[0].rate


def test_all_sound_tracks_are_kept(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", 20, sound=["aac", "pcm_s16le", "libopus"])
    assert [name for name, _ in facts(copy(source, tmp_path / "out.mp4")).sounds] == ["aac", "aac", "opus"]


def test_sound_longer_than_the_pictures_is_kept(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", 10, sound=["aac"], sound_s=3.0)
    before, after = facts(source), facts(copy(source, tmp_path / "out.mp4"))
    assert after.sounds == before.sounds


def test_damaged_sound_does_not_lose_the_video(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", 40, sound=["aac"], sound_s=1.6)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(source.read_bytes()[:-2000])
    out = tmp_path / "out.mp4"
    with open_video(source) as video, open_writer(out, video.info, audio_from=broken) as writer:
        for frame in video:
            writer.write(frame.bgr, frame.pts, frame.time_base, frame.duration)
    assert facts(out).numbers == list(range(40))

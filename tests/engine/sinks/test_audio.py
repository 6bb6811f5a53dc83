from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskinfer.engine.sinks.video import open_writer
from maskinfer.engine.sources.video import open_video
from tests.helpers.clips import copy, facts, join, seconds_of_tone, write_clip


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
    assert seconds_of_tone(out) == pytest.approx(0.8, abs=0.06)


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


@pytest.mark.parametrize(("codec", "kind"), [("mp2", (44_100, "stereo")), ("aac", (44_100, "mono")), ("aac", None)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_recordings_joined_as_bytes_keep_pictures_and_sound(
    tmp_path: Path, codec: str, kind: tuple[int, str] | None, suffix: str
) -> None:
    first = write_clip(tmp_path / "a.ts", 50, sound=[codec], sound_s=2.0, sound_kind=(48_000, "mono"))
    second = first
    if kind is not None:
        second = write_clip(tmp_path / "b.ts", 50, sound=[codec], sound_s=2.0, sound_kind=kind)
    out = copy(join(tmp_path / "joined.ts", first, second), tmp_path / f"out{suffix}")
    after = facts(out)
    assert after.numbers == [*range(50), *range(50)]
    assert after.duration_s == pytest.approx(4.0, abs=0.1)
    assert seconds_of_tone(out) == pytest.approx(4.0, abs=0.15)
    (_, packets) = after.sounds[0]
    assert float(packets[-1][0]) == pytest.approx(4.0, abs=0.15)


@pytest.mark.parametrize("suffix", [".webm", ".mkv"])
def test_sound_of_a_file_that_states_no_length_is_kept(tmp_path: Path, suffix: str) -> None:
    codecs = ("libvpx", "libopus") if suffix == ".webm" else ("libx264", "aac")
    source = write_clip(
        tmp_path / f"a{suffix}", 40, codec=codecs[0], sound=[codecs[1]], sound_s=1.6, container_options={"live": "1"}
    )
    with open_video(source) as video:
        assert video.info.duration_s is None
    out = copy(source, tmp_path / "out.mp4")
    assert facts(out).numbers == list(range(40))
    assert seconds_of_tone(out) == pytest.approx(1.6, abs=0.1)


def test_sound_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", 10, sound=["aac"])
    other = tmp_path / "gone.mkv"
    other.write_bytes(b"no video")
    with open_video(source) as video, open_writer(tmp_path / "out.mp4", video.info, audio_from=other) as writer:
        for frame in video:
            writer.write(frame.bgr, frame.pts, frame.time_base, frame.duration)
    assert facts(tmp_path / "out.mp4").numbers == list(range(10))
    assert len(writer.problems) == 1
    assert "gone.mkv: its sound is lost" in writer.problems[0]


def test_the_sound_of_a_pipe_is_told_to_be_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write_clip(tmp_path / "a.mkv", 10, sound=["aac"])
    with open_video(source) as video, open_writer(tmp_path / "out.mp4", video.info, audio_from="-") as writer:
        for frame in video:
            writer.write(frame.bgr, frame.pts, frame.time_base, frame.duration)
    assert f"{source}: its sound is left out" in caplog.text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_sound_that_no_loudspeaker_plays_hangs_no_encoder(tmp_path: Path, value: float) -> None:
    source = write_clip(tmp_path / "a.mkv", 10, sound=["pcm_f32le"], sound_s=0.4)
    data = bytearray(source.read_bytes())
    data[-6000:-4000] = np.full(500, value, np.float32).tobytes()  # in the sound, which comes last
    source.write_bytes(data)
    assert facts(copy(source, tmp_path / "out.mp4")).numbers == list(range(10))


def test_a_track_without_a_packet_loses_nothing(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", 10, sound=["ac3", "aac"], sound_s=0.0)
    assert facts(copy(source, tmp_path / "out.mp4")).numbers == list(range(10))

"""Decoding by hardware: what is named does the work, or is an error in one line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel

import maskinfer
from maskinfer.commands.groups.models import DECODER_NAMES
from maskinfer.engine.errors import MaskinferError, RequestError, SourceError
from maskinfer.engine.frames.colour import picture_maker
from maskinfer.engine.sources.decoder import DECODERS, accelerator, check_decoder
from maskinfer.engine.sources.video import open_video
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.helpers.clips import turn_mp4, write_clip
from tests.helpers.own_models import LightClassifier, RedDetector


def works(decoder: str) -> bool:
    try:
        check_decoder(decoder)
    except RequestError:
        return False
    return True


HERE = [name for name in DECODERS[1:] if works(name)]
MISSING = [name for name in DECODERS[1:] if name not in HERE]


def test_the_names_are_those_that_the_command_offers() -> None:
    assert DECODER_NAMES == DECODERS


def test_a_decoder_that_is_not_there_is_told_and_nothing_is_begun(tmp_path: Path) -> None:
    assert MISSING, "no machine has them all"
    clip, out = write_clip(tmp_path / "clip.mp4", 3), tmp_path / "out.mp4"
    for name in MISSING:
        with pytest.raises(RequestError, match=f"the decoder {name} does not work here .*leave out --decoder"):
            maskinfer.load(RedDetector(), LightClassifier(), decoder=name)
        with (
            pytest.raises(RequestError, match=f"the decoder {name} does not work here"),
            open_video(clip, decoder=name),
        ):
            pass
    with pytest.raises(RequestError, match="there is no decoder 'gpu': choose from cpu, cuda"):
        maskinfer.load(RedDetector(), LightClassifier(), decoder="gpu")
    check_error(run_maskinfer("video", clip, "-o", out, "--decoder", MISSING[0]), 2, "does not work here")
    results = tmp_path / "results.jsonl"
    results.write_text("")
    check_error(run_maskinfer("render", clip, results, "-o", out, "--decoder", MISSING[0]), 2, "does not work here")
    done = run_maskinfer("video", tmp_path, "-o", tmp_path / "o", "--decoder", MISSING[0])
    check_error(done, 2, "does not work here")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "results.jsonl"]


def test_no_device_falls_back_to_the_cpu_in_silence(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3)
    device = accelerator("cuda")
    assert not device.allow_software_fallback
    assert not device.is_hw_owned, "pictures come to main memory"
    if "cuda" in HERE:
        with av.open(str(clip), hwaccel=device) as container:
            assert container.streams.video[0].codec_context.is_hwaccel
        return
    with pytest.raises(av.error.FFmpegError):
        av.open(str(clip), hwaccel=device)
    with pytest.raises(NotImplementedError):
        HWAccel("mediacodec", allow_software_fallback=False).create(av.Codec("h264", "r"))


def picture_of(planes: list[np.ndarray], kind: str, colour_range: int) -> av.VideoFrame:
    frame = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], kind)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[: values.shape[0], : values.shape[1]] = values
    frame.color_range = colour_range
    return frame


@pytest.mark.parametrize("colour_range", [1, 2])
@pytest.mark.parametrize("size_wh", [(64, 48), (63, 47)])
def test_pictures_of_hardware_are_those_of_the_cpu(size_wh: tuple[int, int], colour_range: int) -> None:
    rng, (width, height) = np.random.default_rng(7), size_wh
    half = (height + 1) // 2, (width + 1) // 2
    y, u, v = (rng.integers(16, 236, shape, dtype=np.uint8) for shape in ((height, width), half, half))
    make = picture_maker()
    of_cpu = make(picture_of([y, u, v], "yuv420p", colour_range))
    of_device = make(picture_of([y, np.stack([u, v], -1).reshape(half[0], -1)], "nv12", colour_range))
    assert len(of_cpu.arrays()) == (3 if colour_range == 1 and width % 2 == 0 else 1)
    assert all((a == b).all() for a, b in zip(of_cpu.arrays(), of_device.arrays(), strict=True))


def read(clip: Path, decoder: str) -> tuple[list[tuple[int, Fraction | None]], list[np.ndarray]]:
    with open_video(clip, decoder=decoder) as video:
        frames = list(video)
    return [(frame.pts, frame.time_base) for frame in frames], [frame.bgr for frame in frames]


@pytest.mark.skipif(not HERE, reason="no hardware that decodes is here")
@pytest.mark.parametrize("kind", ["h264", "hevc", "full range", "turned"])
def test_hardware_gives_the_same_frames(tmp_path: Path, kind: str) -> None:
    codec = "libx265" if kind == "hevc" else "libx264"
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(20, 0).repeat(20, 1) for _ in range(12)]
    clip = write_clip(tmp_path / "clip.mp4", pictures, codec=codec, b_frames=2, full_range=kind == "full range")
    if kind == "turned":
        turn_mp4(clip, (0, 1, -1, 0))
    (times, frames), (others, device) = read(clip, "cpu"), read(clip, HERE[0])
    assert times == others
    assert len(frames) == 12
    assert all((a == b).all() for a, b in zip(frames, device, strict=True))


@pytest.mark.skipif(not HERE, reason="no hardware that decodes is here")
def test_what_hardware_cannot_decode_is_told(tmp_path: Path) -> None:
    for name, codec, pix_fmt in (("a.flv", "flv", "yuv420p"), ("b.mp4", "libx264", "yuv444p")):
        clip = write_clip(tmp_path / name, 3, codec=codec, pix_fmt=pix_fmt)
        with pytest.raises(SourceError, match=f"{name} cannot be decoded by {HERE[0]}"):
            read(clip, HERE[0])
    with pytest.raises(MaskinferError, match="there is no file"):
        read(tmp_path / "none.mp4", HERE[0])

"""Tiny real clips for the tests, made with PyAV; every frame says which it is."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.container import OutputContainer

from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.video import open_writer
from maskinfer.engine.sources.video import open_video

_BITS = 8
RATE_HZ = 48_000


def numbered_frame(index: int, size_wh: tuple[int, int] = (64, 48)) -> BGRFrame:
    """Return a frame whose upper half shows ``index`` as eight black or white columns, on grey."""
    width, height = size_wh
    bgr = np.full((height, width, 3), 96, np.uint8)
    for bit in range(_BITS):
        bgr[: height // 2, bit * width // _BITS : (bit + 1) * width // _BITS] = 255 * (index >> bit & 1)
    return bgr


def number_of(bgr: BGRFrame) -> int:
    """Return the index that ``numbered_frame`` wrote into a frame."""
    height, width = bgr.shape[:2]
    columns = [(2 * bit + 1) * width // (2 * _BITS) for bit in range(_BITS)]
    return sum(int(bgr[height // 4, x].mean() > 128) << bit for bit, x in enumerate(columns))


def write_clip(
    path: Path,
    frames: Sequence[BGRFrame | av.VideoFrame] | int = 20,
    *,
    rate: int = 25,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    b_frames: int = 0,
    matrix: int = 2,
    full_range: bool = False,
    tag_range: bool = True,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    sound: Sequence[str] = (),
    sound_s: float = 0.8,
    sound_start_s: float = 0.0,
    sound_kind: tuple[int, str] = (RATE_HZ, "stereo"),
    pixel_aspect: Fraction | None = None,
    transfer: int = 2,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a clip and return its path; the suffix names the container.

    Args:
        path: where to.
        frames: their pixels, BGR or as they are stored, or how many numbered ones.
        rate: frames per second.
        pts: presentation times in ticks of ``time_base``; evenly spaced by default.
        time_base: seconds per tick; 1/rate by default.
        codec: of the pictures.
        pix_fmt: that they are stored in.
        b_frames: in a row.
        matrix: H.273 code of the YUV matrix, converted with and tagged; 2 leaves it to swscale, untagged.
        full_range: rather than the studio range.
        tag_range: say so in the stream.
        options: of the encoder.
        container_options: of the muxer.
        sound: codec of each sound track, a tone.
        sound_s: its length in seconds.
        sound_start_s: where it begins.
        sound_kind: its samples per second, and its layout.
        pixel_aspect: width of a pixel over its height.
        transfer: H.273 code of the transfer characteristic, only tagged.
        metadata: of the container.
    """
    pictures = [numbered_frame(i) for i in range(frames)] if isinstance(frames, int) else list(frames)
    first = pictures[0]
    width, height = (first.width, first.height) if isinstance(first, av.VideoFrame) else first.shape[1::-1]
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        encoder_options = {"bf": str(b_frames), "b_strategy": "0", "crf": "10"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=rate, options=encoder_options | (options or {}))
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.time_base = time_base or Fraction(1, rate)
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_trc = transfer
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if tag_range:
            stream.codec_context.color_range = 2 if full_range else 1
        tracks = [container.add_stream(name, rate=sound_kind[0], layout=sound_kind[1]) for name in sound]
        for i, picture in enumerate(pictures):
            frame = picture
            if not isinstance(frame, av.VideoFrame):
                frame = _picture(frame, pix_fmt, matrix, full_range)
            frame.pts = i if pts is None else pts[i]
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for track in tracks:
            _write_tone(container, track, sound_s, sound_start_s, sound_kind)
    return path


def _picture(bgr: BGRFrame, pix_fmt: str, matrix: int, full_range: bool) -> av.VideoFrame:
    # swscale knows both kinds of BT.601 as 5.
    colours: dict[str, Any] = {"dst_color_range": 2 if full_range else 1}
    if matrix != 2:
        colours["dst_colorspace"] = 5 if matrix == 6 else matrix
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), format="bgr24")
    return frame.reformat(format=pix_fmt, **colours)


_KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def solid_yuv(
    bgr: tuple[int, int, int], matrix: int, full_range: bool, size_wh: tuple[int, int] = (64, 48)
) -> av.VideoFrame:
    """Return a yuv420p picture of one colour, computed by the definition of its H.273 matrix."""
    blue, green, red = (value / 255 for value in bgr)
    kr, kb = _KR_KB[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chromas = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    offset, luma_levels, chroma_levels = (0, 255, 255) if full_range else (16, 219, 224)
    values = [offset + luma_levels * luma, *(128 + chroma_levels * chroma for chroma in chromas)]
    frame = av.VideoFrame(*size_wh, "yuv420p")
    for plane, value in zip(frame.planes, values, strict=True):
        plane.update(bytes([round(value)]) * plane.buffer_size)
    return frame


def _write_tone(
    container: OutputContainer, track: av.AudioStream, length_s: float, start_s: float, kind: tuple[int, str]
) -> None:
    for frame in _tone(length_s, start_s, *kind):
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


def _tone(length_s: float, start_s: float, rate_hz: int, layout: str) -> Iterator[av.AudioFrame]:
    times_s = np.arange(int(length_s * rate_hz)) / rate_hz
    wave = (8000 * np.sin(2 * np.pi * 440 * times_s)).astype(np.int16)
    channels = av.AudioLayout(layout).nb_channels
    for first in range(0, len(wave), 960):
        part = np.repeat(wave[first : first + 960], channels)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="s16", layout=layout)
        frame.sample_rate = rate_hz
        frame.pts, frame.time_base = first + round(start_s * rate_hz), Fraction(1, rate_hz)
        yield frame


def join(out: Path, *parts: Path) -> Path:
    """Put files one behind the other, as bytes, and return the path."""
    out.write_bytes(b"".join(part.read_bytes() for part in parts))
    return out


def seconds_of_tone(path: Path) -> float:
    """Return how long the first sound track is heard; a hum or a pause does not count."""
    with av.open(str(path), metadata_errors="replace") as container:
        heard = 0.0
        for frame in container.decode(audio=0):
            heard += float((np.abs(frame.to_ndarray()).max() > 0) * frame.samples / frame.sample_rate)
    return heard


def turn_mp4(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Give the first track of an MP4 the display matrix a, b, c, d, as phones do; each is -1, 0 or 1."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    start = data.index(b"tkhd") + 4 + 40  # past version, times, ids, layer and volume
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def cut(path: Path, fraction: float) -> Path:
    """Keep the first part of a file's pictures; an MP4 has to have its index in front."""
    data = path.read_bytes()
    start = max(0, data.find(b"mdat"))
    path.write_bytes(data[: start + int((len(data) - start) * fraction)])
    return path


IN_FRONT = {"movflags": "+faststart"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a container holds, read with PyAV alone.

    Attributes:
        times: of the frames, in seconds, in order of presentation.
        numbers: of the frames.
        duration_s: of the video stream, or of the film where the container knows no other.
        sounds: per track its codec and the time and bytes of each packet.
    """

    times: list[Fraction]
    numbers: list[int]
    duration_s: float
    sounds: list[tuple[str, list[tuple[Fraction, bytes]]]]


def readable(path: Path) -> int:
    """Return how many frames can be read before the file's end cuts one."""
    count = 0
    with av.open(str(path)) as film, suppress(av.error.InvalidDataError):
        for _ in film.decode(video=0):
            count += 1
    return count


def facts(path: Path) -> Facts:
    """Read everything of a clip that a copy has to keep."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        duration_s = float(stream.duration * stream.time_base) if stream.duration else container.duration / 1e6
        pictures = [(frame.pts * stream.time_base, frame) for frame in container.decode(stream)]
        numbers = [number_of(frame.to_ndarray(format="bgr24")) for _, frame in pictures]
    return Facts([time for time, _ in pictures], numbers, duration_s, _sounds(path))


def _sounds(path: Path) -> list[tuple[str, list[tuple[Fraction, bytes]]]]:
    with av.open(str(path)) as container:
        tracks: dict[int, tuple[str, list[tuple[Fraction, bytes]]]] = {
            stream.index: (stream.codec_context.codec.canonical_name, []) for stream in container.streams.audio
        }
        for packet in container.demux():
            if packet.stream_index in tracks and packet.size:
                tracks[packet.stream_index][1].append((packet.pts * packet.time_base, bytes(packet)))
    return list(tracks.values())


def numbers_read(path: Path) -> list[int]:
    """Return the numbers of the frames that ``open_video`` gives."""
    with open_video(path) as video:
        return [number_of(frame.bgr) for frame in video]


def copy(source: Path, out: Path, **options: Any) -> Path:
    """Read a video and write it as it is, with its sound; return ``out``."""
    with open_video(source) as video, open_writer(out, video.info, audio_from=source, **options) as writer:
        for frame in video:
            writer.write(frame.bgr, frame.pts, frame.time_base, frame.duration)
    return out

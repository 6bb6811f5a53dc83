"""The sound of a video, carried over into another: copied where the container takes it, else made AAC."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
from av.container import InputContainer, OutputContainer

from maskinfer.engine.files.urls import public_name

_log = logging.getLogger(__name__)
_COPIED = {
    ".mp4": {"aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_f32le"},
    ".mkv": {"aac", "mp3", "opus", "vorbis", "flac", "ac3", "eac3", "alac", "dts", "truehd", "pcm_s16le", "pcm_s24le"},
}
_AAC_RATES_HZ = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
_AAC_BITS_PER_CHANNEL = 80_000


class Lane(Protocol):
    """One sound track on its way from the source to the output."""

    def __call__(self, packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
        """Return the output's packets for the source's next one, or the last ones for None."""


@contextmanager
def open_sound(
    source: str | Path, sink: OutputContainer, suffix: str, start_s: Fraction
) -> Iterator[Iterator[av.Packet[Any]]]:
    """Add the sound tracks of ``source`` to ``sink`` and give their packets, ready for muxing, in order.

    The source's damage ends or thins the sound and is logged; it raises nothing.

    Args:
        source: a video file; one without sound adds nothing.
        sink: the output, before its first packet.
        suffix: .mp4, .mov or .mkv; decides which codecs are copied.
        start_s: taken off every time.
    """
    try:
        container = av.open(str(source) if "://" in str(source) else str(Path(source).absolute()))
    except av.error.FFmpegError as error:
        _log.warning("%s: no sound: %s", public_name(str(source)), error.strerror)
        yield iter(())
        return
    with container:
        lanes = {
            stream.index: _lane(stream, sink, suffix, start_s)
            for stream in container.streams.audio
            if stream.codec_context is not None and stream.codec_context.sample_rate
        }
        packets = _packets(container, lanes, public_name(str(source)))
        yield packets
        packets.close()


def _packets(container: InputContainer, lanes: dict[int, Lane], name: str) -> Generator[av.Packet[Any], None, None]:
    if not lanes:
        return
    try:
        for packet in container.demux(*(container.streams[index] for index in lanes)):
            if packet.size and not packet.is_corrupt:
                yield from lanes[packet.stream_index](packet)
    except av.error.FFmpegError as error:
        _log.warning("%s: the sound ends early: %s", name, error.strerror)
    for lane in lanes.values():
        yield from lane(None)


def _lane(stream: av.AudioStream, sink: OutputContainer, suffix: str, start_s: Fraction) -> Lane:
    lane = None
    if _codec(stream) in _COPIED[suffix]:
        lane = _copying(stream, sink, start_s)
    return lane or _transcoding(stream, sink, start_s)


def _codec(stream: av.AudioStream) -> str:
    # A decoder may be called otherwise than its codec: libopus, mp3float.
    name = stream.codec_context.codec.canonical_name
    return {"mp3float": "mp3", "libopus": "opus", "libvorbis": "vorbis", "dca": "dts"}.get(name, name)


def _copying(stream: av.AudioStream, sink: OutputContainer, start_s: Fraction) -> Lane | None:
    try:
        track = sink.add_stream_from_template(stream)
    except (ValueError, av.error.FFmpegError):
        return None
    _name_track(stream, track)
    shift = round(start_s / (stream.time_base or Fraction(1)))
    last_dts: int | None = None

    def copy(packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
        nonlocal last_dts
        if packet is None or packet.pts is None or packet.dts is None:
            return []
        dts = packet.dts - shift
        if last_dts is not None and dts <= last_dts:  # muxers refuse to go backwards
            dts = last_dts + 1
        packet.pts = max(packet.pts - shift, dts)
        packet.dts = last_dts = dts
        packet.stream = track
        return [packet]

    return copy


def _transcoding(stream: av.AudioStream, sink: OutputContainer, start_s: Fraction) -> Lane:
    source = stream.codec_context
    rate_hz = source.sample_rate if source.sample_rate in _AAC_RATES_HZ else 48_000
    # By their number: the sound of an AVI names no speakers, and the encoder wants names.
    layout = {1: "mono", 6: "5.1"}.get(source.layout.nb_channels, "stereo")
    track = sink.add_stream("aac", rate=rate_hz)
    track.codec_context.layout = layout
    track.codec_context.bit_rate = _AAC_BITS_PER_CHANNEL * track.codec_context.layout.nb_channels
    track.codec_context.time_base = Fraction(1, rate_hz)
    _name_track(stream, track)

    def transcode(packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
        packets: list[av.Packet[Any]] = []
        for frame in _decoded(stream, packet):
            if frame.pts is not None and frame.time_base:
                frame.pts -= round(start_s / frame.time_base)
            packets += track.encode(frame)  # which resamples
        return packets if packet is not None else packets + track.encode(None)

    return transcode


def _decoded(stream: av.AudioStream, packet: av.Packet[Any] | None) -> list[av.AudioFrame]:
    try:
        return stream.codec_context.decode(packet)
    except av.error.FFmpegError:  # damaged: a gap in the sound
        return []


def _name_track(stream: av.AudioStream, track: av.AudioStream) -> None:
    track.metadata.update({key: value for key, value in stream.metadata.items() if key in ("language", "title")})

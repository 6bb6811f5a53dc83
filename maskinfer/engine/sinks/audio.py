"""The sound of a video, carried over into another: copied where the container takes it, else made AAC.

Whatever is wrong with the sound, the pictures are none the worse for it; sound that is lost is told.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
import numpy as np
from av.container import InputContainer, OutputContainer

from maskinfer.engine.errors import OnError
from maskinfer.engine.files.urls import public_name
from maskinfer.engine.sources.timestamps import clock_of

_log = logging.getLogger(__name__)
FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""The containers that are written, by their suffix."""
_COPIED = {
    ".mp4": {"aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_f32le"},
    ".mkv": {"aac", "mp3", "opus", "vorbis", "flac", "ac3", "eac3", "alac", "dts", "truehd", "pcm_s16le", "pcm_s24le"},
}
_AAC_RATES_HZ = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
_AAC_BITS_PER_CHANNEL = 80_000
_TRIED_PACKETS = 8
_OVERLAP_S = Fraction(1, 10)
"""Sound that begins before the last one ended is pressed together if it is so little, and left out if it is more."""
_LOSS_TOLD_S = 0.5
_FAULTS = (av.error.FFmpegError, ValueError, TypeError)
# Formats in which recordings are joined as bytes, so that the sound may become another in the middle; and of their
# codecs, which bits of a packet's header say its rate and channels.
_JOINABLE = {"mpegts", "mpeg", "flv"}
_ADTS_MASK = (0xFF, 0xF0, 0xFD, 0xC0)
_HEADER_MASKS = {"aac": _ADTS_MASK, "mp3": (0xFF, 0xFE, 0x0C, 0xC0), "ac3": (0xFF, 0xFF, 0, 0, 0xC0, 0, 0xE0)}


class Lane(Protocol):
    """One sound track on its way from the source to the output."""

    def __call__(self, packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
        """Return the output's packets for the source's next one, or the last ones for None."""


@contextmanager
def open_sound(
    source: str | Path, sink: OutputContainer, suffix: str, start_s: Fraction, on_error: OnError
) -> Iterator[Iterator[av.Packet[Any]]]:
    """Add the sound tracks of ``source`` to ``sink`` and give their packets, ready for muxing, in order.

    The source's damage ends or thins the sound and is told; it raises nothing.

    Args:
        source: a video file; one without sound adds nothing.
        sink: the output, before its first packet.
        suffix: .mp4, .mov or .mkv; decides which codecs are copied.
        start_s: taken off every time.
        on_error: called with a line for sound that is lost.
    """
    name = public_name(str(source))
    path = str(source) if "://" in str(source) else str(Path(source).absolute())
    try:
        container = av.open(path, metadata_errors="replace")
    except _FAULTS as error:
        on_error(f"{name}: its sound is lost: {_reason(error)}")
        yield iter(())
        return
    with container:
        lanes = {}
        for stream in container.streams.audio:
            if stream.codec_context is None or not stream.codec_context.sample_rate:
                on_error(f"{name}: a sound track is lost: there is no decoder for it, or it is empty")
            else:
                lanes[stream.index] = _lane(path, stream, sink, suffix, start_s)
        packets = _packets(container, lanes, name, on_error)
        yield packets
        packets.close()


def _packets(
    container: InputContainer, lanes: dict[int, Lane], name: str, on_error: OnError
) -> Generator[av.Packet[Any], None, None]:
    if not lanes:
        return
    clock = clock_of(container)
    lost_s = Fraction(0)
    try:
        # All streams, since the clock of the sound is mended by that of the pictures.
        for packet in container.demux():
            if not packet.size or packet.stream.type not in ("audio", "video"):
                continue
            clock.place(packet)
            if packet.stream_index not in lanes:
                continue
            length_s = (packet.duration or 0) * (packet.time_base or Fraction(0))
            try:
                if packet.is_corrupt and not clock.is_broadcast:
                    raise av.error.InvalidDataError(0, "a damaged packet")
                packets = lanes[packet.stream_index](packet)
            except _FAULTS:
                lost_s += length_s
                continue
            yield from packets
    except _FAULTS as error:
        on_error(f"{name}: its sound ends early: {_reason(error)}")
    for lane in lanes.values():
        try:
            packets = lane(None)
        except _FAULTS:
            continue
        yield from packets
    if lost_s >= _LOSS_TOLD_S:
        on_error(f"{name}: {float(lost_s):.1f} s of its sound are lost: damaged, or at times that are taken")
    elif lost_s:
        _log.warning("%s: %.2f s of its sound are lost", name, lost_s)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _lane(path: str, stream: av.AudioStream, sink: OutputContainer, suffix: str, start_s: Fraction) -> Lane:
    if _codec(stream) in _COPIED[suffix] and _can_be_copied(path, stream.index, suffix):
        return _copying(stream, sink, start_s)
    return _transcoding(stream, sink, start_s)


def _codec(stream: av.AudioStream) -> str:
    # A decoder may be called otherwise than its codec: libopus, mp3float.
    name = stream.codec_context.codec.canonical_name
    return {"mp3float": "mp3", "libopus": "opus", "libvorbis": "vorbis", "dca": "dts"}.get(name, name)


def _can_be_copied(path: str, index: int, suffix: str) -> bool:
    """Try a track's first packets in a container of the kind, and see whether it stays the same to its end."""
    try:
        with av.open(path, metadata_errors="replace") as container:
            stream = container.streams[index]
            with av.open(io.BytesIO(), "w", format=FORMATS[suffix]) as trial:
                track = trial.add_stream_from_template(stream)
                for count, packet in enumerate(container.demux(stream)):
                    if count == _TRIED_PACKETS:
                        break
                    if packet.size and packet.pts is not None:
                        packet.pts = packet.dts = packet.duration * count if packet.duration else count
                        packet.stream = track
                        trial.mux(packet)
        return _is_same_throughout(path, index)
    except _FAULTS:
        return False


def _is_same_throughout(path: str, index: int) -> bool:
    with av.open(path, metadata_errors="replace") as container:
        stream = container.streams[index]
        mask = _HEADER_MASKS.get(_codec(stream))  # type: ignore[arg-type]
        if mask is None or not _JOINABLE & set(container.format.name.split(",")):
            return True
        first: bytes | None = None
        for packet in container.demux(stream):
            header = bytes(a & b for a, b in zip(bytes(packet)[: len(mask)], mask, strict=False))
            if len(header) < len(mask) or header[0] != mask[0]:  # such as FLV's AAC, whose packets have no header
                continue
            first = header if first is None else first
            if header != first:
                return False
    return True


def _copying(stream: av.AudioStream, sink: OutputContainer, start_s: Fraction) -> Lane:
    track = sink.add_stream_from_template(stream)
    _name_track(stream, track)
    tick_s = stream.time_base or Fraction(1)
    shift = round(start_s / tick_s)
    in_order = _orderer(tick_s)

    def copy(packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
        if packet is None or packet.pts is None or packet.dts is None:
            return []
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        in_order(packet)
        packet.stream = track
        return [packet]

    return copy


def _orderer(tick_s: Fraction) -> Callable[[av.Packet[Any]], None]:
    """Return what makes the times of a track's packets go forward, which muxers insist on.

    It raises ValueError for a packet that comes too early by more than ``_OVERLAP_S``.
    """
    last_dts: int | None = None

    def put_in_order(packet: av.Packet[Any]) -> None:
        nonlocal last_dts
        dts = packet.dts or 0
        if last_dts is not None and dts <= last_dts:
            if (last_dts - dts) * tick_s > _OVERLAP_S:
                raise ValueError("it overlaps what came before")
            dts = last_dts + 1
        packet.pts = dts if packet.pts is None else max(packet.pts, dts)
        packet.dts = last_dts = dts

    return put_in_order


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
    resample = _resampler(layout, rate_hz)
    in_order = _orderer(Fraction(1, rate_hz))

    def transcode(packet: av.Packet[Any] | None) -> list[av.Packet[Any]]:
        packets: list[av.Packet[Any]] = []
        for frame in _decoded(stream, packet):
            if frame.pts is not None and frame.time_base:
                frame.pts -= round(start_s / frame.time_base)
            packets += [made for part in resample(frame) for made in track.encode(part)]
        if packet is None:
            packets += [made for part in resample(None) for made in track.encode(part)] + track.encode(None)
        for made in packets:
            in_order(made)
        return packets

    return transcode


Resample = Callable[[av.AudioFrame | None], list[av.AudioFrame]]


def _resampler(layout: str, rate_hz: int) -> Resample:
    """Return a function that gives sound of any kind, which may change in the middle, as the encoder wants it."""
    kind: tuple[object, ...] | None = None
    resampler: av.AudioResampler | None = None

    def resample(frame: av.AudioFrame | None) -> list[av.AudioFrame]:
        nonlocal kind, resampler
        is_new = frame is None or (frame.format.name, frame.layout.name, frame.sample_rate) != kind
        made = resampler.resample(None) if resampler is not None and is_new else []
        if frame is None:
            resampler = None
        elif is_new:
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            resampler = av.AudioResampler("fltp", layout, rate_hz)
        if resampler is not None:
            made += resampler.resample(frame)
        return [_encodable(part, rate_hz) for part in made]

    return resample


def _encodable(part: av.AudioFrame, rate_hz: int) -> av.AudioFrame:
    """Return sound in ticks of its rate, without what no loudspeaker plays, over which the encoder hangs."""
    pts = part.pts
    if pts is not None and part.time_base:  # some keep the source's ticks
        pts = round(pts * part.time_base * rate_hz)
    samples = part.to_ndarray()
    if not np.abs(samples).max(initial=0) <= 1:  # not so for NaN either
        clean = np.clip(np.nan_to_num(samples), -1, 1)
        part = av.AudioFrame.from_ndarray(clean, format=part.format.name, layout=part.layout.name)
        part.sample_rate = rate_hz
    part.pts, part.time_base = pts, Fraction(1, rate_hz)
    return part


def _decoded(stream: av.AudioStream, packet: av.Packet[Any] | None) -> list[av.AudioFrame]:
    try:
        return stream.codec_context.decode(packet)
    except av.error.EOFError:
        return []


def _name_track(stream: av.AudioStream, track: av.AudioStream) -> None:
    track.metadata.update({key: value for key, value in stream.metadata.items() if key in ("language", "title")})

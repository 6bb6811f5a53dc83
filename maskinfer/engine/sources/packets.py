"""Packets of a video to pictures, past damage; and whether the source ended before its declared end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer

from maskinfer.engine.sources.timestamps import Clock

_MAX_FAILURES = 50
"""So many reading errors in a row are no damage in the middle but the end."""
# Formats whose header states how long they are.
_DECLARE_LENGTH = {"mp4", "matroska", "flv", "asf", "rm", "pmp", "mxf", "ivf", "wtv"}
# And those of which every stream states that.
_DECLARE_STREAMS = {"mp4", "avi"}
_TIMED = ("video", "audio")
_TOLERANCE_S = 0.25
"""Where a container declares its length loosely, an end that comes earlier by less is none too early."""


@dataclass(slots=True)
class Health:
    """What was met while a video was read; it grows while the reading goes on.

    Attributes:
        frames: pictures decoded.
        packets: packets of the video stream that were whole.
        skipped: damaged packets that were left out.
        error: why the reading ended, when it was not the end of the source.
        decoded_end: end of the last picture, in ticks of the stream, if it lasts a usual step.
        packets_end: end of the last video packet, in ticks of the stream.
        end_s: end of the last packet of any stream, in seconds.
        is_last_cut: the last packet of the video stream was not whole, or could not be decoded.
        clock: that the packets' times are on.
    """

    frames: int = 0
    packets: int = 0
    skipped: int = 0
    error: str | None = None
    decoded_end: int = 0
    packets_end: int = 0
    end_s: Fraction = Fraction(0)
    is_last_cut: bool = False
    clock: Clock = field(default_factory=lambda: Clock(False))


def decoded(
    container: InputContainer, stream: av.VideoStream, step: int, health: Health
) -> Generator[av.VideoFrame, None, None]:
    """Yield every picture of ``stream`` that can be decoded, in order of presentation.

    Args:
        container: to read from.
        stream: of the container.
        step: usual distance of two pictures in ticks.
        health: told of what is met.
    """
    for packet in _packets(container, stream, health):
        try:
            pictures = stream.codec_context.decode(packet)
        except av.error.EOFError:
            continue
        except av.error.FFmpegError:
            health.skipped += 1
            health.is_last_cut = not health.clock.is_broadcast
            continue
        for picture in pictures:
            health.frames += 1
            health.is_last_cut = False
            if picture.pts is not None:
                health.decoded_end = max(health.decoded_end, picture.pts + step)
            yield picture


def _packets(container: InputContainer, stream: av.VideoStream, health: Health) -> Iterator[av.Packet[Any] | None]:
    """Yield the whole packets of ``stream``, then None, which makes a decoder give what it holds back."""
    # MPEG-TS calls a packet corrupt that follows a gap; elsewhere it is one that the file's end cuts through.
    keep_corrupt = container.format.name == "mpegts"
    for packet in all_packets(container, health):
        if packet.stream.type in _TIMED:
            health.clock.place(packet)
        _note_end(packet, health)
        if packet.stream_index != stream.index:
            continue
        if packet.is_corrupt and not keep_corrupt:
            health.is_last_cut = True
            health.skipped += 1
            continue
        health.packets += 1
        if packet.pts is not None:
            health.packets_end = max(health.packets_end, packet.pts + (packet.duration or 0))
        yield packet
    yield None


def all_packets(container: InputContainer, health: Health) -> Iterator[av.Packet[Any]]:
    """Yield every packet that can be read, past damage; why the reading ended early is told to ``health``."""
    failures = 0
    packets = container.demux()
    while True:
        try:
            packet = next(packets, None)
        except av.error.InvalidDataError as error:
            failures += 1
            if failures == _MAX_FAILURES:
                health.error = error.strerror
                return
            packets = container.demux()
            continue
        except av.error.ExitError:
            health.error = "it stopped sending"
            return
        except av.error.FFmpegError as error:
            health.error = error.strerror
            return
        if packet is None:
            break
        if packet.size:  # at its end PyAV gives an empty packet for each stream
            health.skipped, failures = health.skipped + failures, 0
            yield packet
    if failures:
        health.error = "its end is damaged"


def _note_end(packet: av.Packet[Any], health: Health) -> None:
    if packet.pts is not None and packet.time_base:
        health.end_s = max(health.end_s, (packet.pts + (packet.duration or 0)) * packet.time_base)


def is_cut(container: InputContainer, stream: av.VideoStream, step: int, health: Health) -> bool:
    """Tell, after the reading, whether the video stopped before its declared end or its last packets were bad."""
    if health.error is not None or health.is_last_cut:
        return True
    if health.skipped and health.packets_end - health.decoded_end > 1.5 * step:
        return True
    if health.clock.jumps:  # what is declared is on another clock
        return False
    formats = set(container.format.name.split(","))
    time_base = stream.time_base or Fraction(0)
    tolerance_s = _TOLERANCE_S + 2 * step * time_base
    if "mp4" in formats and stream.frames:
        is_early = declared_end(container, stream) - health.packets_end > 1.5 * step
        # In fragments only those of the first part may be counted.
        if health.packets <= stream.frames:
            return health.packets < stream.frames and is_early
    if "avi" in formats and stream.average_rate:
        # FFmpeg mends the duration of an AVI file without an index; the number of frames stays as declared.
        return stream.frames / stream.average_rate - health.packets_end * time_base > tolerance_s
    if formats & _DECLARE_LENGTH and container.duration:
        start_s = Fraction(max(0, container.start_time or 0), 1_000_000) if "flv" in formats else Fraction(0)
        return Fraction(container.duration, 1_000_000) - (health.end_s - start_s) > tolerance_s
    # Elsewhere FFmpeg guesses the duration from the bit rate or from the last packet.
    return False


def declared_end(container: InputContainer, stream: av.VideoStream) -> int:
    """Return where the container says that this very stream ends, in ticks; 0 when it says nothing."""
    if not _DECLARE_STREAMS & set(container.format.name.split(",")) or not stream.duration:
        return 0
    return (stream.start_time or 0) + stream.duration

"""A copy of a video that holds the source's own packets, and a subtitle track with what was found in it."""

from __future__ import annotations

import heapq
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.stream import Disposition

from maskinfer.engine.errors import OnError
from maskinfer.engine.files.urls import is_url
from maskinfer.engine.frames.frame import VideoInfo
from maskinfer.engine.sinks.audio import open_sound
from maskinfer.engine.sources.packets import Health, all_packets
from maskinfer.engine.sources.timestamps import clock_of
from maskinfer.engine.sources.video import video_stream

TITLE = "maskinfer"
_SUBTITLES = {"ass", "ssa", "subrip", "srt", "webvtt", "dvdsub", "pgssub", "dvbsub"}
_FAULTS = (av.error.FFmpegError, ValueError, TypeError)
_LENIENT = {"fflags": "+genpts"}
"""Formats such as AVI keep no times of presentation, which Matroska needs."""
_Timed = tuple[float, int, Any]
"""When a packet is due, in seconds, its lane, and itself."""


def remux(source: str, ass: Path, part: Path, info: VideoInfo, until_s: Fraction | None, on_error: OnError) -> None:
    """Write a Matroska file.

    Args:
        source: the video: a file, or a URL that can be read again.
        ass: the subtitle track.
        part: where to.
        info: of the source; its clock's start becomes 0.
        until_s: on the copy's clock; what comes later is left out; None for nothing.
        on_error: called with a line for each track that is lost, or thinned.

    Raises:
        av.error.FFmpegError: the file cannot be written, or the source not be read any more.
    """
    path = source if is_url(source) else str(Path(source).absolute())
    with ExitStack() as stack:
        pictures = stack.enter_context(av.open(path, metadata_errors="replace", options=_LENIENT))
        subtitles = stack.enter_context(av.open(str(ass), format="ass"))
        sink = stack.enter_context(av.open(str(part), "w", format="matroska"))
        sink.metadata.update({key: value for key, value in pictures.metadata.items() if key in ("title", "comment")})
        lanes = _lanes(pictures, sink, info, on_error)
        sound = open_sound(source, sink, ".mkv", info.clock_start_s, on_error)
        sounds = stack.enter_context(sound)
        track = sink.add_stream_from_template(subtitles.streams.subtitles[0])
        track.metadata["title"] = TITLE
        track.disposition = Disposition.default
        own = _shifted(all_packets(pictures, health := Health(clock=clock_of(pictures))), lanes, health, info)
        parts = (_timed(own, 0), _timed(sounds, 1), _timed(_drawn(subtitles, track), 2))
        lost = 0
        for at_s, _, packet in heapq.merge(*parts, key=lambda timed: timed[:2]):
            if until_s is not None and at_s > until_s:
                break
            try:
                sink.mux(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError):
                lost += 1
        if lost:
            on_error(f"{info.source}: {lost} packets are lost: the copy's container does not take them")


def why_not_copied(source: str, info: VideoInfo) -> str | None:
    """Return why a video's packets cannot be copied; None if they can."""
    path = source if is_url(source) else str(Path(source).absolute())
    try:
        with (
            av.open(path, metadata_errors="replace", options=_LENIENT) as pictures,
            av.open(io.BytesIO(), "w", format="matroska") as sink,
        ):
            _add_copied(sink, video_stream(pictures, info.source))
            sink.start_encoding()
    except _FAULTS as error:
        return str(getattr(error, "strerror", None) or error)
    return None


def _add_copied(sink: OutputContainer, stream: av.VideoStream) -> av.VideoStream:
    try:
        return sink.add_stream_from_template(stream)
    except av.codec.codec.UnknownCodecError:  # what decodes it, as dav1d does AV1, is no encoder's name
        return sink.add_stream_from_template(stream, opaque=True)


def _lanes(
    container: InputContainer, sink: OutputContainer, info: VideoInfo, on_error: OnError
) -> dict[int, Callable[[av.Packet[Any]], av.Packet[Any] | None]]:
    stream = video_stream(container, info.source)
    lanes = {stream.index: _lane(_add_copied(sink, stream), info)}
    for other in container.streams.subtitles:
        name = other.codec_context.name if other.codec_context is not None else "unknown"
        if name not in _SUBTITLES:
            on_error(f"{info.source}: a subtitle track is left out: .mkv does not hold {name}")
            continue
        track = sink.add_stream_from_template(other)
        track.metadata.update(other.metadata)
        lanes[other.index] = _lane(track, info)
    return lanes


def _lane(track: Any, info: VideoInfo) -> Callable[[av.Packet[Any]], av.Packet[Any] | None]:
    last: int | None = None

    def place(packet: av.Packet[Any]) -> av.Packet[Any] | None:
        nonlocal last
        stamp = packet.pts if packet.dts is None else packet.dts
        if stamp is None or not packet.time_base:
            return None
        shift = round(info.clock_start_s / packet.time_base)
        dts = stamp - shift if last is None else max(last + 1, stamp - shift)
        packet.pts = dts if packet.pts is None else max(packet.pts - shift, dts)
        packet.dts = last = dts
        packet.stream = track
        return packet

    return place


def _shifted(
    packets: Iterator[av.Packet[Any]],
    lanes: dict[int, Callable[[av.Packet[Any]], av.Packet[Any] | None]],
    health: Health,
    info: VideoInfo,
) -> Iterator[av.Packet[Any]]:
    for packet in packets:
        if packet.stream.type in ("audio", "video"):
            health.clock.place(packet)
        lane = lanes.get(packet.stream_index)
        placed = None if lane is None else lane(packet)
        if placed is not None:
            yield placed


def _drawn(subtitles: InputContainer, track: Any) -> Iterator[av.Packet[Any]]:
    for packet in subtitles.demux():
        if packet.size and packet.pts is not None:
            packet.stream = track
            yield packet


def _timed(packets: Iterator[av.Packet[Any]], lane: int) -> Iterator[_Timed]:
    for packet in packets:
        stamp, base = packet.pts if packet.dts is None else packet.dts, packet.time_base
        # Whole numbers divided are rounded alike whatever the clock, and a tenth of the work of fractions.
        yield (stamp * base.numerator / base.denominator if stamp and base else 0.0), lane, packet

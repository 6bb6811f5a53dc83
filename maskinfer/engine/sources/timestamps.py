"""Presentation times that always go forward, whatever a source says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer

_CLOCK_RESTART_S = 1
"""A step back by more than this is a clock that began anew, as where recordings were joined."""
_BROADCAST_RESTART_S = Fraction(1, 10)
_BROADCAST_GAP_S = 10
"""In formats without an index, which are cut and joined as bytes, a clock that leaps ahead by more was set anew."""
_BROADCAST = {"mpegts", "mpeg", "flv", "hls", "rtsp", "rtp", "sdp"}
_RAW = {"h264", "hevc", "vvc", "m4v", "mpegvideo", "cavsvideo", "av1", "obu", "vc1"}
_LONGEST_PACKET_S = Fraction(1)
Mend = Callable[[int | None], int]


@dataclass(slots=True)
class Clock:
    """Puts the packets of a source's pictures and sound on one clock that goes on where the source's own does not.

    Every reader of the same source that shows it all packets in their order gets the same times.

    Attributes:
        is_broadcast: leaps ahead are closed too.
        jumps: when, on the mended clock, by how much the source's own jumped, in seconds; negative for back.
    """

    is_broadcast: bool
    jumps: list[tuple[Fraction, Fraction]] = field(default_factory=list)
    _shift_s: Fraction = Fraction(0)
    _streams: dict[int, _StreamClock] = field(default_factory=dict)
    _end_s: Fraction | None = None

    def place(self, packet: av.Packet[Any]) -> None:
        """Change the stamps of a packet of pictures or of sound to the mended clock's."""
        stamp, tick_s, index = packet.pts if packet.dts is None else packet.dts, packet.time_base, packet.stream_index
        if stamp is None or not tick_s:
            return
        decoded_s = stamp * tick_s
        shown_s = decoded_s if packet.pts is None or packet.pts == stamp else packet.pts * tick_s
        stream = self._streams.setdefault(index, _StreamClock(self._shift_s))
        is_key = packet.is_keyframe and packet.stream.type == "video"
        is_jump = self._is_jump(stream, stream.moved(decoded_s), stream.moved(shown_s) if is_key else None)
        if is_jump:
            stream.shift_s = self._next_shift_s(stream, decoded_s, shown_s)
        at_s = stream.moved(shown_s)
        stream.decoded_s = stream.moved(decoded_s)
        # After a jump what is shown later may have an earlier time than before.
        stream.shown_s = at_s if is_jump or stream.shown_s is None else max(at_s, stream.shown_s)
        end_s = at_s + min(_length_s(packet, tick_s), _LONGEST_PACKET_S)
        self._end_s = end_s if self._end_s is None else max(end_s, self._end_s)
        if stream.shift_s:
            ticks = round(stream.shift_s / tick_s)
            packet.dts = None if packet.dts is None else packet.dts + ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks

    def _is_jump(self, stream: _StreamClock, decoded_s: Fraction, key_s: Fraction | None) -> bool:
        if stream.decoded_s is None or self._end_s is None:
            return False
        if stream.decoded_s - decoded_s > (_BROADCAST_RESTART_S if self.is_broadcast else _CLOCK_RESTART_S):
            return True
        # All that comes before a key frame is also shown before it.
        if self.is_broadcast and key_s is not None and stream.shown_s is not None and key_s < stream.shown_s:
            return True
        return self.is_broadcast and decoded_s - self._end_s > _BROADCAST_GAP_S

    def _next_shift_s(self, stream: _StreamClock, decoded_s: Fraction, shown_s: Fraction) -> Fraction:
        # Another stream may have met the jump already: the streams stay together.
        if stream.shift_s != self._shift_s and not self._is_jump(stream, decoded_s + self._shift_s, None):
            return self._shift_s
        end_s = shown_s + stream.shift_s if self._end_s is None else self._end_s
        self.jumps.append((end_s, shown_s + stream.shift_s - end_s))
        self._shift_s = end_s - shown_s
        return self._shift_s


@dataclass(slots=True)
class _StreamClock:
    """Where a stream is: the last packet's times of decoding and of presentation on the mended clock."""

    shift_s: Fraction
    decoded_s: Fraction | None = None
    shown_s: Fraction | None = None

    def moved(self, at_s: Fraction) -> Fraction:
        """Return a time of the stream on the mended clock."""
        # Most clocks need no mending, and sums of fractions are slow.
        return at_s + self.shift_s if self.shift_s else at_s


def _length_s(packet: av.Packet[Any], tick_s: Fraction) -> Fraction:
    if packet.duration:
        return packet.duration * tick_s
    rate = packet.stream.average_rate if isinstance(packet.stream, av.VideoStream) else None
    return 1 / rate if rate else Fraction(0)


def clock_of(container: InputContainer) -> Clock:
    """Return a new clock for the packets of an open source."""
    return Clock(bool(_BROADCAST & set(container.format.name.split(","))))


def mender(step: int, time_base: Fraction) -> Mend:
    """Return a function that maps the stamps of a stream's frames, in order, to strictly increasing ones.

    Good stamps stay as they are. A missing one becomes the last plus ``step``, one that does not go forward
    the last plus one tick. After a restart of the clock all later stamps are shifted to follow on.

    Args:
        step: usual distance of two frames, in ticks.
        time_base: seconds per tick.
    """
    last: int | None = None
    shift = 0

    def mend(stamp: int | None) -> int:
        nonlocal last, shift
        if last is None:
            last = 0 if stamp is None else stamp
            return last
        if stamp is None:
            last += step
            return last
        if (last - stamp - shift) * time_base > _CLOCK_RESTART_S:
            shift = last + step - stamp
        last = max(last + 1, stamp + shift)
        return last

    return mend


def rate_of(container: InputContainer, stream: av.VideoStream) -> Fraction | None:
    """Return the frames per second of a video stream; of a raw one those that its own headers state, if they do."""
    own = stream.codec_context.framerate if container.format.name in _RAW else None
    return own or stream.average_rate or stream.guessed_rate or None


def step_of(rate: Fraction | None, time_base: Fraction) -> int:
    """Return the usual distance of two frames in ticks, at least 1; for 25 frames per second where ``rate`` is None."""
    return max(1, round(1 / ((rate or Fraction(25)) * time_base)))

"""A stream's own packets in files, one after the other: recordings that take no decoding and no encoding.

Only the pictures are kept, no sound. A file consists of fragments that are whole in themselves, so that what was
written can be watched after the power failed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import av.error

from maskinfer.engine.errors import OutputError, SourceError
from maskinfer.engine.files.urls import public_name
from maskinfer.engine.sources.video import open_container

# Each fragment is on its way to the disk when it is whole, not when a buffer is full.
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
_FORMAT = "mp4"


class CopiedFile:
    """A file that packets of one video stream are written to, the first of them a key frame.

    Raises:
        OutputError: it cannot be written, or no MP4 file can hold the stream.
    """

    def __init__(self, path: Path, stream: av.VideoStream) -> None:
        self.path = path
        self._last: int | None = None
        self._zero = 0
        self._time_base = stream.time_base
        try:
            self._container = av.open(str(path), "w", format=_FORMAT, options=_FRAGMENTS)
            self._stream = self._container.add_stream_from_template(stream)
        except (av.error.FFmpegError, ValueError) as error:
            raise _cannot(path, error) from error

    @property
    def length_s(self) -> float:
        """How much it shows, in seconds."""
        time_base = self._time_base
        return 0.0 if self._last is None or time_base is None else float((self._last - self._zero) * time_base)

    def write(self, packet: av.Packet[Any]) -> None:
        """Write a packet; one without a time, or from before the last one, is left out."""
        if packet.dts is None or packet.pts is None or (self._last is not None and packet.dts <= self._last):
            return
        self._zero = packet.dts if self._last is None else self._zero
        self._last = packet.dts
        packet.pts, packet.dts = packet.pts - self._zero, packet.dts - self._zero
        packet.stream = self._stream
        try:
            self._container.mux(packet)
        except (av.error.FFmpegError, ValueError) as error:
            self.close()
            raise _cannot(self.path, error) from error

    def close(self) -> None:
        """Finish the file; what cannot be written any more is left out."""
        with suppress(av.error.FFmpegError, ValueError):
            self._container.close()


def copy_stream(
    url: str, take_packet: Callable[[av.Packet[Any], av.VideoStream], bool], *, timeout_s: float = 10.0
) -> None:
    """Read a stream's packets of pictures until its end.

    Args:
        url: of the stream.
        take_packet: called with each packet and its stream; returns False to end.
        timeout_s: how long it may stay silent.

    Raises:
        SourceError: it cannot be opened, or is lost.
    """
    name = public_name(url)
    with open_container(url, name, timeout_s) as container:
        if not container.streams.video:
            raise SourceError(f"{name} has no pictures")
        stream = container.streams.video[0]
        try:
            for packet in container.demux(stream):
                if not take_packet(packet, stream):
                    return
        except av.error.FFmpegError as error:  # its text has the URL's password
            raise SourceError(f"{name} is lost: {error.strerror}") from None


def _cannot(path: Path, error: Exception) -> OutputError:
    failed = OutputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}")
    failed.errno = getattr(error, "errno", None)
    return failed

"""A clip's video, or its beginning, in another file; the packets are copied."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av


def copy_video(clip: Path, out: Path, frames: int | None = None) -> Path:
    """Write the first frames of a clip's video, in the order of decoding, or all, and return the new file."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = (packet for packet in source.demux(stream) if packet.dts is not None)
        for packet in islice(packets, frames):
            packet.stream = copy
            target.mux(packet)
    return out

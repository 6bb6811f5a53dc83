"""Single frames of a video, by their times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import av.error

from maskinfer.engine.errors import SourceError
from maskinfer.engine.frames.colour import picture_maker
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sources.video import open_container, video_stream

# A leap over less costs more than decoding.
_LEAP_S = 4.0


def frames_at(path: Path, times_s: Sequence[float]) -> Iterator[BGRFrame | None]:
    """Yield the frame that is shown at each time, uint8 (height, width, 3), BGR, upright; None where there is none.

    The container's own index is used, so that little is decoded; where a clock jumps, times are those of the container.

    Args:
        path: of a video.
        times_s: in order, in seconds from the first frame.

    Raises:
        SourceNotFoundError: there is no such file. SourceError: it cannot be read.
    """
    to_picture = picture_maker()
    with open_container(str(path), str(path), 10.0) as container:
        stream = video_stream(container, str(path))
        stream.thread_type = "AUTO"
        tick_s = float(stream.time_base or 0) or 1 / 90_000

        def at_s(frame: av.VideoFrame) -> float:
            return (frame.pts or 0) * tick_s

        try:
            frames = container.decode(stream)
            now, after = None, next(frames, None)
            start_s = 0.0 if after is None else at_s(after)
            for time_s in times_s:
                wanted_s = start_s + time_s + tick_s / 2  # times were rounded
                known = now or after
                if known is not None and not 0 <= wanted_s - at_s(known) < _LEAP_S:
                    container.seek(int(wanted_s / tick_s), stream=stream)
                    frames = container.decode(stream)
                    now, after = None, next(frames, None)
                while after is not None and (now is None or at_s(after) <= wanted_s):
                    now, after = after, next(frames, None)
                yield None if now is None else to_picture(now).bgr.copy()
        except av.error.FFmpegError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}") from error

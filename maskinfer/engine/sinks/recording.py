"""Recordings of sources that may go on for weeks: split into segments, each of which appears when it is through.

One that cannot be written on, on a full disk, appears as far as it came; another file is tried a little later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from time import monotonic

from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.atomic import numbered, taken_name
from maskinfer.engine.frames.frame import Frame, VideoInfo
from maskinfer.engine.sinks.run import Run, file_time, local_now
from maskinfer.engine.sinks.video import VideoWriter, check_suffix, open_writer

_PAUSE_S = 10.0
# A watch of months begins a hundred thousand, and nobody wants to read of all of them.
_FILES_KEPT = 100


class Recorder:
    """A recording of one source; use as a context manager and ``write`` every frame in order.

    Args:
        path: .mp4, .mov or .mkv; with ``segment_s``, ``door.mp4`` becomes ``door-20261125T191500.mp4`` by the local
            time of its begin; without, it does when there is such a file. A name is taken when its file is begun, as an
            empty file. What is there already is never replaced: the name gets a number if need be.
        segment_s: of a segment, in seconds of the source; None for one file.
        run: is named in the files' metadata.

    Attributes:
        files: what was begun last, in order, 100 at most; one to which nothing could be written is gone again.

    Raises:
        RequestError: the suffix is none of those.
    """

    def __init__(self, path: Path, segment_s: float | None = None, run: Run | None = None) -> None:
        check_suffix(path)
        self._path, self._run = path, run or Run()
        # Exact, or a segment of 0.2 s at 25 frames/s would now and then take a sixth frame.
        self._segment_s = None if segment_s is None else Fraction(segment_s).limit_denominator(1000)
        self._stack = ExitStack()
        self._writer: VideoWriter | None = None
        self._began_s = Fraction(0)
        self._failure, self._failed_s = "", 0.0
        self.files: deque[Path] = deque(maxlen=_FILES_KEPT)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stack.__exit__(kind, error, None)

    def write(self, frame: Frame, info: VideoInfo) -> None:
        """Encode a frame.

        Args:
            frame: one of another size than the first of its file is scaled to fit.
            info: of the source.

        Raises:
            OutputError: it cannot be written (any more), what was written is there. Frames until the next segment, but
                for no more than ten seconds, are refused for the same reason; then a new file is tried.
            RequestError: the suffix is none of those.
        """
        time_s = frame.pts * frame.time_base
        is_full = self._segment_s is not None and time_s - self._began_s >= self._segment_s
        if self._failure and not is_full and monotonic() - self._failed_s < _PAUSE_S:
            raise OutputError(self._failure)
        self._failure = ""
        try:
            if self._writer is not None and is_full:
                self.close()
            if self._writer is None:
                self._began_s = time_s
                path = self._stack.enter_context(taken_name(self._names()))
                self.files.append(path)
                opened = open_writer(path, _starting_at(info, frame), keep=True, tags=self._run.tags())
                self._writer = self._stack.enter_context(opened)
            self._writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)
        except OutputError as error:
            # What is broken must not be finished when the block ends.
            stack, self._stack, self._writer = self._stack, ExitStack(), None
            self._failure, self._failed_s, self._began_s = str(error), monotonic(), time_s
            stack.__exit__(type(error), error, error.__traceback__)
            raise

    def close(self) -> None:
        """Finish the file that is being written.

        Raises:
            OutputError: it cannot be; what was written is there.
        """
        stack, self._stack, self._writer = self._stack, ExitStack(), None
        stack.close()

    def _names(self) -> Iterator[Path]:
        if self._segment_s is None:
            yield self._path
        yield from numbered(self._path.with_stem(f"{self._path.stem}-{file_time(local_now())}"))


def _starting_at(info: VideoInfo, frame: Frame) -> VideoInfo:
    """Return what the file has to know: a segment begins at its first frame."""
    start_s = info.clock_start_s if frame.index == 0 else frame.pts * frame.time_base
    return replace(info, size_wh=frame.picture.size_wh, clock_start_s=start_s)

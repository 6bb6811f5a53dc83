"""The annotated copy of a video, however it is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from maskinfer.engine.files.atomic import IsPartial, never_partial
from maskinfer.engine.flow.stages import stage
from maskinfer.engine.frames.annotate import Style, annotate
from maskinfer.engine.frames.cover import Box
from maskinfer.engine.frames.frame import Frame, VideoInfo
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING, Encoding
from maskinfer.engine.sinks.copies.overlay import OverlayWriter, open_overlay
from maskinfer.engine.sinks.video import VideoWriter, open_writer


class AnnotatedCopy(Protocol):
    """A copy that is being written.

    Attributes:
        problems: a line for each thing that was lost although all frames were written.
    """

    @property
    def problems(self) -> list[str]: ...  # noqa: D102

    def add(self, frame: Frame, result: FrameResult, hidden: Sequence[Box] | None = None) -> None:
        """Take a frame, which may be drawn on, in order.

        Args:
            frame: with when it is shown.
            result: of this frame.
            hidden: boxes to blur, if the style blurs faces; None for those of the result's faces.
        """


class _Encoded:
    def __init__(self, writer: VideoWriter, style: Style) -> None:
        self._writer, self._style = writer, style
        self.problems = writer.problems

    def add(self, frame: Frame, result: FrameResult, hidden: Sequence[Box] | None = None) -> None:
        with stage("draw"):
            annotate(frame.picture, result, self._style, hidden=hidden)
        with stage("encode"):
            self._writer.write(frame.picture, frame.pts, frame.time_base, frame.duration)


class _Overlaid:
    def __init__(self, writer: OverlayWriter) -> None:
        self._writer = writer
        self.problems = writer.problems

    def add(self, frame: Frame, result: FrameResult, hidden: Sequence[Box] | None = None) -> None:
        with stage("draw"):
            self._writer.write(frame, result)


@contextmanager
def open_copy(
    out: Path,
    info: VideoInfo,
    source: str,
    style: Style,
    encoding: Encoding = PLAIN_ENCODING,
    *,
    with_sound: bool = True,
    threads: int = 0,
    or_as_it_is: Path | None = None,
    is_partial: IsPartial = never_partial,
) -> Iterator[AnnotatedCopy]:
    """Open an annotated copy; it appears when the block ends, and not at all when it raises.

    Args:
        out: see ``Encoding``.
        info: of the source.
        source: the video.
        style: how frames are annotated.
        encoding: how the copy is made.
        with_sound: carry its sound over, too.
        threads: of the encoder; 0 lets it choose.
        or_as_it_is: of an overlay; see ``open_overlay``.
        is_partial: asked when it is finished; see ``atomic_write``.

    Raises:
        RequestError: a copy cannot be made so. OutputError: it cannot be written.
    """
    encoding.check(out, style)
    if encoding.is_overlay:
        with open_overlay(out, info, source, style, or_as_it_is=or_as_it_is, is_partial=is_partial) as overlay:
            yield _Overlaid(overlay)
        return
    audio = source if with_sound else None
    with open_writer(out, info, audio_from=audio, encoding=encoding, threads=threads, is_partial=is_partial) as writer:
        yield _Encoded(writer, style)

"""Annotations without encoding again: the source's own packets with a subtitle track, and text files beside them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TextIO

import av.error

from maskinfer.engine.errors import MaskinferError, OutputError, RequestError
from maskinfer.engine.files.atomic import IsPartial, atomic_write, never_partial
from maskinfer.engine.frames.annotate import Style
from maskinfer.engine.frames.frame import Frame, VideoInfo
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.copies.ass import AssEvents
from maskinfer.engine.sinks.copies.paths import Paths, Piece
from maskinfer.engine.sinks.copies.remux import remux, why_not_copied
from maskinfer.engine.sinks.copies.vtt import VttCues
from maskinfer.engine.sinks.video import can_be_read_twice

_log = logging.getLogger(__name__)
# A cue of WebVTT stands still: it is renewed when the face has moved by a third of its size.
_CUE_TOLERANCE = 0.33
_Write = Callable[[str], object]


class OverlayWriter:
    """An overlay that is being written: ``write`` every frame in order.

    Attributes:
        problems: a line for each track of the source that is lost.
        end_s: on the copy's clock, when the last frame ends.
    """

    def __init__(self, info: VideoInfo, style: Style, ass: _Write | None, vtt: _Write | None) -> None:
        self._info, self._style = info, style
        self._step_s = 1 / (info.frame_rate or Fraction(30))
        self._ass, self._vtt = ass, vtt
        self._events = AssEvents(info.size_wh, info.pixel_aspect, style)
        self._cues = VttCues(info.size_wh, style.look)
        self._paths, self._cue_paths = Paths(), Paths(_CUE_TOLERANCE)
        self._counts: tuple[FrameResult, float] | None = None
        self._clock: tuple[str, float] | None = None
        self.end_s = Fraction(0)
        self.problems: list[str] = []
        self._put(ass, self._events.header())
        self._put(vtt, self._cues.header())

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Take a frame's faces."""
        at = frame.pts * frame.time_base - self._info.clock_start_s
        self.end_s = at + (self._step_s if frame.duration is None else frame.duration * frame.time_base)
        at_s = float(at)
        if self._ass is not None and self._style.boxes:
            self._put_pieces(self._ass, self._paths.add(result, at_s), self._events.piece)
            self._count(result, at_s)
            self._tell_time(result, at_s)
        if self._vtt is not None and self._style.boxes:
            self._put_pieces(self._vtt, self._cue_paths.add(result, at_s), self._cues.piece)

    def finish(self) -> None:
        """Write what is left."""
        end_s = float(self.end_s)
        self._put_pieces(self._ass, self._paths.finish(end_s), self._events.piece)
        self._put_pieces(self._vtt, self._cue_paths.finish(end_s), self._cues.piece)
        if self._counts is not None:
            self._put(self._ass, self._events.counts(*self._counts, end_s))
        if self._clock is not None:
            self._put(self._ass, self._events.clock(*self._clock, end_s))

    def _tell_time(self, result: FrameResult, at_s: float) -> None:
        text = self._style.look.time(result.time_s)
        if text is None or (self._clock is not None and self._clock[0] == text):
            return
        if self._clock is not None:
            self._put(self._ass, self._events.clock(*self._clock, at_s))
        self._clock = text, at_s

    def _count(self, result: FrameResult, at_s: float) -> None:
        if not self._style.counts:
            return
        if self._counts is None:
            self._counts = result, at_s
        elif self._counts[0].counts() != result.counts():
            self._put(self._ass, self._events.counts(*self._counts, at_s))
            self._counts = result, at_s

    def _put_pieces(
        self, write: _Write | None, pieces: Iterable[Piece], lines_of: Callable[[Piece], Iterator[str]]
    ) -> None:
        self._put(write, (line for piece in pieces for line in lines_of(piece)))

    @staticmethod
    def _put(write: _Write | None, lines: Iterable[str]) -> None:
        if write is not None and (text := "".join([f"{line}\n" for line in lines])):
            write(text)


@contextmanager
def open_overlay(
    out: Path,
    info: VideoInfo,
    source: str,
    style: Style,
    *,
    or_as_it_is: Path | None = None,
    is_partial: IsPartial = never_partial,
) -> Iterator[OverlayWriter]:
    """Open an overlay; its files appear when the block ends, and not at all when it raises.

    Args:
        out: ``NAME.mkv`` for a copy with ``NAME.ass`` and ``NAME.vtt`` beside it; or one of these files alone.
        info: of the source.
        source: the video, which is read again when the block ends if it is to be copied.
        style: what is drawn.
        or_as_it_is: where a .mkv cannot hold the pictures, the source is copied to here, byte by byte; None to refuse.
        is_partial: asked at the end; see ``atomic_write``. The copy then ends with the last frame.

    Raises:
        RequestError: the source cannot be read twice. OutputError: a file cannot be written.
    """
    is_video = out.suffix.lower() == ".mkv"
    wanted = (".ass", ".vtt") if is_video else (out.suffix.lower(),)
    is_remuxed = is_video and _is_remuxed(info, source, or_as_it_is)
    with ExitStack() as stack:
        copy = stack.enter_context(atomic_write(out, shows_people=True, is_partial=is_partial, kind="video")) \
            if is_remuxed else None  # fmt: skip
        parts = {
            suffix: stack.enter_context(atomic_write(out.with_suffix(suffix), is_partial=is_partial))
            for suffix in wanted
        }
        files = {suffix: stack.enter_context(_open_text(part, out)) for suffix, part in parts.items()}
        writer = OverlayWriter(info, style, *(_writing(files.get(suffix), out) for suffix in (".ass", ".vtt")))
        yield writer
        writer.finish()
        with _as_output_error(out):
            for file in files.values():
                file.close()
            if copy is not None:
                until_s = writer.end_s if is_partial() else None
                remux(source, parts[".ass"], copy, info, until_s, writer.problems.append)
            elif is_video and or_as_it_is is not None and not is_partial():
                with atomic_write(or_as_it_is, shows_people=True) as part:
                    shutil.copyfile(source, part)


def _is_remuxed(info: VideoInfo, source: str, or_as_it_is: Path | None) -> bool:
    """Tell whether the packets go into a .mkv; otherwise the file is copied as it is.

    Raises:
        RequestError: neither can be.
    """
    if not can_be_read_twice(source, info):
        raise RequestError(f"{info.source} cannot be copied, because it cannot be read twice: name a .ass file for -o")
    reason = why_not_copied(source, info)
    if reason is None:
        return True
    if or_as_it_is is None:
        raise RequestError(f"{info.source} cannot be copied into a .mkv ({reason}): name a .ass file for -o")
    _log.warning(
        "%s: a .mkv cannot hold its pictures (%s); %s is the file as it is, and the boxes are in the files beside it",
        info.source, reason, or_as_it_is.name,
    )  # fmt: skip
    return False


@contextmanager
def _open_text(part: Path, out: Path) -> Iterator[TextIO]:
    with _as_output_error(out):
        file = part.open("w", encoding="utf-8", newline="\n")
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def _writing(file: TextIO | None, out: Path) -> _Write | None:
    if file is None:
        return None

    def write(text: str) -> None:
        with _as_output_error(out):
            file.write(text)

    return write


@contextmanager
def _as_output_error(out: Path) -> Iterator[None]:
    try:
        yield
    except MaskinferError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OutputError(f"cannot write {out}: {reason}") from error

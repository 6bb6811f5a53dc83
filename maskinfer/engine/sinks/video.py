"""Annotated video out: H.264 that plays everywhere, with the source's times, colours and sound."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import av.error
from av.container import OutputContainer

from maskinfer.engine.errors import MaskinferError, OutputError, RequestError
from maskinfer.engine.files.atomic import IsPartial, atomic_write, never_partial
from maskinfer.engine.files.parts import PartKind
from maskinfer.engine.files.urls import is_url
from maskinfer.engine.frames.colour import UNSPECIFIED, yuv_converter
from maskinfer.engine.frames.frame import VideoInfo
from maskinfer.engine.frames.picture import AnyPicture, as_picture
from maskinfer.engine.sinks.audio import FORMATS, open_sound
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING, Encoding
from maskinfer.engine.sources.video import STDIN

_log = logging.getLogger(__name__)
_LIMITED_RANGE = 1
_MIN_FILM_SCALE = 1000
_PIECE_US = 1_000_000


class VideoWriter:
    """An open output: ``write`` every frame in order. One thread at a time, which may be any thread.

    Attributes:
        is_broken: a frame could not be written; nothing must be any more.
        problems: a line for each thing that was lost although all frames were written, which is sound.
    """

    def __init__(self, path: Path, container: OutputContainer, stream: av.VideoStream, info: VideoInfo) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._clock_start_s = info.clock_start_s
        self._step = max(1, round(1 / ((info.frame_rate or 30) * info.time_base)))
        self._to_yuv = yuv_converter(info.colour, info.size_wh)
        self._time_base = info.time_base
        self._last_pts: int | None = None
        self._durations: dict[int, int] = {}
        self._sound: Iterator[av.Packet[Any]] = iter(())
        self._next_sound: av.Packet[Any] | None = None
        self._sound_ends_early = False
        self.is_broken = False
        self.problems: list[str] = []

    def add_sound(self, sound: Iterator[av.Packet[Any]]) -> None:
        """Take the packets to mux between the video's; their tracks are in the container already."""
        with _as_output_error(self._path):
            self._sound = sound
            self._next_sound = next(sound, None)

    def write(self, picture: AnyPicture, pts: int, time_base: Fraction, duration: int | None = None) -> None:
        """Encode one frame.

        Args:
            picture: or uint8 (height, width, 3), BGR. One of another size than ``VideoInfo.size_wh`` is scaled to fit
                it and centred on black. It is read before this returns.
            pts: presentation time on the source's clock, in ticks of ``time_base``; has to go forward.
            time_base: seconds per tick.
            duration: until the next frame, in ticks; matters for the last one.

        Raises:
            OutputError: the disk is full or the encoder failed.
        """
        ticks = round((pts * time_base - self._clock_start_s) / self._time_base)
        if self._last_pts is not None:
            ticks = max(ticks, self._last_pts + 1)
        self._last_pts = ticks
        self._durations[ticks] = self._step if duration is None else round(duration * time_base / self._time_base)
        with _as_output_error(self._path):
            frame = self._to_yuv(as_picture(picture))
            frame.pts, frame.time_base = ticks, self._time_base
            # Muxing into what could not be begun crashes the process.
            self.is_broken = True
            self._mux(self._stream.encode(frame))
            self.is_broken = False

    def finish(self) -> None:
        """Write what the encoder holds back and the rest of the sound.

        Raises:
            OutputError: as ``write``, or when there was no frame.
        """
        if self._last_pts is None:
            raise OutputError(f"cannot write {self._path}: there was not one frame to write")
        with _as_output_error(self._path):
            self._mux(self._stream.encode(None))
            self._mux_sound(until_s=None)

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, self._step)
            if packet.dts is not None:
                self._mux_sound(until_s=packet.dts * self._time_base)
            self._container.mux(packet)

    def _mux_sound(self, until_s: Fraction | None) -> None:
        # Between the video's packets, or the muxer would hold the whole film back to put the sound into it.
        while (packet := self._next_sound) is not None:
            if until_s is not None and packet.dts is not None and packet.dts * packet.time_base > until_s:
                return
            try:
                self._container.mux(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError):  # the container takes it for no sound
                if not self._sound_ends_early:
                    self._sound_ends_early = True
                    self.problems.append(f"{self._path}: some of the sound is lost: the container does not take it")
            self._next_sound = next(self._sound, None)


@contextmanager
def open_writer(
    path: str | Path,
    info: VideoInfo,
    *,
    audio_from: str | Path | None = None,
    encoding: Encoding = PLAIN_ENCODING,
    threads: int = 0,
    keep: bool = False,
    tags: Mapping[str, str] | None = None,
    is_partial: IsPartial = never_partial,
) -> Iterator[VideoWriter]:
    """Open a video for writing; it appears at ``path`` when the block ends, and not at all when it raises.

    H.264 in yuv420p of limited range, tagged with the matrix that it was converted with. Times are the
    source's: exactly in .mp4 and .mov, to the millisecond in .mkv, whose clock has no finer tick. An odd width
    or height, which 4:2:0 cannot hold, grows by one column or row that repeats the last.

    Args:
        path: ends in .mp4, .mov or .mkv; not the source, which jobs refuse before they begin.
        info: of the source; gives size, times and colours.
        audio_from: file to take all sound tracks from; copied where the container takes the codec, else AAC.
        encoding: the encoder with its preset and quality. A slower preset makes smaller files of the same quality.
        threads: of the encoder; 0 lets it choose.
        keep: what cannot be made again: it is written in pieces of a second, and also appears, as far as it came,
            when the block raises or the disk is full. ``path`` is a name that ``taken_name`` gave, and no file that
            somebody else has written there is replaced.
        tags: metadata of the file, such as ``comment``.
        is_partial: asked when it is finished; see ``atomic_write``.

    Raises:
        RequestError: another suffix.
        OutputError: the folder cannot be written to, the disk is full or the encoder failed.
    """
    path = Path(path)
    check_suffix(path)
    failure: BaseException | None = None
    kind: PartKind = "recording" if keep else "video"
    whole = atomic_write(path, shows_people=True, taken=keep, is_partial=is_partial, kind=kind)
    with whole as part, ExitStack() as stack:
        # PyAV leaves a file open whose header it could not write; what goes on for weeks must not.
        file = _open_file(part, path) if keep else None
        container = _open_container(file or str(part), path, info.time_base, keep)
        stack.callback(_close_quietly, container, file)
        container.metadata.update(tags or {})
        with _as_output_error(path):
            stream = _add_stream(container, info, encoding, threads)
        writer = VideoWriter(path, container, stream, info)
        if audio_from is not None and can_be_read_twice(str(audio_from), info):
            sound = open_sound(audio_from, container, path.suffix.lower(), info.clock_start_s, writer.problems.append)
            writer.add_sound(stack.enter_context(sound))
        elif audio_from is not None and info.sound_tracks:
            _log.warning("%s: its sound is left out, because a live source or a pipe cannot be read twice", info.source)
        try:
            yield writer
            writer.finish()
            with _as_output_error(path):
                container.close()
                if file is not None:
                    file.close()
        except BaseException as error:
            if not keep or not _is_saved(part, writer, container, file):
                raise
            failure = error
    try:
        if isinstance(failure, OutputError):
            raise OutputError(f"{failure}; what was written before is kept") from failure
        if failure is not None:
            raise failure
    finally:
        # Its traceback holds this frame, and with it the open file.
        failure = None


def check_suffix(path: Path) -> None:
    """Check that a file's suffix names a container that is written.

    Raises:
        RequestError: it does not.
    """
    if path.suffix.lower() not in FORMATS:
        raise RequestError(f"cannot write {path}: the suffix has to be one of {', '.join(FORMATS)}")


def can_be_read_twice(source: str, info: VideoInfo) -> bool:
    """Tell whether a source can be opened once more, for its sound or its packets."""
    # Not what is live, nor a pipe, which would be waited at for ever.
    return info.duration_s is not None if is_url(source) else source != STDIN and Path(source).is_file()


def _is_saved(part: Path, writer: VideoWriter, container: OutputContainer, file: BinaryIO | None) -> bool:
    """End a file that its block did not bring to its end, and tell whether it can be played."""
    with suppress(OutputError):
        if not writer.is_broken:
            writer.finish()
    _close_quietly(container, file)
    return can_be_played(part)


def can_be_played(part: Path) -> bool:
    """Tell whether a file that was not brought to its end has a picture to show."""
    try:
        with av.open(str(part), metadata_errors="replace") as saved:
            return next(saved.decode(video=0), None) is not None
    except (av.error.FFmpegError, OSError, IndexError):
        return False


def _open_file(part: Path, path: Path) -> BinaryIO:
    with _as_output_error(path):
        return part.open("wb")


def _open_container(target: str | BinaryIO, path: Path, time_base: Fraction, keep: bool) -> OutputContainer:
    suffix = path.suffix.lower()
    # A stream's start is stored in the ticks of the whole film: in whole ms unless told otherwise.
    scale = time_base.denominator * ceil(_MIN_FILM_SCALE / time_base.denominator)
    if suffix == ".mkv":
        options = {"cluster_time_limit": str(_PIECE_US // 1000)}
    else:
        options = {"movflags": "+faststart", "movie_timescale": str(scale)}
        if keep:
            options |= {"movflags": "+hybrid_fragmented", "frag_duration": str(_PIECE_US)}
    with _as_output_error(path):
        return av.open(target, "w", format=FORMATS[suffix], options=options)


def _add_stream(container: OutputContainer, info: VideoInfo, encoding: Encoding, threads: int) -> av.VideoStream:
    made = container.add_stream(encoding.encoder, rate=info.frame_rate or 30, options=encoding.options)
    stream = cast(av.VideoStream, made)
    context = stream.codec_context
    context.width, context.height = (side + side % 2 for side in info.size_wh)
    context.pix_fmt = "yuv420p"
    stream.time_base = context.time_base = info.time_base
    context.thread_count = threads
    context.sample_aspect_ratio = info.pixel_aspect
    context.color_range = _LIMITED_RANGE
    context.colorspace = info.colour.colour_matrix
    context.color_primaries = info.colour.primaries or UNSPECIFIED
    context.color_trc = info.colour.transfer or UNSPECIFIED
    return stream


def _close_quietly(container: OutputContainer, file: BinaryIO | None) -> None:
    # After a failure the trailer cannot be written either; the failure itself is on its way already.
    with suppress(av.error.FFmpegError, OSError, ValueError):
        container.close()
    if file is not None:
        with suppress(OSError):
            file.close()


@contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except MaskinferError:
        raise
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OutputError(f"cannot write {path}: {reason}") from error

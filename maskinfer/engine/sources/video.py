"""Videos, from files and URLs, as upright frames with exact times."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition

from maskinfer.engine.errors import SourceError, SourceNotFoundError, TruncatedSourceError
from maskinfer.engine.files.urls import is_url, public_name
from maskinfer.engine.frames.colour import (
    SDR_VIDEO,
    Colour,
    colour_matrix_of,
    display_matrix,
    is_transposed,
    picture_maker,
    transfer_of,
)
from maskinfer.engine.frames.frame import Frame, VideoInfo
from maskinfer.engine.frames.hdr import is_hdr
from maskinfer.engine.sources.causes import stream_error
from maskinfer.engine.sources.decoder import CPU, decoding_by, not_decoded
from maskinfer.engine.sources.packets import Health, declared_end, decoded, is_cut
from maskinfer.engine.sources.timestamps import clock_of, mender, rate_of, step_of

_log = logging.getLogger(__name__)
STDIN = "-"
# Many a camera's metadata are in the encoding of its country.
_METADATA_ERRORS = "replace"
_SECOND_US = 1_000_000
_JUMPS_TOLD = 5


class VideoReader:
    """An open video: iterate over it once to get its ``Frame`` in order of presentation.

    Attributes:
        info: what is known before reading.

    While iterating, after every frame that could be read:
        TruncatedSourceError: the source ended before its declared end.
        SourceError: it could not be read on.
    """

    def __init__(self, info: VideoInfo, frames: Iterator[Frame]) -> None:
        self.info = info
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        return self._frames


@contextmanager
def open_video(
    source: str | Path, *, threads: int = 0, timeout_s: float = 10.0, name: str | None = None, decoder: str = CPU
) -> Iterator[VideoReader]:
    """Open a video file or URL; the container is closed when the block ends, at whatever frame.

    Damaged packets are skipped, counted and logged as one warning at the end.

    Args:
        source: path of a file, a URL that FFmpeg knows, such as http:// and rtsp://, or ``-`` for standard input.
        threads: of the decoder; 0 lets FFmpeg choose.
        timeout_s: how long a URL may stay silent.
        name: what it is called in results and messages, where ``source`` is a copy; None for ``source`` itself, without
            passwords.
        decoder: one of ``decoder.DECODERS``; what is named decodes the video, or it is an error.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: it is no video, holds none, or not one frame of it can be decoded.
        RequestError: the decoder does not work on this machine.
    """
    name = public_name(str(source)) if name is None else name
    with open_container(str(source), name, timeout_s, decoder) as container:
        stream = video_stream(container, name)
        if decoder != CPU and not stream.codec_context.is_hwaccel:
            raise SourceError(not_decoded(decoder, name, stream.codec_context))
        stream.thread_type = "SLICE" if is_url(str(source)) else "AUTO"  # frame threads hold frames back
        stream.codec_context.thread_count = threads
        health = Health(clock=clock_of(container))
        step = step_of(rate_of(container, stream), _time_base(stream))
        with closing(decoded(container, stream, step, health)) as pictures:
            first = next(pictures, None)
            if first is None:
                if decoder != CPU and health.packets and health.error is None:
                    raise SourceError(not_decoded(decoder, name, stream.codec_context))
                reason = health.error or "no frame of it can be decoded"
                raise SourceError(f"{name} is not a video that can be read: {reason}")
            info = _info(name, container, stream, first)
            is_live = info.duration_s is None and not Path(source).is_file()
            video = _Video(container, stream, step, info, health, is_live)
            with closing(_frames(video, chain([first], pictures))) as frames:
                yield VideoReader(video.info, frames)


@dataclass(frozen=True, slots=True)
class _Video:
    container: InputContainer
    stream: av.VideoStream
    step: int
    info: VideoInfo
    health: Health
    is_live: bool


@contextmanager
def open_container(source: str, name: str, timeout_s: float, decoder: str = CPU) -> Iterator[InputContainer]:
    """Open a file, a URL or standard input to read its packets.

    Args:
        source: as for ``open_video``.
        name: of the source, as it may be shown.
        timeout_s: how long a URL may stay silent.
        decoder: that its pictures are decoded with.

    Raises:
        SourceNotFoundError: there is no such file. SourceError: it is no video that can be read. RequestError: the
        decoder does not work on this machine.
    """
    if is_url(source):
        with decoding_by(decoder, name) as device:
            opened = _open_url(source, name, timeout_s, device)
        with opened as container:
            yield container
        return
    if source == STDIN:
        source = "pipe:0"
    elif not Path(source).exists():
        raise SourceNotFoundError(f"there is no file {name}")
    else:
        # An absolute path is never taken for a protocol, as "take:2.mp4" would be.
        source = str(Path(source).absolute())
    try:
        with decoding_by(decoder, name) as device:
            container = av.open(source, metadata_errors=_METADATA_ERRORS, hwaccel=device)
    except av.error.FFmpegError as error:
        hint = "check that it is complete and a video"
        raise SourceError(f"{name} is not a video that can be read: {error.strerror}; {hint}") from error
    with container:
        yield container


def _open_url(url: str, name: str, timeout_s: float, device: HWAccel | None) -> InputContainer:
    """Open a URL; RTSP over TCP, which loses no packets, or over UDP where the camera speaks nothing else."""
    transports: list[dict[str, str]] = [{}]
    if url.lower().startswith("rtsp"):
        transports = [{"rtsp_transport": "tcp"}, {"rtsp_transport": "udp"}]
    problem: SourceError | None = None
    for options in transports:
        try:
            return av.open(
                url, options=options, metadata_errors=_METADATA_ERRORS, timeout=(timeout_s, timeout_s), hwaccel=device
            )
        except av.error.FFmpegError as error:  # not chained: its text has the URL's password
            problem = problem or stream_error(error, url, name, timeout_s)
            if isinstance(error, (av.error.ConnectionRefusedError, av.error.HTTPUnauthorizedError)):
                break
    raise problem or SourceError(f"{name} cannot be opened")


def video_stream(container: InputContainer, name: str) -> av.VideoStream:
    """Return the stream of a container that is looked at.

    Raises:
        SourceError: there is none that can be decoded.
    """
    # A cover picture in a sound file is a video stream to FFmpeg, and any .txt a film of a terminal.
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams or container.format.name == "tty":
        raise SourceError(f"{name} holds no video stream")
    best = container.streams.best("video")
    stream = next((s for s in streams if s is best), streams[0])
    if stream.codec_context is None:
        raise SourceError(f"{name} is not a video that can be read: there is no decoder for it; convert it to H.264")
    return stream


def _info(name: str, container: InputContainer, stream: av.VideoStream, first: av.VideoFrame) -> VideoInfo:
    # As players guess it: the container's word counts more than the codec's.
    size_wh, aspect = (first.width, first.height), stream.sample_aspect_ratio or Fraction(1)
    if is_transposed(display_matrix(first)):
        size_wh, aspect = (first.height, first.width), 1 / aspect
    context = stream.codec_context
    colour_matrix = colour_matrix_of(int(first.colorspace), first.width, first.height)
    declared = Colour(colour_matrix, int(context.color_primaries), int(context.color_trc))
    return VideoInfo(
        source=name,
        size_wh=size_wh,
        time_base=_time_base(stream),
        frame_rate=rate_of(container, stream),
        frame_count=stream.frames or None,
        duration_s=_duration_s(container, stream),
        colour=SDR_VIDEO if is_hdr(transfer_of(first)) else declared,
        pixel_aspect=aspect,
        clock_start_s=_clock_start_s(container, stream, first),
        sound_tracks=len(container.streams.audio),
    )


def _clock_start_s(container: InputContainer, stream: av.VideoStream, first: av.VideoFrame) -> Fraction:
    """Return where the clock begins, if that is far from 0, or below, where players show nothing; otherwise 0."""
    start_s = Fraction(container.start_time or 0, _SECOND_US)
    if start_s > 1:
        return start_s
    first_s = (first.pts or 0) * _time_base(stream)
    return min(start_s, first_s) if first_s < 0 else Fraction(0)


def _time_base(stream: av.VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def _duration_s(container: InputContainer, stream: av.VideoStream) -> float | None:
    if stream.duration:
        return float(stream.duration * _time_base(stream))
    return container.duration / _SECOND_US if container.duration else None


def _frames(video: _Video, pictures: Iterator[av.VideoFrame]) -> Generator[Frame, None, None]:
    info, health = video.info, video.health
    to_picture = picture_maker()
    start: int | None = None
    for index, (picture, pts, duration) in enumerate(_timed(video, pictures)):
        start = pts if start is None else start
        time_s = float((pts - start) * info.time_base)
        yield Frame(info.source, index, time_s, to_picture(picture), pts, info.time_base, duration)
    _tell_jumps(info, health, (start or 0) * info.time_base)
    if _is_cut(video):
        frames = f"{health.frames} of {info.frame_count}" if info.frame_count else str(health.frames)
        reason = health.error or "the file was cut off or its end is damaged"
        raise TruncatedSourceError(f"{info.source} ended early: {reason}; {frames} frames could be read")
    if health.skipped:
        _log.warning("%s: damaged packets that had to be skipped: %d", info.source, health.skipped)


def _tell_jumps(info: VideoInfo, health: Health, start_s: Fraction) -> None:
    jumps = health.clock.jumps
    for at_s, jump_s in jumps[:_JUMPS_TOLD]:
        what = f"its clock jumps by {float(jump_s):+.1f} s at {float(at_s - start_s):.1f} s"
        _log.warning("%s: %s; what follows is put right behind", info.source, what)
    if len(jumps) > _JUMPS_TOLD:
        _log.warning("%s: its clock jumps %d times more", info.source, len(jumps) - _JUMPS_TOLD)


def _timed(video: _Video, pictures: Iterator[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame, int, int | None]]:
    """Yield each picture with its mended pts and its duration, which is known one picture later."""
    mend = mender(video.step, video.info.time_base)
    stamped = ((picture, mend(picture.dts if picture.pts is None else picture.pts)) for picture in pictures)
    if video.is_live:  # a frame held back is a frame late
        yield from ((picture, pts, None) for picture, pts in stamped)
        return
    previous: tuple[av.VideoFrame, int] | None = None
    for picture, pts in stamped:
        if previous is not None:
            yield (*previous, pts - previous[1])
        previous = picture, pts
    if previous is not None:
        yield (*previous, _last_duration(video, previous[1]))


def _last_duration(video: _Video, pts: int) -> int:
    """Return how long the last frame stays: to the declared end where there is one."""
    health = video.health
    # Of a source that was cut, or whose clock was mended, the declared end is not this frame's.
    is_declared = not _is_cut(video) and not health.clock.jumps
    ends = [declared_end(video.container, video.stream), health.packets_end] if is_declared else [health.packets_end]
    return next((end - pts for end in ends if end > pts), video.step)


def _is_cut(video: _Video) -> bool:
    return is_cut(video.container, video.stream, video.step, video.health)

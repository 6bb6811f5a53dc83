"""Pieces of a long video, from key frame to key frame: planned, looked at apart, and joined as one."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer

from maskinfer.cluster.memo import KnownClassifier, KnownDetector, Memo, Said
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.track import TrackOptions, frames_a_look
from maskinfer.engine.frames.colour import picture_maker
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.results import Detections, FrameResult
from maskinfer.engine.sources.video import open_container, video_stream

_OPEN_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a video, which begins with a key frame.

    Attributes:
        number: from 0, in order of presentation.
        start_pts: of the key frame, in ticks of the stream.
        end_pts: of the key frame that the next piece begins with; None for the last piece.
        first_frame: index of the key frame in the video, from 0.
        start_s, end_s: the same times, in seconds from the first frame.
    """

    number: int
    start_pts: int
    end_pts: int | None
    first_frame: int
    start_s: float
    end_s: float


def plan_pieces(video: Path, piece_s: float, on_read: Callable[[], None] = lambda: None) -> list[Piece]:
    """Return the pieces of a video; none if it is short, has too few key frames, or its packets are not in order.

    Args:
        video: a file.
        piece_s: how long a piece is at least, in seconds; the last may be half as long again.
        on_read: called now and then while the packets are read.
    """
    try:
        with open_container(str(video), str(video), _OPEN_TIMEOUT_S) as container:
            stream = video_stream(container, str(video))
            tick_s = float(stream.time_base or 0)
            stamps, keys = _stamps(container, stream, on_read)
    except (OSError, ValueError):  # the whole will tell
        return []
    if not stamps or not tick_s:
        return []
    stamps.sort()
    starts, last = [stamps[0]], stamps[-1]
    for key in sorted(keys):
        if (key - starts[-1]) * tick_s >= piece_s and (last - key) * tick_s >= piece_s / 2:
            starts.append(key)
    if len(starts) < 2 or keys[0] != stamps[0]:
        return []
    return [
        Piece(
            i, start, end, bisect.bisect_left(stamps, start), (start - stamps[0]) * tick_s,
            ((last + 1 if end is None else end) - stamps[0]) * tick_s,
        )
        for i, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True))
    ]  # fmt: skip


def _stamps(
    container: InputContainer, stream: av.VideoStream, on_read: Callable[[], None]
) -> tuple[list[int], list[int]]:
    """Return the times of all pictures and of the key frames; nothing of a video with damage or a clock that jumps."""
    stamps, keys, decoded = [], [], None
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.is_corrupt or packet.pts is None:
            return [], []
        if packet.dts is not None:
            if decoded is not None and packet.dts <= decoded:
                return [], []
            decoded = packet.dts
        stamps.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
            on_read()
    return (stamps, keys) if len(set(stamps)) == len(stamps) else ([], [])


def look_at(
    engine: Engine,
    video: Path,
    piece: Piece,
    track: TrackOptions | None,
    on_result: Callable[[FrameResult], None],
) -> Memo:
    """Return what the models say of a piece of a video, seen as if it were a whole one.

    Args:
        engine: finds and labels.
        video: the file.
        piece: of it.
        track: how faces are followed, which decides what is classified.
        on_result: called with the result of each frame, which is not the one that the whole video will have.
    """
    memo = Memo()

    def learn_found(key: bytes, found: Detections) -> None:
        memo.found[key] = found

    def learn_said(key: bytes, said: Said) -> None:
        memo.said[key] = said

    own = replace(
        engine,
        detector=KnownDetector(engine.detector, memo.found.get, learn_found),
        classifier=KnownClassifier(engine.classifier, memo.said.get, learn_said),
        for_recordings=None,
    )
    rate = piece.first_frame / piece.start_s if piece.first_frame else 0.0
    every = 1 if track is None else frames_a_look(track, engine.recorded_looks_per_s, rate)
    with closing(_frames(video, piece, -piece.first_frame % every, engine.decoder)) as frames:
        for batch in own.follow(frames, track):
            for _, result in batch:
                on_result(result)
    return memo


def _frames(video: Path, piece: Piece, skip: int, decoder: str) -> Generator[Frame, None, None]:
    """Yield the frames of a piece, but for the first few."""
    with open_container(str(video), str(video), _OPEN_TIMEOUT_S, decoder) as container:
        stream = video_stream(container, str(video))
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 1
        to_picture, tick_s = picture_maker(), stream.time_base or 0
        shown = 0
        for picture in _pictures(container, stream, piece):
            # What a key frame's group refers to before it belongs to the piece before.
            if picture.pts is None or picture.pts < piece.start_pts:
                continue
            if piece.end_pts is not None and picture.pts >= piece.end_pts:
                return
            if shown >= skip:
                time_s = float((picture.pts - piece.start_pts) * tick_s)
                yield Frame("", piece.first_frame + shown, time_s, to_picture(picture))
            shown += 1


def _pictures(container: InputContainer, stream: av.VideoStream, piece: Piece) -> Iterator[av.VideoFrame]:
    for packet in _packets_from(container, stream, piece.start_pts):
        try:
            yield from stream.codec_context.decode(packet)
        except av.error.EOFError:
            return


def _packets_from(container: InputContainer, stream: av.VideoStream, start_pts: int) -> Iterator[av.Packet[Any]]:
    """Yield the packets from a key frame on; where the container cannot be sought in, all before are read."""
    for seek in (True, False):
        try:
            container.seek(start_pts if seek else 0, stream=stream, backward=True)
        except av.error.FFmpegError:
            continue
        first = _until_key(container, stream, start_pts)
        if first is not None:
            yield from first
            return


def _until_key(container: InputContainer, stream: av.VideoStream, start_pts: int) -> Iterator[av.Packet[Any]] | None:
    packets = iter(container.demux(stream))
    for packet in packets:
        if packet.size and packet.is_keyframe and packet.pts == start_pts:
            return _chain(packet, packets)
        if packet.pts is not None and packet.is_keyframe and packet.pts > start_pts:
            return None
    return None


def _chain(first: av.Packet[Any], rest: Iterator[av.Packet[Any]]) -> Iterator[av.Packet[Any]]:
    yield first
    yield from rest


class Joined:
    """What the models said of the pieces of a video, near to where its reading is.

    Args:
        pieces: of the video.
        load: returns what was said of a piece, by its number; nothing where that is lost.
    """

    def __init__(self, pieces: Sequence[Piece], load: Callable[[int], Memo]) -> None:
        self._pieces, self._load = pieces, load
        self._held: dict[int, Memo] = {}
        self.hits = self.misses = 0
        self._hold(0)

    def engine(self, engine: Engine) -> Engine:
        """Return an engine that asks its models only about what they were not asked about in pieces."""
        detector = KnownDetector(engine.detector, self._found)
        classifier = KnownClassifier(engine.classifier, self._said)
        return replace(engine, detector=detector, classifier=classifier, for_recordings=None)

    def reach(self, time_s: float) -> None:
        """Note how far the reading is, in seconds from the first frame."""
        now = next((piece.number for piece in self._pieces if time_s < piece.end_s), len(self._pieces) - 1)
        if now not in self._held or (now + 1 < len(self._pieces) and now + 1 not in self._held):
            self._hold(now)

    def _hold(self, now: int) -> None:
        # Frames are read ahead of what is written, and the one after may be near.
        near = [n for n in (now - 1, now, now + 1) if 0 <= n < len(self._pieces)]
        self._held = {n: self._held[n] if n in self._held else self._load(n) for n in near}

    def _found(self, key: bytes) -> Detections | None:
        found = next((memo.found[key] for memo in self._held.values() if key in memo.found), None)
        self._count(found is not None)
        return found

    def _said(self, key: bytes) -> Said | None:
        said = next((memo.said[key] for memo in self._held.values() if key in memo.said), None)
        self._count(said is not None)
        return said

    def _count(self, is_known: bool) -> None:
        self.hits += is_known
        self.misses += not is_known

"""The work that ways are raced on: a short clip, annotated as ``maskinfer video`` does, and faces to agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import av.error
import cv2
import numpy as np

from maskinfer.benchmark.predictions import sample_frames
from maskinfer.benchmark.synthetic_video import write_film
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import SourceError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.load import load
from maskinfer.engine.results import BGRFrame, FrameResult
from maskinfer.engine.sources.video import open_video
from maskinfer.engine.tuned.way import Asked, Way

_FILM_WH, _FILM_RATE, _FILM_FACES = (1920, 1080), 8, 5
_RUN_S = 0.6
_LEAST_FRAMES, _MOST_FRAMES = 12, 48
_WARM_FRAMES = 8
_FRAMES_TO_AGREE_ON = 16
_SAME_FACE_IOU = 0.5


def open_way(way: Way, asked: Asked) -> Engine:
    """Open an engine that runs in a way, whatever a profile says.

    Raises:
        ProviderError, ModelError: it cannot.
    """
    engine = load(
        way.detector, way.classifier, preset=asked.preset, provider=way.provider, threads=way.threads, lanes=way.lanes,
        use_profile=False,
    )  # fmt: skip
    return replace(engine, batch_frames=way.batch_frames, codec_threads=way.codec_threads)


def source_clip(clip: Path | None, folder: Path) -> Path:
    """Return the clip to work on: the user's, or a film of 1080p with five faces in each frame."""
    if clip is not None:
        with open_video(clip):
            pass
        return clip
    film = folder / "film.ts"
    write_film(film, _FILM_WH, _FILM_RATE, _FILM_FACES)
    return film


def frames_for(frames_per_second: float) -> int:
    """Return how many frames make a run of the right length: long enough to be measured, short enough for many."""
    return max(_LEAST_FRAMES, min(_MOST_FRAMES, round(frames_per_second * _RUN_S)))


def shorten(clip: Path, out: Path, frames: int) -> None:
    """Copy the packets of a clip's first frames into a Matroska file, without sound.

    Raises:
        SourceError: they cannot be copied.
    """
    try:
        with (
            av.open(str(clip), metadata_errors="replace") as source,
            av.open(str(out), "w", format="matroska") as short,
        ):
            stream = source.streams.video[0]
            copy = short.add_stream_from_template(stream)
            packets = (packet for packet in source.demux(stream) if packet.dts is not None)
            for packet in islice(packets, frames):
                packet.stream = copy
                short.mux(packet)
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError(f"{clip} cannot be cut for measuring ({error}): give an .mp4 or .mkv with H.264") from error


def run_job(engine: Engine, clip: Path, folder: Path) -> int:
    """Annotate a clip as ``maskinfer video`` does; return how many frames it has."""
    summary = run_video(engine, clip, folder / "out.mp4", track=TrackOptions(), stopped=lambda: 0)
    return summary.frames


def warm(engine: Engine, clip: Path) -> None:
    """Let an engine look at the first frames, so that what it does only once is done."""
    with open_video(clip) as video:
        for _ in engine.follow(islice(video, _WARM_FRAMES), TrackOptions()):
            pass


def pictures(clip: Path) -> list[BGRFrame]:
    """Return the pictures whose faces two ways have to agree on: the package's own, changed, and some of the clip."""
    with open_video(clip) as video:
        frames = [frame.picture.bgr for frame in islice(video, 2 * _FRAMES_TO_AGREE_ON)]
    return [changed for one in sample_frames() for changed in _changed(one)] + frames[::2]


def _changed(frame: BGRFrame) -> list[BGRFrame]:
    small = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    dark = (frame * np.float32(0.6)).astype(np.uint8)
    return [frame, np.ascontiguousarray(small[:, ::-1]), np.asarray(dark, np.uint8)]


def look_at(engine: Engine, frames: Sequence[BGRFrame]) -> list[FrameResult]:
    """Return what an engine finds in each picture on its own."""
    return [engine(frame) for frame in frames]


def agreement(ours: Sequence[FrameResult], theirs: Sequence[FrameResult]) -> float:
    """Return the share of the faces, of either, that both find and label alike (F1); 1 if neither finds any."""
    alike = sum(_alike(one, other) for one, other in zip(ours, theirs, strict=True))
    total = sum(len(one.faces) + len(other.faces) for one, other in zip(ours, theirs, strict=True))
    return 2 * alike / total if total else 1.0


def _alike(one: FrameResult, other: FrameResult) -> int:
    if not one.faces or not other.faces:
        return 0
    iou = iou_matrix(one.xyxy, other.xyxy)
    nearest = iou.argmax(1)
    return sum(
        iou[i, k] >= _SAME_FACE_IOU and face.label == other.faces[k].label
        for i, (face, k) in enumerate(zip(one.faces, nearest, strict=True))
    )

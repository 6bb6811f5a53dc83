"""Pictures of moments: where the videos of an archive are, and frames of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from maskinfer.control.archive.frames import frames_at
from maskinfer.control.archive.moments import Box, Moment
from maskinfer.engine.errors import SourceError
from maskinfer.engine.frames.annotate import blur_faces
from maskinfer.engine.frames.draw import colour_of
from maskinfer.engine.frames.picture import as_picture
from maskinfer.engine.results import BGRFrame

_OF_COPIES = ("", ".mp4", ".mkv")
"""What a copy of a video may be called besides its name."""


_MOST_PX = 1280
_AROUND, _LEAST_SHARE = 4.0, 0.4
_LINE_PX = 2


def video_of(moment: Moment, folder: Path) -> Path | None:
    """Return the video of a moment, or an annotated copy of it; None if there is none in the folder."""
    real = folder.resolve()
    for suffix in _OF_COPIES:
        path = folder / f"{moment.name}{suffix}"
        # A name from a table is data, and leads nowhere else.
        if path.is_file() and path.resolve().is_relative_to(real):
            return path
    return None


def moment_pictures(
    moments: Sequence[Moment],
    folder: Path,
    size_wh: tuple[int, int],
    problems: list[str],
    *,
    hidden: Callable[[Moment], Sequence[Box]] = lambda moment: (),
) -> Iterator[tuple[Moment, BGRFrame | None]]:
    """Yield a picture for each moment, uint8 (height, width, 3), BGR, with the face marked; None if there is none.

    Args:
        moments: those of a video one after the other, as ``find_moments`` gives them.
        folder: of the videos.
        size_wh: that pictures fit into; the rest is black.
        problems: get a line for each video that cannot be read.
        hidden: gives the boxes that are made unrecognizable in a moment's picture, in pixels of its video.
    """
    for name, some in groupby(moments, lambda moment: moment.name):
        group = list(some)
        video = video_of(group[0], folder)
        found: dict[float, BGRFrame] = {}
        times_s = sorted({moment.shown_s for moment in group})
        if video is None:
            problems.append(f"{name} is not in {folder}: its moments have no pictures")
        else:
            try:
                for time_s, frame in zip(times_s, frames_at(video, times_s), strict=True):
                    found |= {} if frame is None else {time_s: _small(frame)}
            except SourceError as error:
                problems.append(str(error))
        for moment in group:
            frame = found.get(moment.shown_s)
            yield moment, None if frame is None else _marked(frame.copy(), moment, size_wh, hidden(moment))


def _small(frame: BGRFrame) -> BGRFrame:
    """Return a frame that is no larger than it need be: those of a video wait for one another."""
    scale = min(1.0, _MOST_PX / max(frame.shape[:2]))
    size_wh = round(frame.shape[1] * scale), round(frame.shape[0] * scale)
    return np.asarray(cv2.resize(frame, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _marked(frame: BGRFrame, moment: Moment, size_wh: tuple[int, int], hidden: Sequence[Box]) -> BGRFrame:
    height, width = frame.shape[:2]
    scale = width / moment.size_wh[0], height / moment.size_wh[1]
    blur_faces(frame, [_scaled(box, scale) for box in hidden])
    if moment.xyxy is None:
        return _fitted(frame, size_wh)
    box = _scaled(moment.xyxy, scale)
    x0, y0, x1, y1 = _window(box, (width, height), size_wh)
    line = max(1, round(_LINE_PX * (y1 - y0) / size_wh[1]))
    left_px, top_px, right_px, bottom_px = (round(v) for v in box)
    as_picture(frame).outline((left_px, top_px, right_px, bottom_px), colour_of(moment.label), line)
    return _fitted(frame[y0:y1, x0:x1], size_wh)


def _scaled(box: Box, scale: tuple[float, float]) -> Box:
    return box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]


def _window(box: Box, frame_wh: tuple[int, int], size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of a frame that is shown: the face with so much around it that it can be told where it is."""
    width, height = frame_wh
    down = min(height, max(_AROUND * (box[3] - box[1]), height * _LEAST_SHARE))
    across = min(width, down * size_wh[0] / size_wh[1])
    left = min(max((box[0] + box[2] - across) / 2, 0), width - across)
    top = min(max((box[1] + box[3] - down) / 2, 0), height - down)
    return int(left), int(top), int(left + across), int(top + down)


def _fitted(frame: BGRFrame, size_wh: tuple[int, int]) -> BGRFrame:
    scale = min(size_wh[0] / frame.shape[1], size_wh[1] / frame.shape[0])
    width, height = max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale))
    picture: BGRFrame = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top = (size_wh[0] - width) // 2, (size_wh[1] - height) // 2
    picture[top : top + height, left : left + width] = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    return picture

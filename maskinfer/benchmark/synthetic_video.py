"""A film of a known size, rate and number of faces."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, sin, sqrt
from pathlib import Path

import av
import cv2
import numpy as np

from maskinfer.benchmark.predictions import sample_frames
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.results import BGRFrame

_FILM_S = 6.0
_FACE_SHARE = 0.14
_AROUND = 0.35
_SWAY = 0.25


def write_film(path: Path, size_wh: tuple[int, int], rate: int, faces: int) -> None:
    """Write a film as an MPEG transport stream, as a camera sends it: H.264, a key frame a second.

    Args:
        path: where to.
        size_wh: even width and height in pixels.
        rate: frames a second.
        faces: in each frame, a seventh of its height each, swaying before a blurred room.
    """
    count = round(_FILM_S * rate)
    with av.open(str(path), "w", format="mpegts") as container:
        options = {"preset": "veryfast", "tune": "zerolatency", "g": str(rate), "crf": "23"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        for bgr in _frames(size_wh, count, faces):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(bgr, format="bgr24")))
        container.mux(stream.encode(None))


def _frames(size_wh: tuple[int, int], count: int, faces: int) -> Iterator[BGRFrame]:
    room = cv2.GaussianBlur(cv2.resize(sample_frames()[0], size_wh), (0, 0), size_wh[1] / 20)
    patches = _patches(round(size_wh[1] * _FACE_SHARE))
    columns = max(1, ceil(sqrt(faces * size_wh[0] / size_wh[1])))
    rows = max(1, ceil(faces / columns))
    cell_w, cell_h = size_wh[0] / columns, size_wh[1] / rows
    for t in range(count):
        bgr = np.array(room, np.uint8)
        for i in range(faces):
            patch = patches[i % len(patches)]
            x = (i % columns + 0.5 + _SWAY * sin(2 * np.pi * (t / count + i / faces))) * cell_w - patch.shape[1] / 2
            y = (i // columns + 0.5) * cell_h - patch.shape[0] / 2
            _paste(bgr, patch, round(x), round(y))
        yield bgr


def _patches(side: int) -> list[BGRFrame]:
    """Return the faces of the sample frames with room around, their boxes ``side`` high."""
    frames = sample_frames()
    patches = []
    for frame, found in zip(frames, load_detector(provider="cpu")(frames), strict=True):
        for left, top, right, bottom in found.xyxy:
            across, down = (right - left) * _AROUND, (bottom - top) * _AROUND
            x0, y0 = max(0, int(left - across)), max(0, int(top - down))
            patch = frame[y0 : int(bottom + down), x0 : int(right + across)]
            scale = side / float(bottom - top)
            patches.append(
                np.asarray(cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
            )
    return patches


def _paste(bgr: BGRFrame, patch: BGRFrame, x: int, y: int) -> None:
    x, y = max(0, x), max(0, y)
    room = bgr[y : y + patch.shape[0], x : x + patch.shape[1]]
    room[:] = patch[: room.shape[0], : room.shape[1]]

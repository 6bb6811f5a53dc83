"""Letterboxing: frames scaled into the size that a detector takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from maskinfer.engine.frames.picture import AnyPicture, as_picture
from maskinfer.engine.results import BGRBatch


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a frame lies in the detector's input: scaled, in the top left corner, black to the right and below.

    Attributes:
        inner_wh: the scaled frame, in pixels.
        canvas_wh: the whole input, in pixels.
        scale_xy: input pixels per source pixel, along x and y; they differ by rounding only.
    """

    inner_wh: tuple[int, int]
    canvas_wh: tuple[int, int]
    scale_xy: tuple[float, float]


def plan_letterbox(size_wh: tuple[int, int], max_wh: tuple[int, int], *, divisor: int, fixed: bool) -> Letterbox:
    """Fit a frame of ``size_wh`` into ``max_wh``, keeping its aspect.

    Args:
        size_wh: the frame, in pixels.
        max_wh: the largest input, in pixels.
        divisor: the canvas is cut down to the least multiple of it that holds the frame ...
        fixed: ... unless the graph takes ``max_wh`` only.
    """
    scale = min(max_wh[0] / size_wh[0], max_wh[1] / size_wh[1])
    inner = (max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale)))
    canvas = max_wh if fixed else (_ceil_to(inner[0], divisor), _ceil_to(inner[1], divisor))
    return Letterbox(inner, canvas, (inner[0] / size_wh[0], inner[1] / size_wh[1]))


def _ceil_to(value: int, divisor: int) -> int:
    return math.ceil(value / divisor) * divisor


def letterbox_batch(frames: Sequence[AnyPicture], plan: Sequence[Letterbox]) -> BGRBatch:
    """Lay frames of any sizes into one batch.

    Args:
        frames: N pictures, or uint8 (height, width, 3).
        plan: N, all with the same canvas.

    Returns:
        uint8 (N, canvas height, canvas width, 3), same colour order as the frames.
    """
    width, height = plan[0].canvas_wh
    batch = np.zeros((len(frames), height, width, 3), np.uint8)
    for canvas, frame, fit in zip(batch, frames, plan, strict=True):
        inner_w, inner_h = fit.inner_wh
        picture = as_picture(frame)
        whole = (0, 0, *picture.size_wh)
        canvas[:inner_h, :inner_w] = picture.resized(whole, fit.inner_wh, cv2.INTER_LINEAR)
    return batch

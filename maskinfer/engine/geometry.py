"""Array functions on boxes and pictures: letterboxing, suppression, face crops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.contract import CropRule
from maskinfer.engine.picture import Frame, Picture, as_picture
from maskinfer.engine.results import BGRFrame

FloatArray = NDArray[np.float32]


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


def letterbox_batch(frames: Sequence[Frame], plan: Sequence[Letterbox]) -> BGRFrame:
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


def suppress(xyxy: FloatArray, scores: FloatArray, iou_threshold: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        xyxy: float32 (N, 4).
        scores: float32 (N,), over 0.
        iou_threshold: a box is dropped when its IoU with a better one that is kept is over this.

    Returns:
        Indices of the boxes that stay, best score first.
    """
    if not len(xyxy):
        return np.zeros(0, np.intp)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, iou_threshold)
    return np.asarray(kept, np.intp).reshape(-1)


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the intersection over union of every pair: xyxy (N, 4) and (M, 4) -> float32 (N, M)."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.clip(bottom_right - top_left, 0, None).prod(-1)
    union = _areas(a)[:, None] + _areas(b)[None] - intersection
    return np.asarray(intersection / np.maximum(union, 1e-9), np.float32)


def _areas(xyxy: FloatArray) -> FloatArray:
    return np.asarray((xyxy[:, 2:] - xyxy[:, :2]).prod(-1), np.float32)


def grown(xyxy: FloatArray, margin: float) -> FloatArray:
    """Return boxes, xyxy float32 (N, 4), larger by a share of their sides on each side."""
    sides = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    return np.asarray(xyxy + sides * np.array([-margin, -margin, margin, margin]), np.float32)


def crop_windows(xyxy: FloatArray, rule: CropRule) -> FloatArray:
    """Return the windows, xyxy float32 (N, 4), that the crop rule cuts around boxes of the same shape."""
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1.0)
    if rule.square:
        sides = np.broadcast_to(sides.max(1, keepdims=True), sides.shape)
    half = sides * (0.5 + rule.margin)
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)


def cut_crops(frame: Frame, xyxy: FloatArray, rule: CropRule, size_wh: tuple[int, int]) -> BGRFrame:
    """Cut faces from a frame, as the classifier sees them. Training cuts its crops with this very function.

    Args:
        frame: a picture, or uint8 (height, width, 3).
        xyxy: float32 (N, 4), the detector's boxes in pixels of the frame.
        rule: from the classifier's contract.
        size_wh: of a crop, in pixels.

    Returns:
        uint8 (N, height of a crop, width of a crop, 3), same colour order as the frame.
    """
    picture = as_picture(frame)
    crops = np.empty((len(xyxy), size_wh[1], size_wh[0], 3), np.uint8)
    for crop, window in zip(crops, crop_windows(xyxy, rule), strict=True):
        crop[:] = _cut(picture, window, rule, size_wh)
    return crops


def _cut(picture: Picture, window: FloatArray, rule: CropRule, size_wh: tuple[int, int]) -> BGRFrame:
    width, height = picture.size_wh
    left, top = (int(v) for v in np.floor(window[:2]))
    right, bottom = (int(v) for v in np.ceil(window[2:]))
    # A window that lies wholly outside still needs one pixel to repeat.
    x0, x1 = min(max(left, 0), width - 1), max(min(right, width), 1)
    y0, y1 = min(max(top, 0), height - 1), max(min(bottom, height), 1)
    scale_x, scale_y = size_wh[0] / (right - left), size_wh[1] / (bottom - top)
    shrinks = scale_x < 1 or scale_y < 1
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    if (left, top, right, bottom) == (x0, y0, x1, y1):
        return picture.resized((x0, y0, x1, y1), size_wh, method)
    # Resizing first keeps the border cheap however far a window reaches out of the frame.
    inner_wh = (max(1, round((x1 - x0) * scale_x)), max(1, round((y1 - y0) * scale_y)))
    inner_wh = (min(inner_wh[0], size_wh[0]), min(inner_wh[1], size_wh[1]))
    offset_x = min(max(round((x0 - left) * scale_x), 0), size_wh[0] - inner_wh[0])
    offset_y = min(max(round((y0 - top) * scale_y), 0), size_wh[1] - inner_wh[1])
    return np.asarray(
        cv2.copyMakeBorder(
            picture.resized((x0, y0, x1, y1), inner_wh, method),
            offset_y,
            size_wh[1] - inner_wh[1] - offset_y,
            offset_x,
            size_wh[0] - inner_wh[0] - offset_x,
            cv2.BORDER_REPLICATE if rule.border == "replicate" else cv2.BORDER_CONSTANT,
            value=(0, 0, 0),
        ),
        np.uint8,
    )

"""Square crops of faces for the classifier."""

from __future__ import annotations

import cv2
import numpy as np

from maskinfer.engine.contract import CropRule
from maskinfer.engine.frames.picture import AnyPicture, Picture, as_picture
from maskinfer.engine.results import BGRBatch, BGRFrame, FloatArray


def crop_windows(xyxy: FloatArray, rule: CropRule) -> FloatArray:
    """Return the windows, xyxy float32 (N, 4), that the crop rule cuts around boxes of the same shape."""
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1.0)
    if rule.square:
        sides = np.broadcast_to(sides.max(1, keepdims=True), sides.shape)
    half = sides * (0.5 + rule.margin)
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)


def cut_crops(frame: AnyPicture, xyxy: FloatArray, rule: CropRule, size_wh: tuple[int, int]) -> BGRBatch:
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

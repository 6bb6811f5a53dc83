"""Decoded 4:2:0 as numpy arrays: looked at and drawn on in parts, without a full-size BGR picture.

Conversions follow ITU-T H.273 (matrix coefficients, studio range); a colour sample stands for its four pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from maskinfer.engine.results import BGRFrame

Plane = NDArray[np.uint8]
FORMAT = "yuv420p"
# H.273 matrix code -> the shares of red and blue in luma.
KR_KB = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
_BLACK_Y, _MIDDLE, _LUMA_LEVELS, _CHROMA_LEVELS = 16, 128, 219, 224


@dataclass(frozen=True, slots=True)
class Planes:
    """A picture in yuv420p, 8 bits, studio range (16 to 235), of even width and height.

    Attributes:
        frame: that the arrays are views of.
        y: uint8 (height, width).
        u: uint8 (height / 2, width / 2).
        v: as ``u``.
        colour_matrix: H.273 code of the YUV matrix, a key of ``KR_KB``.
    """

    frame: av.VideoFrame
    y: Plane
    u: Plane
    v: Plane
    colour_matrix: int

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.y.shape[1], self.y.shape[0]


def planes_of(frame: av.VideoFrame, colour_matrix: int) -> Planes:
    """Return views of a frame in yuv420p; writing to those of a decoded one would degrade what is decoded after it."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return Planes(frame, y, u, v, colour_matrix)


def writable(planes: Planes) -> Planes:
    """Return the picture to be drawn on and encoded: copied if its decoder still needs it, otherwise as it is.

    The views that were given are not to be used any more.
    """
    frame = planes.frame
    frame.make_writable()
    frame.pict_type = PictureType.NONE  # or an encoder would make key frames where the source has some
    return planes_of(frame, planes.colour_matrix)


def resized(planes: Planes, xyxy: tuple[int, int, int, int], size_wh: tuple[int, int], interpolation: int) -> BGRFrame:
    """Return a part at another size, uint8 (height, width, 3), BGR; the planes are scaled, then converted.

    Args:
        planes: the whole.
        xyxy: in pixels, inside of it, not empty.
        size_wh: of what is returned.
        interpolation: OpenCV's number; colour that is stored more coarsely than it is asked for is sampled linearly.
    """
    left, top, right, bottom = xyxy
    cells = slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2)
    luma = cv2.resize(planes.y[top:bottom, left:right], size_wh, interpolation=interpolation)
    grows = (right - left) < 2 * size_wh[0] or (bottom - top) < 2 * size_wh[1]
    method = cv2.INTER_LINEAR if grows else interpolation
    chroma = (cv2.resize(plane[cells], size_wh, interpolation=method) for plane in (planes.u, planes.v))
    return np.asarray(cv2.transform(cv2.merge([luma, *chroma]), _to_bgr(planes.colour_matrix)), np.uint8)


def shrunk(planes: Planes, size_wh: tuple[int, int]) -> BGRFrame:
    """Return the whole at a smaller size, uint8 (height, width, 3), BGR, to be looked at; see ``halved``."""
    luma, *chroma = (halved(plane, size_wh) for plane in (planes.y, planes.u, planes.v))
    return np.asarray(cv2.transform(cv2.merge([luma, *chroma]), _to_bgr(planes.colour_matrix)), np.uint8)


def halved(pixels: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Return pixels at another size: means of four for as long as that is not too small, then between neighbours.

    The exact means of other shares take OpenCV four times as long and more, which nobody sees on a page.
    """
    width, height = size_wh
    while pixels.shape[1] >= 2 * width and pixels.shape[0] >= 2 * height:
        half_wh = pixels.shape[1] // 2, pixels.shape[0] // 2
        pixels = np.asarray(cv2.resize(pixels, half_wh, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)


def cut(planes: Planes, xyxy: tuple[int, int, int, int]) -> BGRFrame:
    """Return a part as a picture of its own, uint8 (height, width, 3), BGR.

    Args:
        planes: the whole.
        xyxy: in pixels, inside of it, not empty.
    """
    left, top, right, bottom = xyxy
    x0, y0 = left // 2, top // 2
    cells = slice(y0, (bottom + 1) // 2), slice(x0, (right + 1) // 2)
    luma = planes.y[2 * y0 : 2 * cells[0].stop, 2 * x0 : 2 * cells[1].stop]
    doubled = (plane[cells].repeat(2, 0).repeat(2, 1) for plane in (planes.u, planes.v))
    bgr = cv2.transform(cv2.merge([luma, *doubled]), _to_bgr(planes.colour_matrix))
    return np.asarray(bgr[top - 2 * y0 : bottom - 2 * y0, left - 2 * x0 : right - 2 * x0], np.uint8)


def paste(planes: Planes, corner_xy: tuple[int, int], bgr: BGRFrame) -> None:
    """Replace a part by a picture, uint8 (height, width, 3), BGR, whose upper left corner is at ``corner_xy``."""
    (left, top), (height, width) = corner_xy, bgr.shape[:2]
    x0, y0, x1, y1 = left - left % 2, top - top % 2, left + width, top + height
    x1, y1 = x1 + x1 % 2, y1 + y1 % 2
    if (x1 - x0, y1 - y0) != (width, height):  # a colour sample is shared with what lies around
        around = cut(planes, (x0, y0, x1, y1))
        around[top - y0 : top - y0 + height, left - x0 : left - x0 + width] = bgr
        bgr = around
    yuv = cv2.transform(bgr, _from_bgr(planes.colour_matrix))
    chroma = cv2.resize(yuv, ((x1 - x0) // 2, (y1 - y0) // 2), interpolation=cv2.INTER_AREA)
    planes.y[y0:y1, x0:x1] = yuv[..., 0]
    planes.u[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = chroma[..., 1]
    planes.v[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = chroma[..., 2]


def outline(planes: Planes, xyxy: tuple[int, int, int, int], colour: tuple[int, int, int], width_px: int) -> None:
    """Draw a rectangle's outline in a BGR colour; what is thinner than a colour sample has its full colour."""
    left, top, right, bottom = xyxy
    luma, u, v = _yuv_of(colour, planes.colour_matrix)
    cv2.rectangle(planes.y, (left, top), (right, bottom), luma, width_px)
    half = width_px // 2
    first, last = ((left - half) // 2, (top - half) // 2), ((right + half) // 2, (bottom + half) // 2)
    for i in range(half + 1):  # a line covers so many colour samples
        corners = (first[0] + i, first[1] + i), (last[0] - i, last[1] - i)
        cv2.rectangle(planes.u, *corners, u)
        cv2.rectangle(planes.v, *corners, v)


@lru_cache(maxsize=64)
def _yuv_of(colour: tuple[int, int, int], colour_matrix: int) -> tuple[int, int, int]:
    y, u, v = cv2.transform(np.array([[colour]], np.uint8), _from_bgr(colour_matrix))[0, 0]
    return int(y), int(u), int(v)


@lru_cache(maxsize=16)
def _to_bgr(colour_matrix: int) -> NDArray[np.float64]:
    """Return 3x4: Y, U, V, 1 -> blue, green, red."""
    kr, kb = KR_KB[colour_matrix]
    kg = 1 - kr - kb
    luma, chroma = 255 / _LUMA_LEVELS, 255 / _CHROMA_LEVELS
    blue, red = 2 * (1 - kb) * chroma, 2 * (1 - kr) * chroma
    linear = np.array([[luma, blue, 0], [luma, -blue * kb / kg, -red * kr / kg], [luma, 0, red]])
    return np.column_stack([linear, -linear @ [_BLACK_Y, _MIDDLE, _MIDDLE]])


@lru_cache(maxsize=16)
def _from_bgr(colour_matrix: int) -> NDArray[np.float64]:
    """Return 3x4: blue, green, red, 1 -> Y, U, V."""
    return np.column_stack([np.linalg.inv(_to_bgr(colour_matrix)[:, :3]), [_BLACK_Y, _MIDDLE, _MIDDLE]])

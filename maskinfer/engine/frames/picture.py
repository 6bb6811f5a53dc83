"""A frame's pixels: as they were decoded, until somebody needs the whole frame in BGR."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import RequestError
from maskinfer.engine.frames import yuv420 as yuv
from maskinfer.engine.frames.yuv420 import Planes
from maskinfer.engine.results import BGRFrame, FloatArray

BGR = tuple[int, int, int]


class Picture:
    """A frame that is looked at and drawn on in parts.

    It is held as it came, in BGR or as planes of 4:2:0; planes turn into BGR, for good, when ``bgr`` is asked for.
    One thread at a time.

    Args:
        pixels: uint8 (height, width, 3), BGR, which is drawn on in place; or planes, which are copied if need be.
    """

    __slots__ = ("_is_writable", "_pixels")

    def __init__(self, pixels: BGRFrame | Planes) -> None:
        self._pixels = pixels
        self._is_writable = not isinstance(pixels, Planes)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        pixels = self._pixels
        return pixels.size_wh if isinstance(pixels, Planes) else (pixels.shape[1], pixels.shape[0])

    @property
    def bgr(self) -> BGRFrame:
        """All of it, uint8 (height, width, 3), contiguous if it came as planes; what is drawn on it counts."""
        if isinstance(self._pixels, Planes):
            self._pixels = yuv.cut(self._pixels, (0, 0, *self.size_wh))
        return self._pixels

    def arrays(self) -> tuple[NDArray[np.uint8], ...]:
        """The pixels as they are held, to be looked at only: planes of luma and chroma, or the one array in BGR."""
        pixels = self._pixels
        return (pixels.y, pixels.u, pixels.v) if isinstance(pixels, Planes) else (pixels,)

    def planes(self, colour_matrix: int) -> Planes | None:
        """Return planes that may be encoded if it is held in such, of an equal H.273 matrix; otherwise None."""
        if not isinstance(self._pixels, Planes) or yuv.KR_KB[self._pixels.colour_matrix] != yuv.KR_KB[colour_matrix]:
            return None
        return self._writable(self._pixels)

    def resized(self, xyxy: tuple[int, int, int, int], size_wh: tuple[int, int], interpolation: int) -> BGRFrame:
        """Return a part at another size, uint8 (height, width, 3).

        Args:
            xyxy: in pixels, inside of the picture, not empty.
            size_wh: of what is returned.
            interpolation: OpenCV's number.
        """
        if isinstance(self._pixels, Planes):
            return yuv.resized(self._pixels, xyxy, size_wh, interpolation)
        return np.asarray(cv2.resize(self.cut(xyxy), size_wh, interpolation=interpolation), np.uint8)

    def shrunk(self, size_wh: tuple[int, int]) -> BGRFrame:
        """Return the whole at a smaller size as it is to be looked at, uint8 (height, width, 3); models need better."""
        if isinstance(self._pixels, Planes):
            return yuv.shrunk(self._pixels, size_wh)
        return yuv.halved(self._pixels, size_wh)

    def brightness(self, size_wh: tuple[int, int]) -> FloatArray:
        """Return the mean brightness of the cells of a grid, float32 (height, width), 0 to 255; luma where it is held.

        Args:
            size_wh: cells across and down, no more than there are pixels.
        """
        grey = self._pixels.y if isinstance(self._pixels, Planes) else cv2.cvtColor(self._pixels, cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA), np.float32)

    def cut(self, xyxy: tuple[int, int, int, int]) -> BGRFrame:
        """Return a part, uint8 (height, width, 3); maybe a view: what is to be changed has to be copied.

        Args:
            xyxy: in pixels, inside of the picture, not empty.
        """
        if isinstance(self._pixels, Planes):
            return yuv.cut(self._pixels, xyxy)
        left, top, right, bottom = xyxy
        return self._pixels[top:bottom, left:right]

    def paste(self, corner_xy: tuple[int, int], bgr: BGRFrame) -> None:
        """Replace a part by ``bgr``, uint8 (height, width, 3), which lies inside of the picture."""
        if isinstance(self._pixels, Planes):
            yuv.paste(self._writable(self._pixels), corner_xy, bgr)
            return
        left, top = corner_xy
        self._pixels[top : top + bgr.shape[0], left : left + bgr.shape[1]] = bgr

    def outline(self, xyxy: tuple[int, int, int, int], colour: BGR, width_px: int) -> None:
        """Draw a rectangle whose corners are the middles of its lines."""
        if isinstance(self._pixels, Planes):
            yuv.outline(self._writable(self._pixels), xyxy, colour, width_px)
            return
        cv2.rectangle(self._pixels, xyxy[:2], xyxy[2:], colour, width_px)

    def _writable(self, planes: Planes) -> Planes:
        if not self._is_writable:
            self._pixels, self._is_writable = yuv.writable(planes), True
            return self._pixels
        return planes


AnyPicture = Picture | BGRFrame


def as_picture(frame: AnyPicture) -> Picture:
    """Return a frame as a picture; the pixels of an array are shared.

    Raises:
        RequestError: an array has another shape than (height, width, 3) or another type than uint8.
    """
    if isinstance(frame, Picture):
        return frame
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
        raise RequestError(
            f"a frame has shape {frame.shape} and dtype {frame.dtype}, expected (height, width, 3) and uint8"
        )
    return Picture(frame)

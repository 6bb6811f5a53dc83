"""From decoded frames to upright pictures, and from these to the YUV that is encoded, in the right colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from maskinfer.engine.frames.hdr import ToneMap, is_hdr, tone_mapper
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.frames.yuv420 import FORMAT, planes_of
from maskinfer.engine.results import BGRFrame

UNSPECIFIED = 2
"""The code with which H.273 and FFmpeg say that a colour property is not known."""
BT709 = 1
BT601 = 6
# H.273 matrix code -> the number that swscale gives to its coefficients.
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_LIMITED, _FULL = 1, 2
_INTERLEAVED = "nv12"
"""4:2:0 as hardware gives it: the same samples, those of both colours in one plane."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How a video's samples become colours; the codes are those of ITU-T H.273, 2 is unspecified.

    Attributes:
        colour_matrix: YUV matrix that the pixels are converted with; never unspecified.
        primaries: colour primaries, as declared.
        transfer: transfer characteristic, as declared.
    """

    colour_matrix: int = BT709
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED


SDR_VIDEO = Colour(BT709, BT709, BT709)
"""What a stream is tagged with that is made here, as from a camera."""


def colour_matrix_of(declared: int, width: int, height: int) -> int:
    """Return the H.273 matrix code for a picture: the declared one, or what players assume without one.

    Untagged video is BT.709 from HD on and BT.601 below, as browsers, mpv and VLC have it.
    """
    if declared in _SWS_MATRIX:
        return declared
    return BT709 if width >= 1280 or height > 576 else BT601


ToPicture = Callable[[av.VideoFrame], Picture]


def picture_maker() -> ToPicture:
    """Return a function that gives any decoded frame as an upright picture.

    Upright 4:2:0 of 8 bits in studio range, which most video is, stays as it is. All else becomes BGR, contiguous and
    writable: matrix and range are the frame's own, high dynamic range is mapped to the standard one, the rotation of
    its display matrix is applied to the pixels, alpha is left out.
    """
    # One converter per kind of picture: swscale contexts are dear to build, and one that is used for several
    # kinds keeps the colours of the first in PyAV 14.
    converters: dict[tuple[object, ...], VideoReformatter] = {}
    # A frame whose side data were looked at is freed by the garbage collector only, hundreds of MB later; so they are
    # looked at anew only when the rotation, which PyAV tells without them, is another one.
    rotations: dict[float, DisplayMatrix | None] = {}
    tone_maps: dict[tuple[int, int], ToneMap] = {}
    separator = VideoReformatter()

    def make(frame: av.VideoFrame) -> Picture:
        if frame.rotation not in rotations:
            rotations[frame.rotation] = display_matrix(frame)
        rotation = rotations[frame.rotation]
        colour_matrix = colour_matrix_of(int(frame.colorspace), frame.width, frame.height)
        full = _FULL if is_full_range(frame) else _LIMITED
        coding = transfer_of(frame), int(getattr(frame, "color_primaries", UNSPECIFIED))
        hdr = is_hdr(coding[0])
        if frame.format.name == _INTERLEAVED:
            # The same ranges, so that no sample changes.
            frame = separator.reformat(frame, format=FORMAT, src_color_range=_LIMITED, dst_color_range=_LIMITED)
        is_plain = frame.format.name == FORMAT and frame.width % 2 == 0 and frame.height % 2 == 0 and full == _LIMITED
        if is_plain and not hdr and rotation is None:
            return Picture(planes_of(frame, colour_matrix))
        key = (frame.format.name, frame.width, frame.height, colour_matrix, full, hdr)
        if key not in converters:
            converters[key] = VideoReformatter()
        rgb_frame = converters[key].reformat(
            frame,
            format="rgb48le" if hdr else "bgr24",
            src_colorspace=_SWS_MATRIX[colour_matrix],
            dst_colorspace=0,
            src_color_range=full,
            dst_color_range=_FULL,
        )
        if hdr and coding not in tone_maps:
            tone_maps[coding] = tone_mapper(*coding)
        bgr = tone_maps[coding](rgb_frame) if hdr else np.asarray(rgb_frame.to_ndarray(), dtype=np.uint8)
        return Picture(upright(bgr, rotation))

    return make


def transfer_of(frame: av.VideoFrame) -> int:
    """Return the transfer characteristic of a picture, by its code in ITU-T H.273."""
    return int(getattr(frame, "color_trc", UNSPECIFIED))


def is_full_range(frame: av.VideoFrame) -> bool:
    """Tell whether a picture's samples use all values (0 to 255) rather than the studio range (16 to 235)."""
    if int(frame.color_range) in (_LIMITED, _FULL):
        return int(frame.color_range) == _FULL
    return not frame.format.name.startswith(("yuv4", "yuva4", "nv", "p0", "yuyv", "uyvy"))


DisplayMatrix = tuple[int, int, int, int]
# By quarters, anticlockwise.
_QUARTER_TURNS: tuple[DisplayMatrix | None, ...] = (None, (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))


def display_matrix(frame: av.VideoFrame) -> DisplayMatrix | None:
    """Return a, b, c, d of a frame's display matrix: (x, y) is shown at (ax + cy, bx + dy); None for upright ones."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV has no name for some of what there is besides, such as EXIF
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if data is None:
        return None
    entries = np.frombuffer(cast(bytes, data), dtype=np.int32)
    a, b, c, d = (int(entries[i]) for i in (0, 1, 3, 4))
    return None if a > 0 and d > 0 and not b and not c else (a, b, c, d)


def is_transposed(rotation: DisplayMatrix | None) -> bool:
    """Tell whether a display matrix swaps width and height."""
    return rotation is not None and abs(rotation[1]) > abs(rotation[0])


def upright(bgr: BGRFrame, rotation: DisplayMatrix | None) -> BGRFrame:
    """Return ``bgr`` turned and mirrored as its display matrix says, to the nearest quarter turn."""
    if rotation is None:
        return bgr
    a, b, c, d = rotation
    turned = np.asarray(cv2.transpose(bgr), np.uint8) if is_transposed(rotation) else bgr
    mirror_x, mirror_y = (c < 0, b < 0) if is_transposed(rotation) else (a < 0, d < 0)
    if mirror_x or mirror_y:
        flip_code = -1 if mirror_x and mirror_y else int(mirror_x)
        turned = np.asarray(cv2.flip(turned, flip_code), np.uint8)
    return turned


ToYUV = Callable[[Picture], av.VideoFrame]


def yuv_converter(colour: Colour, size_wh: tuple[int, int]) -> ToYUV:
    """Return a function that makes limited-range yuv420p of any picture, with sides that are even.

    Args:
        colour: its matrix is converted with; planes of that matrix are taken as they are.
        size_wh: pictures of other sizes are scaled to fit it and centred on black. What is odd grows by one column or
            row that repeats the last.
    """
    converter = VideoReformatter()

    def convert(picture: Picture) -> av.VideoFrame:
        planes = picture.planes(colour.colour_matrix) if picture.size_wh == size_wh else None
        if planes is not None:
            return planes.frame
        # Not from_ndarray: its copy costs more than the conversion.
        bgr = np.ascontiguousarray(_even_sized(_fitted(picture.bgr, size_wh)))
        frame = av.VideoFrame.from_numpy_buffer(bgr, format="bgr24")
        return converter.reformat(
            frame,
            format=FORMAT,
            dst_colorspace=_SWS_MATRIX[colour.colour_matrix],
            src_color_range=_FULL,
            dst_color_range=_LIMITED,
        )

    return convert


def _fitted(bgr: BGRFrame, size_wh: tuple[int, int]) -> BGRFrame:
    """Return ``bgr`` at ``size_wh``: scaled to fit, centred on black; itself when it has that size."""
    height, width = bgr.shape[:2]
    if (width, height) == size_wh:
        return bgr
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top = (size_wh[0] - inner_w) // 2, (size_wh[1] - inner_h) // 2
    canvas[top : top + inner_h, left : left + inner_w] = cv2.resize(bgr, (inner_w, inner_h), interpolation=method)
    return canvas


def _even_sized(bgr: BGRFrame) -> BGRFrame:
    """Return ``bgr`` with its last row or column doubled where its height or width is odd."""
    height, width = bgr.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return bgr
    return np.asarray(cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)

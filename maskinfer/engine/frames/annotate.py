"""Faces made unknowable: for pictures that are shown to others."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from maskinfer.engine.frames.draw import draw_result
from maskinfer.engine.frames.picture import AnyPicture, as_picture
from maskinfer.engine.results import FrameResult

# Of the box's sides, around it: detectors cut foreheads and chins at times.
_MARGIN = 0.15
# So many tiles along a face's longer side: too few to know anyone by, whatever is done to them later.
_TILES = 6


def blur_faces(frame: AnyPicture, result: FrameResult) -> None:
    """Replace every face that was found by a few tiles of its mean colours, in place.

    Args:
        frame: a picture, or uint8 (height, width, 3), BGR, writable.
        result: of this very frame.
    """
    picture = as_picture(frame)
    width, height = picture.size_wh
    for face in result.faces:
        left, top, right, bottom = face.xyxy
        across, down = (right - left) * _MARGIN, (bottom - top) * _MARGIN
        x0, x1 = max(0, int(left - across)), min(width, int(np.ceil(right + across)))
        y0, y1 = max(0, int(top - down)), min(height, int(np.ceil(bottom + down)))
        if x1 <= x0 or y1 <= y0:
            continue
        patch = picture.cut((x0, y0, x1, y1))
        scale = _TILES / max(patch.shape[:2])
        tiles_wh = max(1, round(patch.shape[1] * scale)), max(1, round(patch.shape[0] * scale))
        tiles = cv2.resize(patch, tiles_wh, interpolation=cv2.INTER_AREA)
        tiled = cv2.resize(tiles, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
        picture.paste((x0, y0), np.asarray(tiled, np.uint8))


@dataclass(frozen=True, slots=True)
class Style:
    """How frames are annotated.

    Attributes:
        boxes: draw boxes, labels and counts; if False, draw none of them.
        blur_faces: make every detected face unrecognizable.
        captions: draw labels and scores with the boxes.
        counts: draw the number of faces for each label with the boxes.
    """

    boxes: bool = True
    blur_faces: bool = False
    captions: bool = True
    counts: bool = True


PLAIN = Style()


def annotate(frame: AnyPicture, result: FrameResult, style: Style = PLAIN) -> None:
    """Draw the result of a frame on it, in place.

    Args:
        frame: a picture, or uint8 (height, width, 3), BGR, contiguous and writable.
        result: the result of this frame.
        style: what to draw.
    """
    if style.blur_faces:
        blur_faces(frame, result)
    if style.boxes:
        draw_result(frame, result, captions=style.captions, counts=style.counts)

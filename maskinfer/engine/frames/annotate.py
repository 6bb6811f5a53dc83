"""Faces made unknowable: for pictures that are shown to others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from maskinfer.engine.frames.cover import Box
from maskinfer.engine.frames.draw import draw_result
from maskinfer.engine.frames.logo import Logo, draw_logo
from maskinfer.engine.frames.look import USUAL, Look
from maskinfer.engine.frames.picture import AnyPicture, as_picture
from maskinfer.engine.results import Face, FrameResult

# So many tiles along a face's longer side: too few to know anyone by, whatever is done to them later.
_TILES = 6
_SOLID = (24, 24, 24)


def blur_faces(frame: AnyPicture, boxes: Iterable[Box], *, margin: float = 0.15, solid: bool = False) -> None:
    """Replace what lies in each box by a few tiles of its mean colours, or by one dark colour, in place.

    Args:
        frame: a picture, or uint8 (height, width, 3), BGR, writable.
        boxes: of faces: left, top, right, bottom in pixels.
        margin: around each box, as a share of its sides: detectors cut foreheads and chins at times.
        solid: paint over it, so that not even colours are left.
    """
    picture = as_picture(frame)
    width, height = picture.size_wh
    for left, top, right, bottom in boxes:
        across, down = (right - left) * margin, (bottom - top) * margin
        x0, x1 = max(0, int(left - across)), min(width, int(np.ceil(right + across)))
        y0, y1 = max(0, int(top - down)), min(height, int(np.ceil(bottom + down)))
        if x1 <= x0 or y1 <= y0:
            continue
        if solid:
            picture.paste((x0, y0), np.full((y1 - y0, x1 - x0, 3), _SOLID, np.uint8))
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
        blur_faces: make faces unrecognizable: every one, unless the next two say otherwise.
        blur_labels: only those with one of these labels; a tracked face also as long before and after as it is held.
        blur_except: all but those with one of these labels.
        blur_solid: paint over faces instead of showing them in large tiles.
        blur_margin: the margin around the box of a blurred face, as a share of the sides of the box.
        blur_hold_s: for how many seconds a tracked face that is not detected is blurred where it was. In recorded
            videos, it is also blurred where it is going to be, and on its way between two detections.
        captions: draw labels and scores with the boxes.
        counts: draw the number of faces for each label with the boxes.
        look: colours, words, sizes and clock.
        logo: that lies on every frame; None for none.
    """

    boxes: bool = True
    blur_faces: bool = False
    blur_margin: float = 0.15
    blur_hold_s: float = 1.0
    captions: bool = True
    counts: bool = True
    blur_labels: tuple[str, ...] = ()
    blur_except: tuple[str, ...] = ()
    blur_solid: bool = False
    look: Look = USUAL
    logo: Logo | None = None

    def hides(self, face: Face) -> bool:
        """Tell whether a face is to be made unrecognizable by its label."""
        if not self.blur_faces or (self.blur_labels and face.label not in self.blur_labels):
            return False
        return face.label not in self.blur_except


PLAIN = Style()


def annotate(
    frame: AnyPicture, result: FrameResult, style: Style = PLAIN, *, hidden: Iterable[Box] | None = None
) -> None:
    """Draw the result of a frame on it, in place.

    Args:
        frame: a picture, or uint8 (height, width, 3), BGR, contiguous and writable.
        result: the result of this frame.
        style: what to draw.
        hidden: the boxes to blur, if the style blurs faces; None for those of the result's faces.
    """
    if style.blur_faces:
        boxes = [face.xyxy for face in result.faces if style.hides(face)] if hidden is None else hidden
        blur_faces(frame, boxes, margin=style.blur_margin, solid=style.blur_solid)
    if style.boxes:
        draw_result(frame, result, captions=style.captions, counts=style.counts, look=style.look)
    if style.logo is not None:
        draw_logo(as_picture(frame), style.logo)

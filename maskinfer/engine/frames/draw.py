"""Results drawn onto frames: a box and a caption per face, and how many there are of each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.frames.look import LABEL_COLOURS, OTHER_COLOUR, USUAL, Look, colour_of
from maskinfer.engine.frames.picture import BGR, AnyPicture, Picture, as_picture
from maskinfer.engine.results import BGRFrame, Face, FrameResult

TEXT_COLOUR: BGR = (0, 0, 0)
"""Of captions, on a label's colour."""
LEGEND_TEXT_COLOUR: BGR = (255, 255, 255)
LEGEND_COLOUR: BGR = (24, 24, 24)
LEGEND_OPACITY = 0.72
_OUTLINE_COLOUR: BGR = (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
CAPITAL_PX = 22
"""Height of a capital letter at font scale 1, in OpenCV 4's strokes and OpenCV 5's outlines alike."""
_MIN_FONT_SCALE = 0.36
_OUTWARD = np.array([-1, -1, 1, 1])
_OVERHANG = 1.6
"""A caption may be so many times as wide as its face before it is shortened."""


__all__ = ["LABEL_COLOURS", "OTHER_COLOUR", "colour_of", "draw_result"]


@dataclass(frozen=True, slots=True)
class _Caption:
    """A text whose background has ``size_wh`` pixels."""

    text: str
    font_scale: float
    size_wh: tuple[int, int]


def draw_result(
    frame: AnyPicture, result: FrameResult, *, captions: bool = True, counts: bool = True, look: Look = USUAL
) -> None:
    """Draw ``result`` onto ``frame`` in place.

    Line width and text size follow from the frame's height; the box and caption of a small face are thinner and
    shorter, down to no caption, so that a crowd stays visible.

    Args:
        frame: the one that ``result`` tells of; a picture, or uint8 (height, width, 3), BGR, contiguous and writable.
        result: its faces' boxes in pixels of the frame.
        captions: draw labels and scores; of a badly worn mask what it leaves uncovered, if that is known.
        counts: draw how many there are of each label.
        look: colours, words, sizes and clock.
    """
    picture = as_picture(frame)
    width, height = picture.size_wh
    scale = scale_of(picture.size_wh)
    boxes = _inside(np.array([face.xyxy for face in result.faces], np.float64).reshape(-1, 4), width, height)
    if counts:
        _draw_legend(picture, look.counts(result), look)
    if (time := look.time(result.time_s)) is not None:
        _draw_panel(picture, [(None, time)], look, is_low=False)
    # From far to near: what is big lies on top of what is small.
    order = np.argsort((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    for i in order:
        _draw_box(picture, boxes[i], look.colour(result.faces[i].label), scale, look.line)
    if captions:
        _draw_captions(picture, result, boxes, order, look)


def scale_of(size_wh: tuple[int, int]) -> float:
    """Return the scale of lines and letters in a frame of a size; the height of capitals is 22 pixels at 1."""
    return max(0.42, min(size_wh) / 1440)


def _inside(xyxy: NDArray[np.float64], width: int, height: int) -> NDArray[np.int64]:
    return np.clip(np.rint(xyxy), 0, [width - 1, height - 1, width - 1, height - 1]).astype(np.int64)


def line_px(xyxy: Sequence[float] | NDArray[np.int64], scale: float, line: float = 1.0) -> int:
    """Return the width of the line around a face, thinner around a small one; ``line`` times the usual one."""
    side = int(min(xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]))
    return max(1, round(min(4 * scale, side / 24) * line))


def edge_px(scale: float) -> int:
    """Return the width of the dark edge on each side of a line, for light colours on light ground."""
    return max(1, round(1.4 * scale))


def _draw_box(picture: Picture, box: NDArray[np.int64], colour: BGR, scale: float, line: float) -> None:
    left, top, right, bottom = (int(v) for v in box)
    width = line_px(box, scale, line)
    if width > 1:
        picture.outline((left, top, right, bottom), _OUTLINE_COLOUR, width + 2 * edge_px(scale))
    picture.outline((left, top, right, bottom), colour, width)


def _draw_captions(
    picture: Picture, result: FrameResult, boxes: NDArray[np.int64], order: NDArray[np.intp], look: Look
) -> None:
    scale = scale_of(picture.size_wh)
    # All that a caption should not hide: the boxes with their lines, then the captions that are there already.
    taken = np.empty((2 * len(boxes), 4), np.int64)
    for i, box in enumerate(boxes):
        taken[i] = box + line_px(box, scale, look.line) // 2 * _OUTWARD
    count = len(boxes)
    for i in reversed(order):
        face = result.faces[i]
        caption = _caption_for(face, int(boxes[i, 2] - boxes[i, 0]), scale, look)
        if caption is None:
            continue
        place = _place(caption.size_wh, taken[i], taken[:count], picture.size_wh)
        if place is not None:
            taken[count] = place
            count += 1
            picture.paste(place[:2], _filled(caption, look.colour(face.label)))


def caption_of(face: Face, face_width: int, scale: float, look: Look = USUAL) -> tuple[str, float] | None:
    """Return the text of a face's caption and its scale; None for none, as of a face too small for one.

    Args:
        face: that is shown.
        face_width: in pixels.
        scale: of the frame, from ``scale_of``.
        look: words and sizes.
    """
    caption = _caption_for(face, face_width, scale, look)
    return None if caption is None else (caption.text, caption.font_scale)


def _caption_for(face: Face, face_width: int, scale: float, look: Look) -> _Caption | None:
    """Return the longest and largest caption that does not drown the face; None when each would."""
    score, scale = f"{face.score:.0%}", scale * look.font
    small = max(_MIN_FONT_SCALE, 0.72 * scale)
    texts = list(dict.fromkeys([look.caption(face), f"{look.label_words(face.label)} {score}"]))
    for text, font_scale in ((texts[0], scale), *((text, small) for text in texts), (score, small)):
        caption = _caption(text, font_scale)
        if caption.size_wh[0] <= _OVERHANG * face_width:
            return caption
    return None


@lru_cache(maxsize=2048)
def _caption(text: str, font_scale: float) -> _Caption:
    text_width = cv2.getTextSize(text, _FONT, font_scale, _stroke(font_scale))[0][0]
    padding = padding_px(font_scale)
    width, height = text_width + 2 * padding, round(CAPITAL_PX * font_scale) + 2 * padding
    # Even, as are its places: so it shares no colour sample of a video with what is around it.
    return _Caption(text, font_scale, (width + width % 2, height + height % 2))


def _stroke(font_scale: float) -> int:
    return max(1, round(1.8 * font_scale))


def padding_px(font_scale: float) -> int:
    """Return the distance between a text and the edge of its ground."""
    return max(3, round(11 * font_scale))


def _place(
    size_wh: tuple[int, int], box: NDArray[np.int64], taken: NDArray[np.int64], frame_wh: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Return xyxy for a caption: above its box, below or inside it, wherever it hides least of what is ``taken``."""
    width, height = size_wh
    if width > frame_wh[0] or height > frame_wh[1]:
        return None
    left, top, _, bottom = (int(v) for v in box)
    left = max(0, min(left - left % 2, frame_wh[0] - width))
    tops = [
        max(0, min(y, frame_wh[1] - height))
        for y in (top - top % 2 - height, bottom + 1 + (bottom + 1) % 2, top + top % 2)
    ]
    widths = np.minimum(taken[:, 2], left + width) - np.maximum(taken[:, 0], left)
    lows = np.array(tops)[:, None]
    heights = np.minimum(taken[:, 3], lows + height) - np.maximum(taken[:, 1], lows)
    hidden_px = np.maximum(heights, 0) @ np.maximum(widths, 0)
    y = tops[int(hidden_px.argmin())]
    return left, y, left + width, y + height


@lru_cache(maxsize=512)
def _filled(caption: _Caption, colour: BGR) -> BGRFrame:
    """Return a caption on its ground, uint8 (height, width, 3); not to be written to."""
    ground = np.full((caption.size_wh[1], caption.size_wh[0], 3), colour, np.uint8)
    _write(ground, caption.text, (0, 0), caption.font_scale, TEXT_COLOUR)
    return ground


def _write(bgr: BGRFrame, text: str, corner_xy: tuple[int, int], font_scale: float, colour: BGR) -> None:
    padding = padding_px(font_scale)
    origin = corner_xy[0] + padding, corner_xy[1] + padding + round(CAPITAL_PX * font_scale)
    cv2.putText(bgr, text, origin, _FONT, font_scale, colour, _stroke(font_scale), cv2.LINE_AA)


def _draw_legend(picture: Picture, counts: Sequence[tuple[str, str]], look: Look) -> None:
    if counts:
        _draw_panel(picture, counts, look, is_low=True)


def _draw_panel(picture: Picture, parts: Sequence[tuple[str | None, str]], look: Look, *, is_low: bool) -> None:
    """Draw texts in a left corner, in a row or, where that is too wide, in a column; each after its label's colour."""
    scale = scale_of(picture.size_wh) * look.font
    captions = [_caption(text, scale) for _, text in parts]
    line_height = captions[0].size_wh[1]
    swatch = round(line_height * 0.45)
    # A caption begins with a padding of its own.
    indents = [0 if label is None else padding_px(scale) + swatch for label, _ in parts]
    widths = [indent + caption.size_wh[0] for indent, caption in zip(indents, captions, strict=True)]
    frame_w, frame_h = picture.size_wh
    in_row = sum(widths) <= frame_w
    panel_wh = (sum(widths), line_height) if in_row else (max(widths), line_height * len(widths))
    if panel_wh[0] > frame_w or panel_wh[1] > frame_h - frame_h // 2:
        return
    corner_y = frame_h - panel_wh[1] if is_low else 0
    panel = _shaded(picture.cut((0, corner_y, panel_wh[0], corner_y + panel_wh[1])))
    left, top = 0, 0
    for (label, _), caption, indent, width in zip(parts, captions, indents, widths, strict=True):
        if label is not None:
            corner_xy = left + padding_px(scale), top + (line_height - swatch) // 2
            _draw_swatch(panel, corner_xy, swatch, look.colour(label))
        _write(panel, caption.text, (left + indent, top), scale, LEGEND_TEXT_COLOUR)
        left, top = (left + width, top) if in_row else (left, top + line_height)
    picture.paste((0, corner_y), panel)


def _draw_swatch(bgr: BGRFrame, corner_xy: tuple[int, int], side: int, colour: BGR) -> None:
    left, top = corner_xy
    bgr[top : top + side, left : left + side] = colour


def _shaded(region: BGRFrame) -> BGRFrame:
    blend = np.column_stack([(1 - LEGEND_OPACITY) * np.eye(3), LEGEND_OPACITY * np.array(LEGEND_COLOUR)])
    return np.asarray(cv2.transform(region, blend), np.uint8)

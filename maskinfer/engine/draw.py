"""Results drawn onto frames: a box and a caption per face, and how many there are of each label."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.results import INCORRECT_MASK, LABELS, WITH_MASK, WITHOUT_MASK, BGRFrame, Face, FrameResult

BGR = tuple[int, int, int]

# Okabe and Ito's palette, told apart with every kind of colour blindness.
LABEL_COLOURS: dict[str, BGR] = {
    WITH_MASK: (115, 158, 0),
    WITHOUT_MASK: (0, 94, 213),
    INCORRECT_MASK: (66, 228, 240),
}
OTHER_COLOUR: BGR = (176, 176, 176)
TEXT_COLOUR: BGR = (0, 0, 0)
"""Of captions, on a label's colour."""
LEGEND_TEXT_COLOUR: BGR = (255, 255, 255)
LEGEND_COLOUR: BGR = (24, 24, 24)
LEGEND_OPACITY = 0.72
_OUTLINE_COLOUR: BGR = (0, 0, 0)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL_PX = 22
"""Height of a capital letter at font scale 1, in OpenCV 4's strokes and OpenCV 5's outlines alike."""
_MIN_FONT_SCALE = 0.36
_OVERHANG = 1.6
"""A caption may be so many times as wide as its face before it is shortened."""


@dataclass(frozen=True, slots=True)
class _Caption:
    """A text whose background has ``size_wh`` pixels."""

    text: str
    font_scale: float
    size_wh: tuple[int, int]


def draw_result(bgr: BGRFrame, result: FrameResult, *, captions: bool = True, counts: bool = True) -> None:
    """Draw ``result`` onto ``bgr`` in place.

    Line width and text size follow from the frame's height; the box and caption of a small face are thinner and
    shorter, down to no caption, so that a crowd stays visible.

    Args:
        bgr: uint8 (height, width, 3), contiguous and writable; the frame that ``result`` tells of.
        result: its faces' boxes in pixels of ``bgr``.
        captions: draw labels and scores.
        counts: draw how many there are of each label.
    """
    height, width = bgr.shape[:2]
    scale = max(0.42, min(height, width) / 1440)
    boxes = _inside(np.array([face.xyxy for face in result.faces], np.float64).reshape(-1, 4), width, height)
    if counts:
        _draw_legend(bgr, result, scale)
    # From far to near: what is big lies on top of what is small.
    order = np.argsort((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    for i in order:
        _draw_box(bgr, boxes[i], colour_of(result.faces[i].label), scale)
    if captions:
        _draw_captions(bgr, result, boxes, order, scale)


def colour_of(label: str) -> BGR:
    """Return the blue, green and red, 0 to 255, that a label is drawn in; grey for one that is not known."""
    return LABEL_COLOURS.get(label, OTHER_COLOUR)


def _inside(xyxy: NDArray[np.float64], width: int, height: int) -> NDArray[np.int64]:
    return np.clip(np.rint(xyxy), 0, [width - 1, height - 1, width - 1, height - 1]).astype(np.int64)


def _line_width(box: NDArray[np.int64], scale: float) -> int:
    side = int(min(box[2] - box[0], box[3] - box[1]))
    return max(1, min(round(4 * scale), round(side / 24)))


def _draw_box(bgr: BGRFrame, box: NDArray[np.int64], colour: BGR, scale: float) -> None:
    left, top, right, bottom = (int(v) for v in box)
    width = _line_width(box, scale)
    if width > 1:  # a dark edge, for light colours on light ground
        edge = 2 * max(1, round(1.4 * scale))
        cv2.rectangle(bgr, (left, top), (right, bottom), _OUTLINE_COLOUR, width + edge)
    cv2.rectangle(bgr, (left, top), (right, bottom), colour, width)


def _draw_captions(
    bgr: BGRFrame, result: FrameResult, boxes: NDArray[np.int64], order: NDArray[np.intp], scale: float
) -> None:
    taken = np.empty((0, 4), np.int64)
    for i in reversed(order):
        face = result.faces[i]
        caption = _caption_for(face, int(boxes[i, 2] - boxes[i, 0]), scale)
        if caption is None:
            continue
        others = np.vstack([np.delete(boxes, i, axis=0), taken])
        edges = _line_width(boxes[i], scale) // 2 * np.array([-1, -1, 1, 1])
        place = _place(caption.size_wh, boxes[i] + edges, others, (bgr.shape[1], bgr.shape[0]))
        if place is not None:
            taken = np.vstack([taken, place])
            _draw_caption(bgr, caption, place, colour_of(face.label))


def _caption_for(face: Face, face_width: int, scale: float) -> _Caption | None:
    """Return the longest and largest caption that does not drown the face; None when each would."""
    score = f"{face.score:.0%}"
    small = max(_MIN_FONT_SCALE, 0.72 * scale)
    for text, font_scale in (
        (f"{_words(face.label)} {score}", scale),
        (f"{_words(face.label)} {score}", small),
        (score, small),
    ):
        caption = _caption(text, font_scale)
        if caption.size_wh[0] <= _OVERHANG * face_width:
            return caption
    return None


def _words(label: str) -> str:
    return label.replace("_", " ")


def _caption(text: str, font_scale: float) -> _Caption:
    text_width = cv2.getTextSize(text, _FONT, font_scale, _stroke(font_scale))[0][0]
    padding = _padding(font_scale)
    return _Caption(text, font_scale, (text_width + 2 * padding, round(_CAPITAL_PX * font_scale) + 2 * padding))


def _stroke(font_scale: float) -> int:
    return max(1, round(1.8 * font_scale))


def _padding(font_scale: float) -> int:
    return max(3, round(11 * font_scale))


def _place(
    size_wh: tuple[int, int], box: NDArray[np.int64], others: NDArray[np.int64], frame_wh: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Return xyxy for a caption: above its box, below or inside it, wherever it hides least of all boxes."""
    width, height = size_wh
    if width > frame_wh[0] or height > frame_wh[1]:
        return None
    left, top, _, bottom = (int(v) for v in box)
    left = max(0, min(left, frame_wh[0] - width))
    tops = (max(0, min(y, frame_wh[1] - height)) for y in (top - height, bottom + 1, top))
    places = [(left, y, left + width, y + height) for y in tops]
    everything = np.vstack([others, box])
    return min(places, key=lambda place: _hidden_px(place, everything))


def _hidden_px(place: tuple[int, int, int, int], others: NDArray[np.int64]) -> int:
    widths = np.minimum(others[:, 2], place[2]) - np.maximum(others[:, 0], place[0])
    heights = np.minimum(others[:, 3], place[3]) - np.maximum(others[:, 1], place[1])
    return int((np.maximum(widths, 0) * np.maximum(heights, 0)).sum())


def _draw_caption(bgr: BGRFrame, caption: _Caption, place: tuple[int, int, int, int], colour: BGR) -> None:
    left, top, right, bottom = place
    cv2.rectangle(bgr, (left, top), (right - 1, bottom - 1), colour, cv2.FILLED)
    _write(bgr, caption.text, (left, top), caption.font_scale, TEXT_COLOUR)


def _write(bgr: BGRFrame, text: str, corner_xy: tuple[int, int], font_scale: float, colour: BGR) -> None:
    padding = _padding(font_scale)
    origin = corner_xy[0] + padding, corner_xy[1] + padding + round(_CAPITAL_PX * font_scale)
    cv2.putText(bgr, text, origin, _FONT, font_scale, colour, _stroke(font_scale), cv2.LINE_AA)


def _draw_legend(bgr: BGRFrame, result: FrameResult, scale: float) -> None:
    """Draw the counts in the lower left corner, in a row or, where that is too wide, in a column."""
    counts = result.counts()
    labels = [*LABELS, *sorted(set(counts) - set(LABELS))]
    captions = [_caption(f"{_words(label)} {counts.get(label, 0)}", scale) for label in labels]
    line_height = captions[0].size_wh[1]
    swatch = round(line_height * 0.45)
    indent = _padding(scale) + swatch  # a caption begins with a padding of its own
    widths = [indent + caption.size_wh[0] for caption in captions]
    in_row = sum(widths) <= bgr.shape[1]
    panel_wh = (sum(widths), line_height) if in_row else (max(widths), line_height * len(widths))
    left, top = 0, bgr.shape[0] - panel_wh[1]
    if panel_wh[0] > bgr.shape[1] or top < bgr.shape[0] // 2:
        return
    _shade(bgr[top:, : panel_wh[0]])
    for label, caption, width in zip(labels, captions, widths, strict=True):
        _draw_swatch(bgr, (left + _padding(scale), top + (line_height - swatch) // 2), swatch, colour_of(label))
        _write(bgr, caption.text, (left + indent, top), scale, LEGEND_TEXT_COLOUR)
        left, top = (left + width, top) if in_row else (left, top + line_height)


def _draw_swatch(bgr: BGRFrame, corner_xy: tuple[int, int], side: int, colour: BGR) -> None:
    left, top = corner_xy
    bgr[top : top + side, left : left + side] = colour


def _shade(region: BGRFrame) -> None:
    ground = np.full_like(region, LEGEND_COLOUR)
    cv2.addWeighted(region, 1 - LEGEND_OPACITY, ground, LEGEND_OPACITY, 0, dst=region)

"""What is drawn on frames."""

from __future__ import annotations

from dataclasses import dataclass

from maskinfer.engine.blur import blur_faces
from maskinfer.engine.draw import draw_result
from maskinfer.engine.picture import Frame
from maskinfer.engine.results import FrameResult


@dataclass(frozen=True, slots=True)
class Style:
    """How frames are annotated.

    Attributes:
        boxes: draw boxes, labels and counts; nothing without.
        blur_faces: make every face that was found unknowable.
        captions: with the boxes, labels and scores.
        counts: with the boxes, how many there are of each label.
    """

    boxes: bool = True
    blur_faces: bool = False
    captions: bool = True
    counts: bool = True


PLAIN = Style()


def annotate(frame: Frame, result: FrameResult, style: Style = PLAIN) -> None:
    """Draw a frame's result on it, in place.

    Args:
        frame: a picture, or uint8 (height, width, 3), BGR, contiguous and writable.
        result: of this very frame.
        style: how.
    """
    if style.blur_faces:
        blur_faces(frame, result)
    if style.boxes:
        draw_result(frame, result, captions=style.captions, counts=style.counts)

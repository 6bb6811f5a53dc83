"""The best picture of a person under each label: large, sharp, sure, and not cut off."""

from __future__ import annotations

from datetime import datetime

import cv2
import numpy as np

from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame, Face
from maskinfer.engine.visits.visit import BestPicture

# Of the box's sides, around it: people know faces by more than the detector's box.
_MARGIN = 0.5
# Pictures that are larger are scaled down: a visit holds one for each label.
_LONGEST_PX = 512
# A picture that is hardly better is not worth cutting, and still less worth telling.
_BETTER_CUT, _BETTER_TOLD = 1.1, 1.25
# Faces with this sharpness are clear (see ``Face.sharpness``).
_CLEAR = 13.0
_AT_EDGE = 0.3
_EDGE_PX = 2


class Pictures:
    """Keeps the best pictures of one person."""

    def __init__(self) -> None:
        self._best: dict[str, BestPicture] = {}
        self._told: dict[str, float] = {}

    def see(self, picture: Picture, face: Face, label: str, at: datetime) -> None:
        """Keep the face if it is the best one of a label so far.

        Args:
            picture: the frame, undrawn.
            face: in it.
            label: that the frame shows, or ``uncertain``.
            at: when it was taken.
        """
        value = quality(face, picture.size_wh)
        best = self._best.get(label)
        if value > 0 and (best is None or value > _BETTER_CUT * best.quality):
            cut = _cut(picture, face.xyxy)
            if cut.size:
                self._best[label] = BestPicture(label, at, value, face.xyxy, cut)

    def tell(self, label: str) -> BestPicture | None:
        """Return the best picture of a label, which counts as told; None if there is none."""
        best = self._best.get(label)
        if best is not None:
            self._told[label] = best.quality
        return best

    def news(self, label: str) -> BestPicture | None:
        """Return the best picture of a label if it is much better than the one that was told; it counts as told."""
        best = self._best.get(label)
        if best is None or best.quality < _BETTER_TOLD * self._told.get(label, 0.0):
            return None
        return self.tell(label)


def quality(face: Face, size_wh: tuple[int, int]) -> float:
    """Return how good a picture of a face is: its shorter side in pixels, less where it is blurred, unsure or cut off.

    Args:
        face: its box, sharpness and score count.
        size_wh: of the frame, in pixels.
    """
    left, top, right, bottom = face.xyxy
    shorter_px = min(right - left, bottom - top)
    clear = 1.0 if face.sharpness is None else min(1.0, face.sharpness / _CLEAR)
    inside = min(left, top, size_wh[0] - right, size_wh[1] - bottom) > _EDGE_PX
    return max(0.0, shorter_px) * clear * face.score * (1.0 if inside else _AT_EDGE)


def _cut(picture: Picture, xyxy: tuple[float, float, float, float]) -> BGRFrame:
    """Return a face with its surroundings, uint8 (height, width, 3), of its own memory; empty outside of the frame."""
    left, top, right, bottom = xyxy
    across, down = (right - left) * _MARGIN, (bottom - top) * _MARGIN
    (x0, x1), (y0, y1) = (
        (round(min(max(low, 0), size)), round(min(max(high, 0), size)))
        for low, high, size in (
            (left - across, right + across, picture.size_wh[0]),
            (top - down, bottom + down, picture.size_wh[1]),
        )
    )
    if x1 <= x0 or y1 <= y0:
        return np.zeros((0, 0, 3), np.uint8)
    scale = min(1.0, _LONGEST_PX / max(x1 - x0, y1 - y0))
    if scale == 1.0:
        return np.array(picture.cut((x0, y0, x1, y1)), np.uint8)
    size_wh = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    return picture.resized((x0, y0, x1, y1), size_wh, cv2.INTER_AREA)

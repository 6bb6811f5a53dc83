"""The teacher: a face detector that is asked several times, of pictures at several sizes and mirrored.

What it says each time is a face; what it says only sometimes may be one. This is the self-training of Radosavovic et
al., "Data Distillation: Towards Omni-Supervised Learning", CVPR 2018, with the doubtful left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from maskinfer.engine.errors import ModelError
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.results import BGRFrame, Detections, FloatArray

# Below it the detector is not asked.
LEAST_SCORE = 0.15
SAME_FACE_IOU = 0.5
# Shorter sides of faces, in a view's pixels, that the detector can be expected to find.
VISIBLE_PX = (12.0, 400.0)
# Seen from behind the mirror, the eye on the left is the eye on the right; likewise the corners of the mouth.
MIRRORED_POINTS = (1, 0, 2, 4, 3)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the views of a picture say together, best first.

    Attributes:
        xyxy: float32 (N, 4), mean boxes in pixels of the picture.
        scores: float32 (N,), means over the views that can see the face; a view that misses it counts as 0.
        landmarks: float32 (N, 5, 2), means, in pixels.
    """

    xyxy: FloatArray
    scores: FloatArray
    landmarks: FloatArray


class Teacher(Protocol):
    """Says where a picture's faces are."""

    def __call__(self, image: BGRFrame, sizes_px: Sequence[int]) -> Agreed:
        """Look at a picture, uint8 (height, width, 3), BGR, with its longer side at each of the sizes."""
        ...


@dataclass(frozen=True, slots=True)
class ViewTeacher:
    """Asks a detector that gives landmarks at every size, of the picture and of its mirror image."""

    detector: OnnxDetector

    def __call__(self, image: BGRFrame, sizes_px: Sequence[int]) -> Agreed:
        """Look at a picture; see ``Teacher``."""
        scales = [size / max(image.shape[:2]) for size in sizes_px]
        return agree(list(self._views(image, sizes_px)), [scale for scale in scales for _ in range(2)])

    def _views(self, image: BGRFrame, sizes_px: Sequence[int]) -> Iterator[Detections]:
        mirror = np.ascontiguousarray(image[:, ::-1])
        for size in sizes_px:
            contract = replace(self.detector.contract, size_wh=(size, size), det_threshold=LEAST_SCORE, box_margin=0.0)
            found, mirrored = replace(self.detector, contract=contract)([image, mirror])
            yield found
            yield mirror_back(mirrored, image.shape[1])


def mirror_back(found: Detections, width: int) -> Detections:
    """Return what was found in the mirror image of a picture ``width`` pixels wide as it lies in the picture."""
    xyxy = found.xyxy.copy()
    xyxy[:, [0, 2]] = width - found.xyxy[:, [2, 0]]
    if found.landmarks is None:
        raise ModelError("a detector without landmarks cannot teach one that has them")
    landmarks = found.landmarks[:, MIRRORED_POINTS].copy()
    landmarks[..., 0] = width - landmarks[..., 0]
    return Detections(xyxy, found.scores, landmarks)


def agree(views: Sequence[Detections], scales: Sequence[float]) -> Agreed:
    """Join what several views found.

    Args:
        views: with landmarks, in pixels of the picture.
        scales: of each view, its pixels per pixel of the picture.
    """
    joined = [_join(members, views, scales) for members in _groups(views)]
    joined.sort(key=lambda face: -face[1])
    return Agreed(
        np.asarray([box for box, _, _ in joined], np.float32).reshape(-1, 4),
        np.asarray([score for _, score, _ in joined], np.float32),
        np.asarray([points for _, _, points in joined], np.float32).reshape(-1, 5, 2),
    )


def _groups(views: Sequence[Detections]) -> Iterator[list[tuple[int, int]]]:
    """Yield the (view, index) of the detections of each face: the best, and of each view what overlaps it most."""
    xyxy = np.concatenate([view.xyxy for view in views])
    scores = np.concatenate([view.scores for view in views])
    owner = np.concatenate([np.full(len(view), i) for i, view in enumerate(views)])
    index = np.concatenate([np.arange(len(view)) for view in views])
    overlaps = iou_matrix(xyxy, xyxy)
    free = np.ones(len(xyxy), bool)
    for best in np.argsort(-scores, kind="stable"):
        if not free[best]:
            continue
        near = np.flatnonzero(free & (overlaps[best] >= SAME_FACE_IOU))
        free[near] = False
        near = near[np.argsort(-overlaps[best, near], kind="stable")]
        _, first = np.unique(owner[near], return_index=True)
        yield [(int(owner[i]), int(index[i])) for i in near[first]]


def _join(
    members: Sequence[tuple[int, int]], views: Sequence[Detections], scales: Sequence[float]
) -> tuple[FloatArray, float, FloatArray]:
    boxes = np.stack([views[v].xyxy[i] for v, i in members])
    scores = np.asarray([views[v].scores[i] for v, i in members])
    points = np.stack([landmarks[i] for v, i in members if (landmarks := views[v].landmarks) is not None])
    box = np.average(boxes, 0, scores)
    side = float((box[2:] - box[:2]).min())
    seen = {v for v, _ in members}
    able = {v for v, scale in enumerate(scales) if VISIBLE_PX[0] <= side * scale <= VISIBLE_PX[1]}
    return box, float(scores.sum()) / len(seen | able), np.average(points, 0, scores)

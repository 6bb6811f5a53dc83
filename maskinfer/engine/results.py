"""What the engine returns: one ``FrameResult`` a frame, one ``Face`` a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass


def from_record(record: dict[str, Any]) -> FrameResult:
    """Return the result that ``FrameResult.to_dict`` gave.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return FrameResult(
        str(record["source"]),
        int(record["frame"]),
        float(record["time_s"]),
        (int(record["width"]), int(record["height"])),
        tuple(_face(face) for face in record["faces"]),
    )


def _face(record: dict[str, Any]) -> Face:
    left, top, right, bottom = (float(value) for value in record["bbox"])
    points = record["landmarks"]
    return Face(
        (left, top, right, bottom),
        float(record["det_score"]),
        None if points is None else tuple((float(x), float(y)) for x, y in points),
        str(record["label"]),
        float(record["score"]),
        {str(label): float(value) for label, value in record["scores"].items()},
        record.get("track_id"),
        record.get("sharpness"),
    )


FloatArray = NDArray[np.float32]
BGRFrame = NDArray[np.uint8]
"""A picture as OpenCV holds it: uint8, shape (height, width, 3), channels blue, green, red, values 0 to 255."""
WITH_MASK = "with_mask"
WITHOUT_MASK = "without_mask"
INCORRECT_MASK = "incorrect_mask"
LABELS = (WITH_MASK, WITHOUT_MASK, INCORRECT_MASK)
"""The labels of the three-class models, in the order in which they are counted and drawn."""


@dataclass(frozen=True, slots=True)
class Detections:
    """The faces that a detector found in one frame, best score first.

    Attributes:
        xyxy: float32 (N, 4), left, top, right, bottom in pixels of the source frame.
        scores: float32 (N,), 0 to 1.
        landmarks: float32 (N, 5, 2), x and y in pixels of the source frame: the eye on the image's left, the
            eye on its right, the nose tip, the left and the right corner of the mouth; None when the
            detector gives none.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.xyxy)


@dataclass(frozen=True, slots=True)
class Face:
    """One face, found and labelled.

    Attributes:
        xyxy: left, top, right, bottom in pixels of the source frame; may reach past its borders.
        det_score: the detector's score, 0 to 1.
        landmarks: five (x, y) in pixels of the source frame, ordered as in ``Detections``; None when the
            detector gives none.
        label: the classifier's most probable label, or ``uncertain``; of a face that is followed, its track's.
        score: the most probable label's probability, 0 to 1; of a track, its label's.
        scores: the probability of every label; they sum to 1. Of a track, a running mean over its frames.
        track_id: the same for one face in all frames of a source, from 1; None when faces are not followed.
        sharpness: how much detail the face shows (``quality.sharpness``); of a track, as it was classified last. None
            when it was not measured.
    """

    xyxy: tuple[float, float, float, float]
    det_score: float
    landmarks: tuple[tuple[float, float], ...] | None
    label: str
    score: float
    scores: Mapping[str, float]
    track_id: int | None = None
    sharpness: float | None = None


@dataclass(frozen=True, slots=True)
class FrameResult:
    """All faces of one frame or image.

    Attributes:
        source: where the frame came from, as the user named it.
        frame: index of the frame in its source, from 0.
        time_s: presentation time in seconds from the source's first frame; 0 for an image.
        size_wh: width and height of the frame in pixels, upright.
        faces: best detector score first.
    """

    source: str
    frame: int
    time_s: float
    size_wh: tuple[int, int]
    faces: tuple[Face, ...]

    def counts(self) -> dict[str, int]:
        """Return how many faces carry each label that occurs."""
        counts: dict[str, int] = {}
        for face in self.faces:
            counts[face.label] = counts.get(face.label, 0) + 1
        return counts

    def to_dict(self) -> dict[str, Any]:
        """Return the record that the JSON Lines output holds (``schemas/frame_result.schema.json``)."""
        return {
            "source": self.source,
            "frame": self.frame,
            "time_s": round(self.time_s, 6),
            "width": self.size_wh[0],
            "height": self.size_wh[1],
            "faces": [_face_dict(face) for face in self.faces],
        }


def _face_dict(face: Face) -> dict[str, Any]:
    landmarks = face.landmarks
    track = {} if face.track_id is None else {"track_id": face.track_id}
    sharpness = {} if face.sharpness is None else {"sharpness": round(face.sharpness, 2)}
    return {
        "bbox": [round(v, 2) for v in face.xyxy],
        "det_score": round(face.det_score, 5),
        "landmarks": None if landmarks is None else [[round(x, 2), round(y, 2)] for x, y in landmarks],
        "label": face.label,
        "score": round(face.score, 5),
        "scores": {label: round(p, 5) for label, p in face.scores.items()},
        **track,
        **sharpness,
    }


UNCERTAIN = "uncertain"

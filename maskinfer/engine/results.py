"""What the engine returns: one ``FrameResult`` a frame, one ``Face`` a face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import MissingExtraError, RequestError
from maskinfer.engine.records import Bare, FaceRecord, FrameRecord
from maskinfer.engine.schema import from_plain

if TYPE_CHECKING:
    import pandas as pd
    import supervision as sv

FloatArray = NDArray[np.float32]
BGRFrame = NDArray[np.uint8]
"""A picture as OpenCV holds it: uint8, shape (height, width, 3), channels blue, green, red, values 0 to 255."""
BGRBatch = NDArray[np.uint8]
"""Pictures of one size: uint8, shape (N, height, width, 3), otherwise as ``BGRFrame``."""
WITH_MASK = "with_mask"
WITHOUT_MASK = "without_mask"
INCORRECT_MASK = "incorrect_mask"
UNCERTAIN = "uncertain"
LABELS = (WITH_MASK, WITHOUT_MASK, INCORRECT_MASK)
"""The labels of the three-class models, in the order in which they are counted and drawn."""


def label_order(found: Iterable[str]) -> list[str]:
    """Return labels in the order in which they are counted and drawn: those of ``LABELS``, then others by name.

    >>> label_order({"visor", "uncertain", "incorrect_mask"})
    ['incorrect_mask', 'visor', 'uncertain']
    """
    every = set(found)
    others = sorted(every - {*LABELS, UNCERTAIN})
    return [label for label in (*LABELS, *others, UNCERTAIN) if label in every]


NOSE: Bare = "nose"
NOSE_AND_MOUTH: Bare = "nose_and_mouth"
BARE: tuple[Bare, ...] = (NOSE, NOSE_AND_MOUTH)
"""What a badly worn mask leaves uncovered."""


@dataclass(frozen=True, slots=True)
class Detections:
    """The faces that a detector found in one frame, best score first.

    Attributes:
        xyxy: float32 (N, 4), left, top, right, bottom in pixels of the source frame.
        scores: float32 (N,), 0 to 1.
        landmarks: float32 (N, 5, 2), x and y in pixels of the source frame: the eye on the image's left, the
            eye on its right, the nose tip, the left and the right corner of the mouth; None if the detector gives
            none.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.xyxy)


NO_FACES = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), None)


@dataclass(frozen=True, slots=True)
class Face:
    """One face with its label.

    Attributes:
        xyxy: left, top, right, bottom in pixels of the source frame; may reach past its borders.
        det_score: how sure it is that this is a face, 0 to 1: the detector's score, or that of detector and classifier
            together.
        landmarks: five (x, y) in pixels of the source frame, in the order of ``Detections``; None if the detector
            gives none.
        label: the classifier's most probable label, or ``uncertain``; for a tracked face, the label of its track.
        score: the probability of the most probable label, 0 to 1; for a tracked face, of the track's label.
        scores: the probability of every label; they sum to 1. For a tracked face, a running mean over its frames.
        track_id: the same for one face in all frames of a source, from 1; None without tracking.
        sharpness: how much detail the face shows, whatever its size and light: blots have less than 9, clear faces 13
            or more (``quality.sharpness``). For a tracked face, as of its last classification. None if it was not
            measured.
        bare: what a badly worn mask leaves uncovered: ``nose`` or ``nose_and_mouth``; None under every other label,
            and if the classifier does not tell.
    """

    xyxy: tuple[float, float, float, float]
    det_score: float
    landmarks: tuple[tuple[float, float], ...] | None
    label: str
    score: float
    scores: Mapping[str, float]
    track_id: int | None = None
    sharpness: float | None = None
    bare: Bare | None = None


@dataclass(frozen=True, slots=True)
class FrameResult:
    """All faces of one frame or image.

    Attributes:
        source: the frame's source, as the user named it.
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

    @property
    def xyxy(self) -> FloatArray:
        """The boxes, float32 (N, 4): left, top, right, bottom in pixels; they may reach past the frame's borders."""
        return np.array([face.xyxy for face in self.faces], np.float32).reshape(-1, 4)

    @property
    def det_scores(self) -> FloatArray:
        """The detector's scores, float32 (N,), 0 to 1."""
        return np.array([face.det_score for face in self.faces], np.float32)

    @property
    def labels(self) -> NDArray[np.str_]:
        """The labels, an array of strings (N,)."""
        return np.array([face.label for face in self.faces], np.str_)

    @property
    def scores(self) -> FloatArray:
        """The probabilities of ``labels``, float32 (N,), 0 to 1; ``Face.scores`` has those of all labels."""
        return np.array([face.score for face in self.faces], np.float32)

    def counts(self) -> dict[str, int]:
        """Return the number of faces for each label that occurs."""
        counts: dict[str, int] = {}
        for face in self.faces:
            counts[face.label] = counts.get(face.label, 0) + 1
        return counts

    def to_dict(self) -> FrameRecord:
        """Return the record that the JSON Lines output contains (``schemas/frame_result.schema.json``)."""
        return {
            "source": self.source,
            "frame": self.frame,
            "time_s": round(self.time_s, 6),
            "width": self.size_wh[0],
            "height": self.size_wh[1],
            "faces": [_face_dict(face) for face in self.faces],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> FrameResult:
        """Return the result that ``to_dict`` turned into a record.

        Raises:
            RequestError: the record does not come from ``to_dict``.
        """
        try:
            return of_record(from_plain(record, FrameRecord, closed=False))
        except ValueError as error:
            raise RequestError(f"the record is not a frame result: {error}") from error

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row for each face; see ``to_pandas`` for its columns.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return to_pandas([self])

    def to_supervision(self) -> sv.Detections:
        """Return the faces as ``supervision.Detections``, for its annotators, zones and trackers.

        ``confidence`` is the label's probability. ``class_id`` is the label's index among the classifier's labels;
        for ``uncertain`` it is one more than the last. ``tracker_id`` is None without tracking. ``data`` contains
        ``class_name``, ``det_score``, ``bare`` ("" for None) and, if the detector gives them, ``landmarks``, float32
        (N, 5, 2).

        Raises:
            MissingExtraError: supervision is not installed.
        """
        supervision = _optional("supervision")
        ids = [[*face.scores, face.label].index(face.label) for face in self.faces]
        tracks = [-1 if face.track_id is None else face.track_id for face in self.faces]
        bare = np.array([face.bare or "" for face in self.faces], np.str_)
        data: dict[str, Any] = {"class_name": self.labels, "det_score": self.det_scores, "bare": bare}
        if self.faces and all(face.landmarks is not None for face in self.faces):
            data["landmarks"] = np.array([face.landmarks for face in self.faces], np.float32)
        detections: sv.Detections = supervision.Detections(
            xyxy=self.xyxy,
            confidence=self.scores,
            class_id=np.array(ids, np.int64),
            tracker_id=np.array(tracks, np.int64) if any(track >= 0 for track in tracks) else None,
            data=data,
        )
        return detections


def to_pandas(results: Iterable[FrameResult]) -> pd.DataFrame:
    """Return one table of all results, with one row for each face; a frame without faces has no row.

    The columns are those of ``--csv``: ``source``, ``frame``, ``time_s`` (seconds), ``track_id`` (nullable), ``label``,
    ``score``, the probability of each label under the label's name, ``det_score``, and the box ``left``, ``top``,
    ``right``, ``bottom`` in pixels, and ``bare``; then ``sharpness``. A label of one of the last names takes its place.

    Args:
        results: of one or several frames, images or sources, as ``Engine.iterate`` and ``read_results`` yield them.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    pandas = _optional("pandas")
    faces = [(result, face) for result in results for face in result.faces]
    labels = list(dict.fromkeys(label for _, face in faces for label in face.scores)) or list(LABELS)
    columns = [*_COLUMNS_BEFORE, *labels, *(name for name in _COLUMNS_AFTER if name not in labels)]
    table: pd.DataFrame = pandas.DataFrame([_row(*pair) for pair in faces], columns=columns)
    return table.astype({"track_id": "Int64", "sharpness": "float64"})


_COLUMNS_BEFORE = ("source", "frame", "time_s", "track_id", "label", "score")
_COLUMNS_AFTER = ("det_score", "left", "top", "right", "bottom", "bare", "sharpness")


def _row(result: FrameResult, face: Face) -> dict[str, object]:
    place = (result.source, result.frame, result.time_s, face.track_id, face.label, face.score)
    rest = (face.det_score, *face.xyxy, face.bare, face.sharpness)
    return {
        **dict(zip(_COLUMNS_BEFORE, place, strict=True)),
        **dict(zip(_COLUMNS_AFTER, rest, strict=True)),
        **face.scores,
    }


def _optional(package: str) -> Any:
    """Import a package that has an extra of the same name."""
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtraError(package, package) from error


def of_record(record: FrameRecord) -> FrameResult:
    """Return the result that a record, whose types are right, was made of."""
    size_wh = (record["width"], record["height"])
    faces = tuple(_face(face) for face in record["faces"])
    return FrameResult(record["source"], record["frame"], record["time_s"], size_wh, faces)


def _face(record: FaceRecord) -> Face:
    left, top, right, bottom = record["bbox"]
    points = record["landmarks"]
    return Face(
        (left, top, right, bottom),
        record["det_score"],
        None if points is None else tuple((x, y) for x, y in points),
        record["label"],
        record["score"],
        record["scores"],
        record.get("track_id"),
        record.get("sharpness"),
        record.get("bare"),
    )


def _face_dict(face: Face) -> FaceRecord:
    record: FaceRecord = {
        "bbox": [round(v, 2) for v in face.xyxy],
        "det_score": round(face.det_score, 5),
        "landmarks": None if face.landmarks is None else [[round(x, 2), round(y, 2)] for x, y in face.landmarks],
        "label": face.label,
        "score": round(face.score, 5),
        "scores": {label: round(p, 5) for label, p in face.scores.items()},
        "bare": face.bare,
    }
    if face.track_id is not None:
        record["track_id"] = face.track_id
    if face.sharpness is not None:
        record["sharpness"] = round(face.sharpness, 2)
    return record

"""From what detector, tracker and classifier say of a frame's detections to its result: the faces and their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from maskinfer.engine.contract import FaceCheck
from maskinfer.engine.faces.face_check import face_score
from maskinfer.engine.faces.protocols import ContractClassifier, label_of
from maskinfer.engine.faces.quality import Gate
from maskinfer.engine.faces.track import Track
from maskinfer.engine.faces.tracker import Tracker
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.records import Bare
from maskinfer.engine.results import (
    INCORRECT_MASK,
    NOSE,
    NOSE_AND_MOUTH,
    UNCERTAIN,
    Detections,
    Face,
    FloatArray,
    FrameResult,
)


@dataclass(frozen=True, slots=True)
class FrameState:
    """A frame on its way.

    Attributes:
        frame, found: its picture, and what the detector found in it.
        tracks: of each detection.
        chosen: indices of the detections that are to be classified.
        tracker: that follows them.
        checked: whether all detections are known to be faces.
    """

    frame: Frame
    found: Detections
    tracks: list[Track | None]
    chosen: list[int]
    tracker: Tracker | None
    checked: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """Who says what a face is, and which faces get a label."""

    classifier: ContractClassifier
    gate: Gate
    face_check: FaceCheck | None


class Prediction(NamedTuple):
    """What the classifier says of a crop.

    Attributes:
        row: probabilities, float32 (labels,); None of a crop that was not classified.
        sharpness: if it was measured.
        face_logit: of its being a face, if the graph says that.
        bare_logit: of nose and mouth being bare under a badly worn mask, not the nose alone, if the graph says that.
    """

    row: FloatArray | None = None
    sharpness: float | None = None
    face_logit: float | None = None
    bare_logit: float | None = None


_UNSEEN = Prediction()


def frame_result(state: FrameState, predictions: Mapping[int, Prediction], rules: Rules) -> FrameResult:
    """Return a frame's result; the classifier's predictions are given by the detections' indices."""
    frame, faces = state.frame, []
    for i in range(len(state.found)):
        prediction = predictions.get(i, _UNSEEN)
        score, is_face = _decide(state, i, prediction.face_logit, rules.face_check)
        if is_face:
            faces.append(_face(state, i, score, prediction, rules))
    if not state.checked:
        faces.sort(key=lambda face: -face.det_score)
    return FrameResult(frame.source, frame.index, frame.time_s, frame.picture.size_wh, tuple(faces))


def _decide(state: FrameState, i: int, face_logit: float | None, check: FaceCheck | None) -> tuple[float, bool]:
    """Return a detection's score, and whether it is a face; its track is told."""
    track, score = state.tracks[i], float(state.found.scores[i])
    if state.checked or check is None:
        return score, True
    if track is not None and face_logit is not None:
        track.ask(face_logit)
    seen_as = face_logit if track is None else track.face_logit
    if seen_as is not None:
        score = face_score(check, seen_as, score)
    # What was turned down and is not asked about in this frame has no label yet: it has to wait until it is.
    has_label = face_logit is not None or track is None or track.classified > 0
    is_face = score >= check.threshold and has_label
    if track is not None and state.tracker is not None:
        state.tracker.decide(track, score, is_face)
    return score, is_face


def _face(state: FrameState, i: int, det_score: float, prediction: Prediction, rules: Rules) -> Face:
    left, top, right, bottom = (float(v) for v in state.found.xyxy[i])
    track, row, sharp = state.tracks[i], prediction.row, prediction.sharpness
    passes = row is None or rules.gate.passes(state.found.xyxy[i], sharp)
    if track is not None and row is not None:
        track.sharpness = sharp
    if track is not None and state.tracker is not None and row is not None and passes:
        # What does not pass the gate says nothing of its track either.
        track.classify(row, state.frame.time_s, state.tracker.options)
        if prediction.bare_logit is not None:
            track.see_bare(prediction.bare_logit)
    known = track is not None and track.label >= 0
    scores = track.scores if track is not None and known else row if row is not None else np.zeros(0, np.float32)
    contract = rules.classifier.contract
    label, score = label_of(contract, scores, track.label if track is not None and known else None)
    label = label if known or passes else UNCERTAIN
    return Face(
        (left, top, right, bottom),
        det_score,
        _points(state.found, i),
        label,
        score,
        dict(zip(contract.labels, (float(p) for p in scores), strict=True)),
        None if track is None else track.id,
        sharp if track is None else track.sharpness,
        _bare(label, prediction.bare_logit if track is None else track.bare_logit),
    )


def _bare(label: str, logit: float | None) -> Bare | None:
    """Return what a badly worn mask leaves uncovered; None under other labels, and if it is not known."""
    if label != INCORRECT_MASK or logit is None:
        return None
    return NOSE_AND_MOUTH if logit >= 0 else NOSE


def _points(found: Detections, i: int) -> tuple[tuple[float, float], ...] | None:
    if found.landmarks is None:
        return None
    return tuple((float(x), float(y)) for x, y in found.landmarks[i])

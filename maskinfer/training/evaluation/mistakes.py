"""The mistakes of an evaluation, the worst first, and pictures of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from maskinfer.engine.contract import CropRule
from maskinfer.engine.faces.crop import crop_windows, cut_crops
from maskinfer.engine.files.images import read_image
from maskinfer.engine.frames.draw import colour_of
from maskinfer.engine.frames.picture import BGR
from maskinfer.engine.results import UNCERTAIN, BGRFrame, FloatArray
from maskinfer.training.evaluation.detector import nearest_false
from maskinfer.training.evaluation.matching import FalseFace, TrueFace
from maskinfer.training.evaluation.run import Evaluation

_SIDE_PX = 224
# On each side, as a share of the face's longer side: enough to see where in the scene it is.
_CONTEXT = CropRule(square=True, margin=0.75, border="black")
_WHOLE = CropRule(square=True, margin=0.02, border="black")
MISSED_BGR, _BESIDE_BGR = (255, 255, 255), (167, 121, 204)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake, and what to show of it.

    Attributes:
        path: of the picture.
        xyxy: the box, in its pixels.
        colour: of the box, BGR.
        given: the label and its probability; None for a face that was missed.
        true: the true label; None where nobody annotated a face.
        notes: what else there is to say, a line each.
        beside: a detection that overlaps a missed face too little.
        context: how much of the picture is shown.
    """

    path: Path
    xyxy: tuple[float, float, float, float]
    colour: BGR
    given: tuple[str, float] | None
    true: str | None
    notes: tuple[str, ...]
    beside: tuple[float, float, float, float] | None = None
    context: CropRule = _CONTEXT


def wrong_labels(evaluation: Evaluation) -> list[Mistake]:
    """Return the faces with a wrong label, the surest first."""
    scenes = evaluation.outcome.scenes
    found = [(face, face.found) for face in evaluation.outcome.true if face.found is not None]
    found = [(true, given) for true, given in found if given.label not in (true.label, UNCERTAIN)]
    found.sort(key=lambda pair: -pair[1].score)
    return [
        Mistake(
            scenes[true.scene].path,
            given.xyxy,
            colour_of(given.label),
            (given.label, given.score),
            true.label,
            (f"found with {given.det_score:.2f}, {_size(given.xyxy)}",),
        )
        for true, given in found
    ]


def missed_faces(evaluation: Evaluation) -> list[Mistake]:
    """Return the faces that were not found, the largest first."""
    missed: list[TrueFace] = [face for face in evaluation.outcome.true if face.found is None]
    missed.sort(key=lambda face: -face.side_px)
    return [_missed(evaluation, face) for face in missed]


def _missed(evaluation: Evaluation, face: TrueFace) -> Mistake:
    notes = [_size(face.xyxy)]
    near, overlap = nearest_false(evaluation.outcome, face)
    if near:
        notes.append(f"box beside it overlaps {overlap:.2f}")
    path = evaluation.outcome.scenes[face.scene].path
    # Of a picture of one face the box is not known: all of it is shown.
    context = _CONTEXT if evaluation.setup.kind == "scenes" else _WHOLE
    return Mistake(path, face.xyxy, MISSED_BGR, None, face.label, tuple(notes), near, context)


def false_positives(evaluation: Evaluation) -> list[Mistake]:
    """Return the detections of no annotated face, the detector's surest first."""
    scenes = evaluation.outcome.scenes
    false: list[FalseFace] = sorted(evaluation.outcome.false, key=lambda false: -false.face.det_score)
    return [
        Mistake(
            scenes[one.scene].path,
            one.face.xyxy,
            colour_of(one.face.label),
            (one.face.label, one.face.score),
            None,
            (f"found with {one.face.det_score:.2f}", _size(one.face.xyxy)),
        )
        for one in false
    ]


def _size(xyxy: Sequence[float]) -> str:
    return f"{xyxy[2] - xyxy[0]:.0f} x {xyxy[3] - xyxy[1]:.0f} px"


def view(mistake: Mistake) -> BGRFrame:
    """Return the face amid its surroundings, with its box: uint8 (224, 224, 3), BGR.

    Raises:
        SourceNotFoundError, SourceError: the picture cannot be read any more.
    """
    box = np.asarray([mistake.xyxy], np.float32)
    shown = cut_crops(_read(mistake.path), box, mistake.context, (_SIDE_PX, _SIDE_PX))[0]
    window = crop_windows(box, mistake.context)[0]
    if mistake.beside is not None:
        _draw(shown, mistake.beside, window, _BESIDE_BGR)
    _draw(shown, mistake.xyxy, window, mistake.colour)
    return shown


def _draw(shown: BGRFrame, xyxy: tuple[float, float, float, float], window: FloatArray, colour: BGR) -> None:
    """Draw a box onto the view of a window of the picture, in place."""
    corners = (np.asarray(xyxy).reshape(2, 2) - window[:2]) * _SIDE_PX / (window[2:] - window[:2])
    left, top, right, bottom = (int(v) for v in corners.round().reshape(-1))
    for width, line in ((4, (0, 0, 0)), (2, colour)):
        cv2.rectangle(shown, (left, top), (right, bottom), line, width)


# A scene often holds several mistakes.
@lru_cache(maxsize=8)
def _read(path: Path) -> BGRFrame:
    return read_image(path)

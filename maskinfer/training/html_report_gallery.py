"""The worst mistakes of an evaluation, as pictures in HTML."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

import cv2
import numpy as np

from maskinfer.engine.classifier import UNCERTAIN
from maskinfer.engine.contract import CropRule
from maskinfer.engine.draw import colour_of
from maskinfer.engine.geometry import FloatArray, crop_windows, cut_crops
from maskinfer.engine.images import read_image
from maskinfer.engine.picture import BGR
from maskinfer.engine.results import BGRFrame
from maskinfer.training.evaluate import Evaluation
from maskinfer.training.evaluate_detector import nearest_false
from maskinfer.training.html_report_tables import chip
from maskinfer.training.scenes import FalseFace, TrueFace

SHOWN = 25
_SIDE_PX = 224
_JPEG_QUALITY = 80
# On each side, as a share of the face's longer side: enough to see where in the scene it is.
_CONTEXT = CropRule(square=True, margin=0.75, border="black")
_WHOLE = CropRule(square=True, margin=0.02, border="black")
_MISSED_BGR, _BESIDE_BGR = (255, 255, 255), (167, 121, 204)


@dataclass(frozen=True, slots=True)
class _Mistake:
    path: Path
    xyxy: tuple[float, float, float, float]
    colour: tuple[int, int, int]
    lines: tuple[str, ...]
    beside: tuple[float, float, float, float] | None = None
    context: CropRule = _CONTEXT


def galleries(evaluation: Evaluation) -> str:
    """Return the most confident wrong labels, the largest missed faces and the best scored false positives.

    Raises:
        SourceNotFoundError, SourceError: a picture cannot be read any more.
    """
    wrong, missed, false = _wrong(evaluation), _missed(evaluation), _false(evaluation)
    parts = [
        _gallery("Most confident wrong labels", wrong, "The surest first. Some may be mistakes of the annotation."),
        _gallery("Missed faces", missed, _missed_note(evaluation)),
    ]
    if evaluation.outcome.false_known:
        note = "The detector's surest first. A face that nobody annotated counts as a false positive too: look."
        parts.append(_gallery("False positives", false, note))
    return "".join(parts)


def _missed_note(evaluation: Evaluation) -> str:
    if not evaluation.setup.of_scenes:
        return "The largest pictures first."
    note = "The largest first: the ones hardest to excuse. The white box is the annotated one."
    near = evaluation.detector.near_misses
    if near:
        note += (
            f" Of all, {near} are overlapped by a false positive (drawn in pink), though by less than "
            f"{evaluation.setup.iou:g}: seen perhaps, but boxed otherwise than annotated."
        )
    return note


def _wrong(evaluation: Evaluation) -> list[_Mistake]:
    scenes = evaluation.outcome.scenes
    found = [(face, face.found) for face in evaluation.outcome.true if face.found is not None]
    found = [(true, given) for true, given in found if given.label not in (true.label, UNCERTAIN)]
    found.sort(key=lambda pair: -pair[1].score)
    return [
        _Mistake(
            scenes[true.scene].path,
            given.xyxy,
            colour_of(given.label),
            (
                f"{chip(given.label)} {100 * given.score:.1f} %",
                f"<small>true:</small> {chip(true.label)}",
                f"<small>found with {given.det_score:.2f}, {_size(given.xyxy)}</small>",
            ),
        )
        for true, given in found
    ]


def _missed(evaluation: Evaluation) -> list[_Mistake]:
    missed: list[TrueFace] = [face for face in evaluation.outcome.true if face.found is None]
    missed.sort(key=lambda face: -face.side_px)
    return [_missed_one(evaluation, face) for face in missed]


def _missed_one(evaluation: Evaluation, face: TrueFace) -> _Mistake:
    lines = [chip(face.label), f"<small>{_size(face.xyxy)}</small>"]
    near, overlap = nearest_false(evaluation.outcome, face)
    if near:
        lines.append(f"<small>box beside it overlaps {overlap:.2f}</small>")
    path = evaluation.outcome.scenes[face.scene].path
    # Of a picture of one face the box is not known: all of it is shown.
    context = _CONTEXT if evaluation.setup.of_scenes else _WHOLE
    return _Mistake(path, face.xyxy, _MISSED_BGR, tuple(lines), near, context)


def _false(evaluation: Evaluation) -> list[_Mistake]:
    scenes = evaluation.outcome.scenes
    false: list[FalseFace] = sorted(evaluation.outcome.false, key=lambda false: -false.face.det_score)
    return [
        _Mistake(
            scenes[one.scene].path,
            one.face.xyxy,
            colour_of(one.face.label),
            (
                f"found with {one.face.det_score:.2f}",
                f"{chip(one.face.label)} {100 * one.face.score:.0f} %",
                f"<small>{_size(one.face.xyxy)}</small>",
            ),
        )
        for one in false
    ]


def _size(xyxy: Sequence[float]) -> str:
    return f"{xyxy[2] - xyxy[0]:.0f} x {xyxy[3] - xyxy[1]:.0f} px"


def _gallery(title: str, mistakes: Sequence[_Mistake], note: str) -> str:
    shown = mistakes[:SHOWN]
    count = f"{len(mistakes)}, of which {len(shown)} are shown" if len(mistakes) > len(shown) else str(len(mistakes))
    cards = "".join(_card(mistake) for mistake in shown)
    return f'<h3>{title} <small>{count}</small></h3><p class="dim">{note}</p><div class="gallery">{cards}</div>'


def _card(mistake: _Mistake) -> str:
    name = escape("/".join(mistake.path.parts[-2:]))
    lines = "".join(f"<div>{line}</div>" for line in mistake.lines)
    picture = f'<img alt="face in {name}" src="{_data_uri(_view(mistake))}">'
    file = f'<small class="file" title="{name}">{name}</small>'
    return f"<figure>{picture}<figcaption>{lines}{file}</figcaption></figure>"


def _view(mistake: _Mistake) -> BGRFrame:
    """Return the face amid its surroundings, with its box."""
    box = np.asarray([mistake.xyxy], np.float32)
    view = cut_crops(_read(mistake.path), box, mistake.context, (_SIDE_PX, _SIDE_PX))[0]
    window = crop_windows(box, mistake.context)[0]
    if mistake.beside is not None:
        _draw(view, mistake.beside, window, _BESIDE_BGR)
    _draw(view, mistake.xyxy, window, mistake.colour)
    return view


def _draw(view: BGRFrame, xyxy: tuple[float, float, float, float], window: FloatArray, colour: BGR) -> None:
    """Draw a box onto the view of a window of the picture, in place."""
    corners = (np.asarray(xyxy).reshape(2, 2) - window[:2]) * _SIDE_PX / (window[2:] - window[:2])
    left, top, right, bottom = (int(v) for v in corners.round().reshape(-1))
    for width, line in ((4, (0, 0, 0)), (2, colour)):
        cv2.rectangle(view, (left, top), (right, bottom), line, width)


# A scene often holds several mistakes.
@lru_cache(maxsize=8)
def _read(path: Path) -> BGRFrame:
    return read_image(path)


def _data_uri(bgr: BGRFrame) -> str:
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()

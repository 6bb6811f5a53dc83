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
from maskinfer.engine.geometry import crop_windows, cut_crops
from maskinfer.engine.images import read_image
from maskinfer.engine.results import BGRFrame
from maskinfer.training.evaluate import Evaluation
from maskinfer.training.html_report_tables import chip
from maskinfer.training.scenes import FalseFace, TrueFace

SHOWN = 24
_SIDE_PX = 224
_JPEG_QUALITY = 80
# On each side, as a share of the face's longer side: enough to see where in the scene it is.
_CONTEXT = CropRule(square=True, margin=0.75, border="black")
_TRUTH_BGR, _MISSED_BGR = (255, 255, 255), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class _Mistake:
    path: Path
    xyxy: tuple[float, float, float, float]
    colour: tuple[int, int, int]
    lines: tuple[str, ...]


def galleries(evaluation: Evaluation) -> str:
    """Return the most confident wrong labels, the largest missed faces and the best scored false positives.

    Raises:
        SourceNotFoundError, SourceError: a picture cannot be read any more.
    """
    wrong, missed, false = _wrong(evaluation), _missed(evaluation), _false(evaluation)
    parts = [
        _gallery("Most confident wrong labels", wrong, "The surest first. Some may be mistakes of the annotation."),
        _gallery(
            "Missed faces", missed, "The largest first: the ones hardest to excuse. The box is the annotated one."
        ),
    ]
    if evaluation.outcome.false_known:
        note = "The detector's surest first. A face that nobody annotated counts as a false positive too: look."
        parts.append(_gallery("False positives", false, note))
    return "".join(parts)


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
                f"<small>in truth</small> {chip(true.label)}",
                f"<small>found with {given.det_score:.2f}, {_size(given.xyxy)}</small>",
            ),
        )
        for true, given in found
    ]


def _missed(evaluation: Evaluation) -> list[_Mistake]:
    scenes = evaluation.outcome.scenes
    missed: list[TrueFace] = [face for face in evaluation.outcome.true if face.found is None]
    missed.sort(key=lambda face: -face.side_px)
    return [
        _Mistake(
            scenes[face.scene].path, face.xyxy, _MISSED_BGR, (chip(face.label), f"<small>{_size(face.xyxy)}</small>")
        )
        for face in missed
    ]


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
                f"<small>called</small> {chip(one.face.label)} {100 * one.face.score:.0f} %",
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
    return f"<figure>{picture}<figcaption>{lines}<small>{name}</small></figcaption></figure>"


def _view(mistake: _Mistake) -> BGRFrame:
    """Return the face amid its surroundings, with its box."""
    box = np.asarray([mistake.xyxy], np.float32)
    view = cut_crops(_read(mistake.path), box, _CONTEXT, (_SIDE_PX, _SIDE_PX))[0]
    window = crop_windows(box, _CONTEXT)[0]
    corners = (box[0].reshape(2, 2) - window[:2]) * _SIDE_PX / (window[2:] - window[:2])
    left, top, right, bottom = (int(v) for v in corners.round().reshape(-1))
    for width, colour in ((4, (0, 0, 0)), (2, mistake.colour)):
        cv2.rectangle(view, (left, top), (right, bottom), colour, width)
    return view


# A scene often holds several mistakes.
@lru_cache(maxsize=8)
def _read(path: Path) -> BGRFrame:
    return read_image(path)


def _data_uri(bgr: BGRFrame) -> str:
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()

"""The worst mistakes of an evaluation, as pictures in HTML."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import cv2

from maskinfer.engine.results import BGRFrame
from maskinfer.training.evaluation.mistakes import Mistake, false_positives, missed_faces, view, wrong_labels
from maskinfer.training.evaluation.report.tables import chip
from maskinfer.training.evaluation.run import Evaluation

SHOWN = 25
_JPEG_QUALITY = 80


def galleries(evaluation: Evaluation) -> str:
    """Return the most confident wrong labels, the largest missed faces and the best scored false positives.

    Raises:
        SourceNotFoundError, SourceError: a picture cannot be read any more.
    """
    wrong, missed = wrong_labels(evaluation), missed_faces(evaluation)
    parts = [
        _gallery("Most confident wrong labels", wrong, "The surest first. Some may be mistakes of the annotation."),
        _gallery("Missed faces", missed, _missed_note(evaluation)),
    ]
    if evaluation.outcome.false_known:
        note = "The detector's surest first. A face that nobody annotated counts as a false positive too: look."
        parts.append(_gallery("False positives", false_positives(evaluation), note))
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


def _gallery(title: str, mistakes: Sequence[Mistake], note: str) -> str:
    shown = mistakes[:SHOWN]
    count = f"{len(mistakes)}, of which {len(shown)} are shown" if len(mistakes) > len(shown) else str(len(mistakes))
    cards = "".join(_card(mistake) for mistake in shown)
    return f'<h3>{title} <small>{count}</small></h3><p class="dim">{note}</p><div class="gallery">{cards}</div>'


def _card(mistake: Mistake) -> str:
    name = escape("/".join(mistake.path.parts[-2:]))
    lines = "".join(f"<div>{line}</div>" for line in _lines(mistake))
    picture = f'<img alt="face in {name}" src="{_data_uri(view(mistake))}">'
    file = f'<small class="file" title="{name}">{name}</small>'
    return f"<figure>{picture}<figcaption>{lines}{file}</figcaption></figure>"


def _lines(mistake: Mistake) -> list[str]:
    lines = []
    if mistake.given is not None:
        lines.append(f"{chip(mistake.given[0])} {100 * mistake.given[1]:.1f} %")
    if mistake.true is not None:
        lines.append(f"<small>true:</small> {chip(mistake.true)}")
    return lines + [f"<small>{note}</small>" for note in mistake.notes]


def _data_uri(bgr: BGRFrame) -> str:
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()

"""Results as a CSV table, one row a face."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from maskinfer.engine.errors import OnError, printable
from maskinfer.engine.files.atomic import IsPartial, never_partial
from maskinfer.engine.files.jsonl import open_lines
from maskinfer.engine.files.places import STDOUT
from maskinfer.engine.frames.picture import AnyPicture
from maskinfer.engine.results import LABELS, Face, FrameResult, label_order
from maskinfer.engine.sinks.run import Run

AddFrame = Callable[[AnyPicture, FrameResult], None]
_BEFORE = ("source", "frame", "time_s", "track_id", "label", "score")
_AFTER = ("det_score", "left", "top", "right", "bottom", "bare")
COLUMNS = (*_BEFORE, *LABELS, *_AFTER)


@contextmanager
def open_csv(
    target: str,
    *,
    labels: Sequence[str] = LABELS,
    on_error: OnError | None = None,
    run: Run | None = None,
    is_partial: IsPartial = never_partial,
) -> Iterator[AddFrame]:
    """Give the function that writes a row for each face of a result.

    Args:
        target: as of ``open_lines``.
        labels: whose probabilities have columns: those of ``results.LABELS``, and what else the classifier knows.
        on_error: as of ``open_lines``.
        run: of a watch: each row ends with its id and the time.
        is_partial: as of ``open_lines``.
    """
    shown = label_order({*LABELS, *labels})
    header = csv_row((*_BEFORE, *shown, *_AFTER, *(() if run is None else ("run", "at"))))
    with open_lines(target, on_error=on_error, header=header, is_partial=is_partial) as write:

        def add(_: AnyPicture, result: FrameResult) -> None:
            stamp = () if run is None else tuple(run.stamp().values())
            for face in result.faces:
                write(csv_row((*_cells(result, face, shown), *stamp)))

        yield add


def _cells(result: FrameResult, face: Face, shown: Sequence[str]) -> tuple[object, ...]:
    scores = (round(face.scores[label], 5) if label in face.scores else "" for label in shown)
    track = "" if face.track_id is None else face.track_id
    box = (round(value, 2) for value in face.xyxy)
    return (
        result.source, result.frame, round(result.time_s, 6), track, face.label, round(face.score, 5), *scores,
        round(face.det_score, 5), *box, face.bare or "",
    )  # fmt: skip


def csv_row(cells: tuple[object, ...]) -> str:
    """Return cells as a line of CSV that no spreadsheet takes for formulas."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(_harmless(cell) for cell in cells)
    return text.getvalue()


def _harmless(cell: object) -> object:
    """Return a text as one that no spreadsheet takes for a formula, and no terminal for a command.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) and text != STDOUT else text

"""The worst mistakes of an evaluation on one contact sheet: needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maskinfer.training.evaluation.mistakes import Mistake, false_positives, missed_faces, view, wrong_labels
from maskinfer.training.evaluation.run import Evaluation

_COLUMNS, _ROWS = 10, 2
# In inches: a picture with its text, a heading.
_CELL_WIDTH, _CELL_HEIGHT, _HEADING = 1.35, 1.85, 0.4


def draw_mistakes(evaluation: Evaluation) -> Figure:
    """Draw the most confident wrong labels, the largest missed faces and the best scored false positives.

    Raises:
        SourceNotFoundError, SourceError: a picture cannot be read any more.
    """
    kinds = {
        "wrong labels, the surest:": wrong_labels(evaluation),
        "missed faces, the largest:": missed_faces(evaluation),
    }
    if evaluation.outcome.counts_false_positives:
        kinds["detections of no annotated face, the surest:"] = false_positives(evaluation)
    heights = [_HEADING + _CELL_HEIGHT * min(_ROWS, max(1, -(-len(found) // _COLUMNS))) for found in kinds.values()]
    figure = Figure(figsize=(_CELL_WIDTH * _COLUMNS, sum(heights)), facecolor="white", layout="constrained")
    parts = figure.subfigures(len(kinds), height_ratios=heights, squeeze=False)[:, 0]
    for part, (title, found) in zip(parts, kinds.items(), strict=True):
        shown = found[: _COLUMNS * _ROWS]
        part.suptitle(f"{title} {len(shown)} of {len(found)}", x=0.01, ha="left", fontsize=11, weight="bold")
        cells = part.subplots(max(1, -(-len(shown) // _COLUMNS)), _COLUMNS, squeeze=False)
        _draw_all(list(cells.flat), shown)
    return figure


def _draw_all(axes: Sequence[Axes], shown: Sequence[Mistake]) -> None:
    for cell in axes:
        cell.set_axis_off()
    for cell, mistake in zip(axes, shown, strict=False):
        cell.imshow(view(mistake)[..., ::-1])
        cell.set_title("\n".join(_lines(mistake)), fontsize=6, loc="left")


def _lines(mistake: Mistake) -> list[str]:
    given = [] if mistake.given is None else [f"{mistake.given[0]} {100 * mistake.given[1]:.1f} %"]
    true = [] if mistake.true is None else [f"true: {mistake.true}"]
    return [*given, *true, *mistake.notes]

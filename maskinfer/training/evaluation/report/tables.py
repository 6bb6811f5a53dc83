"""Tables of the report as data, which the templates show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maskinfer.engine.results import UNCERTAIN, label_order
from maskinfer.training.evaluation.intervals import Estimate, share
from maskinfer.training.evaluation.matching import SceneScore

# Fewer faces than this say little; their rows are dimmed.
FEW_FACES = 30


@dataclass(frozen=True, slots=True)
class Cell:
    """How many faces of one true label got one label.

    Attributes:
        count: of them.
        share: of the faces of that true label that were found.
        colour: name of the page's colour.
        strength: of the colour, in per cent.
    """

    count: int
    share: Estimate
    colour: str
    strength: int


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """What became of the faces of one true label.

    Attributes:
        label: the true one.
        cells: one for each column.
        missed: faces that were not found.
        faces: all of them.
    """

    label: str
    cells: tuple[Cell, ...]
    missed: int
    faces: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Which labels the faces of each true label were given.

    Attributes:
        columns: labels given.
        rows: one for each true label that occurs.
    """

    columns: tuple[str, ...]
    rows: tuple[ConfusionRow, ...]


@dataclass(frozen=True, slots=True)
class Fate:
    """How the faces of one true label end.

    Attributes:
        label: the true one.
        faces: all of them.
        parts: how many end as each of ``Fates.kinds``.
    """

    label: str
    faces: int
    parts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Fates:
    """How the faces of each true label end.

    Attributes:
        kinds: of ends, and what they mean.
        rows: one for each label that occurs.
    """

    kinds: Mapping[str, str]
    rows: tuple[Fate, ...]


def confusion_of(score: SceneScore) -> Confusion:
    """Return which labels the faces of each true label were given, as shares of those found."""
    rows = [label for label in label_order(score.faces) if score.faces[label]]
    given = {label for row in score.confusion.values() for label in row}
    columns = label_order({*given, *rows})
    return Confusion(tuple(columns), tuple(_confusion_row(score, row, columns) for row in rows))


def _confusion_row(score: SceneScore, row: str, columns: Sequence[str]) -> ConfusionRow:
    found = score.found.get(row, 0)
    cells = []
    for column in columns:
        count = score.confusion.get(row, {}).get(column, 0)
        part = share(count, found)
        colour = "right" if column == row else "unsure" if column == UNCERTAIN else "wrong"
        cells.append(Cell(count, part, colour, round(12 + 55 * part.value) if count else 0))
    return ConfusionRow(row, tuple(cells), score.faces[row] - found, score.faces[row])


def fates_of(score: SceneScore) -> Fates:
    """Return of all faces of each true label how many end right, wrong, without a label, missed."""
    rows = []
    for label in [label for label in label_order(score.faces) if score.faces[label]]:
        faces, found, right = score.faces[label], score.found.get(label, 0), score.right.get(label, 0)
        unsure = score.confusion.get(label, {}).get(UNCERTAIN, 0)
        parts = (("right", right), ("wrong", found - right - unsure), ("unsure", unsure), ("missed", faces - found))
        rows.append(Fate(label, faces, parts))
    kinds = {"right": "found, labelled right", "wrong": "found, labelled wrong"}
    if any(UNCERTAIN in given for given in score.confusion.values()):
        kinds["unsure"] = "found, no label given"
    return Fates({**kinds, "missed": "not found"}, tuple(rows))

"""What a model card says first: for whom a model is less often right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maskinfer.engine.results import label_order
from maskinfer.training.evaluation.slices import SKIN

# Between the best and the worst slice, of faces found and labelled right: what is said in words.
_GAP = 0.03
_TITLES = {name: name.partition(": ")[2] for _, name in SKIN}


def skin_table(figures: Mapping[str, Any]) -> str:
    """Return how often faces are found and labelled right by the lightness of their skin, in Markdown.

    Args:
        figures: what ``maskinfer evaluate --json`` wrote of all data sets together.

    Returns:
        A sentence and a table; nothing if the slices were not measured.
    """
    rows = {title: figures["slices"][name] for name, title in _TITLES.items() if name in figures.get("slices", {})}
    if not rows:
        return ""
    labels = label_order(label for row in rows.values() for label in row["classes"])
    lines = [f"| skin | {' | '.join(labels)} |", "|---|" + "---|" * len(labels)]
    for title, row in rows.items():
        cells = [_cell(row["classes"][label]) if label in row["classes"] else "" for label in labels]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join([*_in_words(rows), "", *lines])


def _cell(row: Mapping[str, Any]) -> str:
    low, high = row["correct_95"]
    return f"{row['correct']:.3f} ({low:.3f}-{high:.3f}) of {row['faces']:,}"


def _in_words(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    recalls = {title: row["correct2"] for title, row in rows.items() if row.get("correct2") is not None}
    said = [
        "The share of faces that are found and labelled right depends on how light skin is in the picture, by its",
        "individual typology angle (Chardon, Cretois and Hourseau 1991) between eyes and nose. Light and camera change",
        "that angle, so it sorts pictures, not people; the data sets differ in it too.",
    ]
    if len(recalls) > 1 and max(recalls.values()) - min(recalls.values()) > _GAP:
        best, worst = (choose(recalls, key=lambda title: recalls[title]) for choose in (max, min))
        gap = 100 * (recalls[best] - recalls[worst])
        said.append(
            f"**Masked and bare faces with {worst} skin are found and labelled right {gap:.1f} points less often than\n"
            f"those with {best} skin**: macro recall over two labels is {recalls[worst]:.3f} and {recalls[best]:.3f}."
        )
    return said

"""Tables of figures as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from maskinfer.engine.results import LABELS, UNCERTAIN
from maskinfer.training.evaluation.intervals import Estimate, share
from maskinfer.training.evaluation.matching import SceneScore
from maskinfer.training.evaluation.metrics import Figures

# Fewer faces than this say little; their rows are dimmed.
FEW_FACES = 30


def percent(estimate: Estimate) -> str:
    """Return a share and its interval as text, in per cent."""
    if not estimate.of:
        return "not measured"
    return f"{100 * estimate.value:.1f} % <small>{100 * estimate.low:.1f} to {100 * estimate.high:.1f}</small>"


def number(estimate: Estimate | None) -> str:
    """Return a rate and its interval as text."""
    if estimate is None or not estimate.of:
        return "not measured"
    return f"{estimate.value:.2f} <small>{estimate.low:.2f} to {estimate.high:.2f}</small>"


def chip(label: str) -> str:
    """Return a label with its colour."""
    return f'<span class="chip {escape(label)}">{escape(label.replace("_", " "))}</span>'


def share_cell(estimate: Estimate) -> str:
    """Return a table cell: the share, its interval, and both drawn on a bar from 0 to 100 %."""
    if not estimate.of:
        return '<td class="share dim">not measured</td>'
    low, high = 100 * estimate.low, 100 * estimate.high
    value = min(99.3, 100 * estimate.value)
    marks = f'<i style="left:{low:.2f}%;width:{high - low:.2f}%"></i><u style="left:{value:.2f}%"></u>'
    return f'<td class="share">{percent(estimate)}<span class="bar">{marks}</span></td>'


def figures_table(groups: Mapping[str, Figures]) -> str:
    """Return a table of each group's classes: how many, found, labelled right of those, found and labelled right."""
    head = (
        '<tr><th>true label</th><th class="n">faces</th><th class="head">found<small>by the detector</small></th>'
        '<th class="head">labelled right<small>of those found</small></th>'
        '<th class="head">found and right<small>of all</small></th></tr>'
    )
    return f'<div class="card"><table>{head}{"".join(_group(name, f) for name, f in groups.items())}</table></div>'


def _group(name: str, figures: Figures) -> str:
    heading = ""
    if name:
        facts = [f"{sum(figures.score.faces.values())} faces"]
        if figures.correct2.of:
            facts.append(f"found and right, mean of the two main labels {percent(figures.correct2)}")
        if figures.false_positives is not None:
            facts.append(f"false positives per image {number(figures.false_positives)}")
        told = "".join(f"<span>{fact}</span>" for fact in facts)
        heading = f'<tr class="group"><th colspan="5">{escape(name)}{told}</th></tr>'
    return heading + "".join(_class_row(label, figures) for label in figures.classes)


def _class_row(label: str, figures: Figures) -> str:
    found = figures.classes[label]
    faces = figures.score.faces[label]
    few = ' class="few"' if faces < FEW_FACES else ""
    cells = "".join(share_cell(e) for e in (found.recall, found.accuracy, found.correct))
    return f'<tr{few}><td>{chip(label)}</td><td class="n">{faces}</td>{cells}</tr>'


def confusion_table(name: str, score: SceneScore) -> str:
    """Return which labels the faces of each true label were given, as shares of those found, with intervals."""
    rows = [label for label in LABELS if score.faces.get(label)]
    given = {label for row in score.confusion.values() for label in row}
    columns = [label for label in (*LABELS, UNCERTAIN) if label in given or label in rows]
    columns += sorted(given - set(columns))
    head = "".join(f"<th>{chip(label)}</th>" for label in columns) + "<th>not found</th>"
    body = "".join(_confusion_row(score, row, columns) for row in rows)
    caption = "<small>true label &darr;, label given &rarr;</small>"
    return (
        f'<div class="card"><h3 style="margin-top:0">{escape(name)}</h3><table class="confusion">'
        f"<thead><tr><th>{caption}</th>{head}</tr></thead>{body}</table></div>"
    )


def _confusion_row(score: SceneScore, row: str, columns: Sequence[str]) -> str:
    cells = []
    found = score.found.get(row, 0)
    for column in columns:
        count = score.confusion.get(row, {}).get(column, 0)
        part = share(count, found)
        colour = "--right" if column == row else "--unsure" if column == UNCERTAIN else "--wrong"
        strength = round(12 + 55 * part.value) if count else 0
        ground = f"background:color-mix(in srgb, var({colour}) {strength}%, transparent)"
        ends = f"{100 * part.value:.1f} %, {100 * part.low:.1f} to {100 * part.high:.1f}" if found else ""
        cells.append(f'<td style="{ground}"><b>{count}</b><small>{ends}</small></td>')
    missed = score.faces[row] - found
    return f"<tr><th>{chip(row)}</th>{''.join(cells)}<td><b>{missed}</b><small>of {score.faces[row]}</small></td></tr>"


def fate_bars(score: SceneScore) -> str:
    """Return a bar for each true label: of all its faces, how many end right, wrong, without a label, missed."""
    rows = []
    for label in LABELS:
        faces = score.faces.get(label, 0)
        if not faces:
            continue
        found, right = score.found.get(label, 0), score.right.get(label, 0)
        unsure = score.confusion.get(label, {}).get(UNCERTAIN, 0)
        parts = (("right", right), ("wrong", found - right - unsure), ("unsure", unsure), ("missed", faces - found))
        spans = "".join(
            f'<span class="{kind}" style="width:{100 * n / faces:.2f}%">{_if_wide(n, faces)}</span>'
            for kind, n in parts
            if n
        )
        rows.append(f'<div>{chip(label)} <small>{faces}</small></div><div class="all">{spans}</div>')
    kinds = [("right", "found, labelled right"), ("wrong", "found, labelled wrong")]
    kinds += [("unsure", "found, no label given")] if any(UNCERTAIN in row for row in score.confusion.values()) else []
    kinds.append(("missed", "not found"))
    key = "".join(f'<span><i class="{kind}"></i>{text}</span>' for kind, text in kinds)
    return f'<div class="card"><div class="stack">{"".join(rows)}</div><p class="key">{key}</p></div>'


def _if_wide(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if part / whole > 0.07 else ""

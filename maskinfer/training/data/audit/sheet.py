"""A contact sheet of an audit's findings: pairs side by side, with what they are and what they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.images import read_image
from maskinfer.engine.results import INCORRECT_MASK, WITH_MASK, WITHOUT_MASK, BGRFrame
from maskinfer.training.data.audit.run import Audit, Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4
# In inches: a picture's cell, the gaps, the lines of text below a pair, above a section and above all.
_CELL, _GAP, _MARGIN, _INSET = 1.5, 0.22, 0.4, 0.05
_CAPTION, _HEADING, _TITLE = 0.6, 0.66, 0.95
_PAIR = 2 * _CELL + 2 * _INSET
_DPI = 110
# Okabe and Ito's colours, darker for text, told apart by colour-blind people.
_COLOURS = {WITH_MASK: "#0062A0", WITHOUT_MASK: "#B34700", INCORRECT_MASK: "#9C4F7E"}
_NAME_LENGTH = 26


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    meaning: str
    rows: int
    found: tuple[Finding, ...] = ()
    shown: tuple[Finding, ...] = ()


_SECTIONS: Mapping[str, _Section] = {
    "contradiction": _Section(
        "The same picture under different labels", "At least one of the two labels is wrong, and both are taught.", 3
    ),
    "twin": _Section(
        "Twins across classes",
        "The same photo under different labels, alike but for one patch: mostly a pasted mask. Who has "
        "seen one knows the other.",
        3,
    ),
    "augmented": _Section("Augmented copies", "The same photo turned, shifted, zoomed or cut; perhaps mirrored.", 2),
    "near": _Section("Near-duplicates", "The same picture scaled, saved anew, blurred, noisy or mirrored in place.", 2),
    "identical": _Section("Byte-identical files", "The same file under two names.", 1),
}


def require_png(file: Path) -> None:
    """Raise RequestError unless a file's name ends in ``.png``."""
    if file.suffix.lower() != ".png":
        raise RequestError(f"{file} is no name for a contact sheet: expected one that ends in .png")


def write_sheet(audit: Audit, file: Path) -> None:
    """Draw the worst findings as PNG: contradictions, twins, copies; a few of each, no two from one group.

    Where a split was audited, pairs that it tears apart come before others.

    Raises:
        RequestError: the file's name does not end in ``.png``.
        OutputError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    require_png(file)
    sections = [filled for name in _SECTIONS if (filled := _fill(audit, name)).shown]
    rows = sum(-(-len(section.shown) // _COLUMNS) for section in sections)
    width = 2 * _MARGIN + _COLUMNS * _PAIR + (_COLUMNS - 1) * _GAP
    height = _TITLE + len(sections) * _HEADING + rows * (_CELL + _CAPTION + _GAP) + _MARGIN
    figure = Figure(figsize=(width, height), facecolor="white")
    _text(figure, _MARGIN, 0.45, f"Audit of {', '.join(map(str, audit.folders))}", size=15, weight="bold")
    _text(figure, _MARGIN, 0.7, _subtitle(audit, bool(sections)), size=9, color="#444444")
    top = _TITLE
    for section in sections:
        top = _draw_section(figure, audit, section, top)
    with atomic_write(file, shows_people=True) as partial:
        figure.savefig(partial, dpi=_DPI, format="png")


def _subtitle(audit: Audit, any_found: bool) -> str:
    if not any_found:
        return f"Of {len(audit.items)} pictures no two belong together."
    told = f"{len(audit.items)} pictures. Each frame holds two of them that belong together"
    if audit.split is None:
        return f"{told}."
    return f"{told}; first such that one is in training and one in test ({audit.split.name})."


def _fill(audit: Audit, name: str) -> _Section:
    section = _SECTIONS[name]
    if name == "contradiction":
        found = [f for f in audit.findings if f.contradiction]
    else:
        found = [f for f in audit.findings if f.kind == name and not f.contradiction]
    shown = _pick(audit, found, section.rows * _COLUMNS)
    return _Section(section.title, section.meaning, section.rows, tuple(found), shown)


def _pick(audit: Audit, found: Sequence[Finding], most: int) -> tuple[Finding, ...]:
    """Choose one pair of a group, those torn apart if there are enough, and evenly from the most alike to the least."""
    by_group: dict[int, Finding] = {}
    for finding in sorted(found, key=lambda f: (not _torn(audit, f), -f.alike)):
        by_group.setdefault(int(audit.groups[finding.a]), finding)
    torn = [f for f in by_group.values() if _torn(audit, f)]
    chosen = torn if len(torn) >= most else list(by_group.values())
    return tuple(chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, most).round().astype(int)) if chosen)


def _torn(audit: Audit, finding: Finding) -> bool:
    return {_side(audit, finding.a), _side(audit, finding.b)} == {"training", "test"}


def _side(audit: Audit, item: int) -> str:
    if audit.split is None:
        return ""
    return "training" if item in audit.split.train else "test" if item in audit.split.test else "neither"


def _draw_section(figure: Figure, audit: Audit, section: _Section, top: float) -> float:
    count = len(section.found)
    pairs = f"{count} pairs" if count > 1 else "1 pair"
    shown = f"{pairs}, {len(section.shown)} shown" if count > len(section.shown) else pairs
    _text(figure, _MARGIN, top + 0.26, f"{section.title} ({shown})", size=12, weight="bold")
    _text(figure, _MARGIN, top + 0.48, section.meaning, size=9, color="#444444")
    top += _HEADING
    for i, finding in enumerate(section.shown):
        row, column = divmod(i, _COLUMNS)
        _draw_pair(figure, audit, finding, _MARGIN + column * (_PAIR + _GAP), top + row * (_CELL + _CAPTION + _GAP))
    return top + -(-len(section.shown) // _COLUMNS) * (_CELL + _CAPTION + _GAP)


def _draw_pair(figure: Figure, audit: Audit, finding: Finding, left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches()
    corner = (left / width, 1 - (top + _CELL + _CAPTION) / height)
    figure.add_artist(
        Rectangle(
            corner, _PAIR / width, (_CELL + _CAPTION) / height, facecolor="#F4F4F4", edgecolor="#C0C0C0", zorder=-1
        )
    )
    for k, item in enumerate((finding.a, finding.b)):
        _draw_picture(figure, audit, item, left + _INSET + k * _CELL, top + _INSET)
    told: list[str] = [finding.kind]
    if finding.mirrored:
        told.append("mirrored")
    if finding.kind != "identical":
        told.append(f"{finding.alike:.0%} alike")
    _text(figure, left + 2 * _INSET, top + _CELL + 0.51, ", ".join(told), size=6.5, color="#555555")


def _draw_picture(figure: Figure, audit: Audit, item: int, left: float, top: float) -> None:
    width, height = figure.get_size_inches()
    side = _CELL - 2 * _INSET
    axes = figure.add_axes(((left + _INSET) / width, 1 - (top + side) / height, side / width, side / height))
    axes.set_axis_off()
    axes.imshow(_thumbnail(audit.items[item].path)[..., ::-1], interpolation="nearest")
    known = audit.items[item]
    label = known.label if "+" not in known.label else "several labels"
    colour = _COLOURS.get(label, "#222222")
    told = " · ".join(word for word in (label, _side(audit, item)) if word)
    _text(figure, left + _INSET, top + side + 0.2, _shorten(f"{known.set}/{known.path.name}"), size=6.5)
    _text(figure, left + _INSET, top + side + 0.36, told, size=7, color=colour, weight="bold")


def _thumbnail(path: Path) -> BGRFrame:
    bgr = read_image(path)
    scale = min(1.0, _CELL * _DPI / max(bgr.shape[:2]))
    size = (max(1, round(bgr.shape[1] * scale)), max(1, round(bgr.shape[0] * scale)))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def _shorten(name: str) -> str:
    """Cut a long name's middle: the set and the end tell the most."""
    return name if len(name) <= _NAME_LENGTH else f"{name[:8]}…{name[9 - _NAME_LENGTH :]}"


def _text(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    width, height = figure.get_size_inches()
    # A file name may hold a dollar sign, which is no formula.
    figure.text(left / width, 1 - top / height, text, parse_math=False, **style)

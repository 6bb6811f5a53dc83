"""A contact sheet of an audit's findings: pairs side by side, with what they are and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from maskinfer.engine.atomic import whole_file
from maskinfer.engine.errors import RequestError
from maskinfer.engine.images import read_image
from maskinfer.engine.results import INCORRECT_MASK, WITH_MASK, WITHOUT_MASK, BGRFrame
from maskinfer.training.audit import Audit, Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4
_MOST_ROWS = 3
# In inches: a picture's cell, the gap between pairs, the lines of text below a picture and above a section.
_CELL, _GAP, _MARGIN = 1.5, 0.35, 0.4
_CAPTION, _HEADING, _TITLE = 0.5, 0.62, 0.75
_DPI = 110
# Okabe and Ito's colours, told apart by colour-blind people.
_COLOURS = {WITH_MASK: "#0072B2", WITHOUT_MASK: "#B34700", INCORRECT_MASK: "#9C4F7E"}
_NAME_LENGTH = 24


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    meaning: str
    total: int
    shown: tuple[Finding, ...]


_MEANINGS = {
    "contradiction": (
        "The same picture under different labels",
        "One of the two labels is wrong; training is told both.",
    ),
    "twin": (
        "Twins",
        "The same photo under different labels: alike but for one patch, mostly a mask that was pasted on. When one is "
        "in training, the other is no fair test.",
    ),
    "augmented": ("Augmented copies", "The same photo turned, shifted, zoomed, cut or mirrored."),
    "near": ("Near-duplicates", "The same picture, scaled, saved anew, blurred, with noise, or mirrored in place."),
    "identical": ("Byte-identical files", "The same file under two names."),
}


def write_sheet(audit: Audit, file: Path) -> None:
    """Draw the worst findings, PNG: contradictions first, then twins, copies; a few of each, from different groups.

    Where a split was audited, pairs that it tears apart come before others.

    Raises:
        RequestError: the file's name does not end in ``.png``.
        OutputError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    if file.suffix.lower() != ".png":
        raise RequestError(f"{file} is no name for a contact sheet: expected one that ends in .png")
    sections = [section for name in _MEANINGS if (section := _section(audit, name)).shown]
    rows = sum(-(-len(section.shown) // _COLUMNS) for section in sections)
    width = 2 * _MARGIN + _COLUMNS * 2 * _CELL + (_COLUMNS - 1) * _GAP
    height = _TITLE + len(sections) * _HEADING + rows * (_CELL + _CAPTION) + _MARGIN
    figure = Figure(figsize=(width, height), facecolor="white")
    _text(figure, _MARGIN, 0.42, f"Audit of {audit.folder}", size=15, weight="bold")
    top = _TITLE
    for section in sections:
        top = _draw_section(figure, audit, section, top)
    if not sections:
        _text(figure, _MARGIN, 0.8, "No two pictures belong together.", size=10)
    with whole_file(file) as partial:
        figure.savefig(partial, dpi=_DPI, format="png")


def _section(audit: Audit, name: str) -> _Section:
    if name == "contradiction":
        found = [f for f in audit.findings if f.contradiction]
    else:
        found = [f for f in audit.findings if f.kind == name and not f.contradiction]
    return _Section(*_MEANINGS[name], len(found), _pick(audit, found))


def _pick(audit: Audit, found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Choose one pair of a group, those torn apart first, else evenly from all, so that the sheet is no one's album."""
    by_group: dict[int, Finding] = {}
    for finding in sorted(found, key=lambda f: (not _torn(audit, f), -f.alike)):
        by_group.setdefault(int(audit.groups[finding.a]), finding)
    torn = [f for f in by_group.values() if _torn(audit, f)]
    chosen = torn if len(torn) >= _COLUMNS * _MOST_ROWS else list(by_group.values())
    numbers = np.unique(np.linspace(0, len(chosen) - 1, _COLUMNS * _MOST_ROWS).round().astype(int)) if chosen else []
    return tuple(chosen[i] for i in numbers)


def _torn(audit: Audit, finding: Finding) -> bool:
    return {_side(audit, finding.a), _side(audit, finding.b)} == {"training", "test"}


def _side(audit: Audit, item: int) -> str:
    if audit.split is None:
        return ""
    return "training" if item in audit.split.train else "test" if item in audit.split.test else ""


def _draw_section(figure: Figure, audit: Audit, section: _Section, top: float) -> float:
    shown = f"{section.total}, {len(section.shown)} shown" if section.total > len(section.shown) else f"{section.total}"
    _text(figure, _MARGIN, top + 0.22, f"{section.title} ({shown})", size=12, weight="bold")
    _text(figure, _MARGIN, top + 0.42, section.meaning, size=9, color="#444444")
    top += _HEADING
    for i, finding in enumerate(section.shown):
        row, column = divmod(i, _COLUMNS)
        left, upper = _MARGIN + column * (2 * _CELL + _GAP), top + row * (_CELL + _CAPTION)
        for k, item in enumerate((finding.a, finding.b)):
            _draw_picture(figure, audit, item, left + k * _CELL, upper)
    return top + -(-len(section.shown) // _COLUMNS) * (_CELL + _CAPTION)


def _draw_picture(figure: Figure, audit: Audit, item: int, left: float, top: float) -> None:
    width, height = figure.get_size_inches()
    inset = 0.04
    side = _CELL - 2 * inset
    axes = figure.add_axes(
        ((left + inset) / width, 1 - (top + inset + side) / height, side / width, side / height), anchor="S"
    )
    axes.set_axis_off()
    axes.imshow(_thumbnail(audit.items[item].path)[..., ::-1], interpolation="nearest")
    known = audit.items[item]
    _text(figure, left + inset, top + _CELL + 0.12, _shorten(known.name), size=6.5, color="#222222")
    side_name = _side(audit, item)
    label = f"{known.label} · in {side_name}" if side_name else known.label
    colour = _COLOURS.get(known.label, "#222222")
    _text(figure, left + inset, top + _CELL + 0.27, label, size=7, color=colour, weight="bold")


def _thumbnail(path: Path) -> BGRFrame:
    bgr = read_image(path)
    scale = min(1.0, _CELL * _DPI / max(bgr.shape[:2]))
    size = (max(1, round(bgr.shape[1] * scale)), max(1, round(bgr.shape[0] * scale)))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)


def _shorten(name: str) -> str:
    """Cut a path's middle: its folder and the end of the file's name tell the most."""
    if len(name) <= _NAME_LENGTH:
        return name
    return f"{name[:8]}…{name[9 - _NAME_LENGTH :]}"


def _text(figure: Figure, left: float, top: float, text: str, **style: object) -> None:
    width, height = figure.get_size_inches()
    figure.text(left / width, 1 - top / height, text, **style)

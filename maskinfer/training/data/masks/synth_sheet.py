"""A contact sheet of drawn masks: a row for each style and wear, a random selection of faces in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskinfer.engine.files.images import read_image, write_image
from maskinfer.engine.results import BGRFrame

_TILE_PX, _COLUMNS, _TITLE_PX = 160, 10, 110


def write_sheet(file: Path, out: Path, records: Sequence[Mapping[str, Any]], seed: int) -> None:
    """Write a picture of a random selection of drawn masks.

    Args:
        file: of the picture; its suffix says in which format.
        out: folder that the records' images are relative to.
        records: with "image", "style" and "wear".
        seed: decides on the selection.

    Raises:
        OutputError: the file cannot be written.
    """
    rows: dict[tuple[str, str], list[Path]] = {}
    for record in records:
        rows.setdefault((record["style"], record["wear"]), []).append(out / record["image"])
    rng = np.random.default_rng(seed)
    write_image(file, np.concatenate([_row(kind, rows[kind], rng) for kind in sorted(rows)]))


def _row(kind: tuple[str, str], files: Sequence[Path], rng: np.random.Generator) -> BGRFrame:
    row = np.full((_TILE_PX, _TITLE_PX + _COLUMNS * _TILE_PX, 3), 255, np.uint8)
    for line, text in enumerate(kind):
        cv2.putText(row, text, (6, 70 + 24 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    for column, index in enumerate(rng.permutation(len(files))[:_COLUMNS]):
        left = _TITLE_PX + column * _TILE_PX
        row[:, left : left + _TILE_PX] = _tile(read_image(files[index]))
    return row


def _tile(bgr: BGRFrame) -> BGRFrame:
    """Return the middle of a picture, where the face is, as a square."""
    height, width = bgr.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = bgr[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA), np.uint8)

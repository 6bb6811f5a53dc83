"""What every writer of another tool's format needs: boxes, classes, files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.results import LABELS
from maskinfer.training.data.formats.raw import Box
from maskinfer.training.data.writing.source import Annotated, LabelledBox


def classes_of(pictures: Sequence[Annotated]) -> list[str]:
    """Return our labels, and others that occur."""
    return [*LABELS, *sorted({face.label for picture in pictures for face in picture.faces} - set(LABELS))]


def boxes_of(picture: Annotated) -> Iterator[tuple[Box, LabelledBox]]:
    """Yield the faces that have a box, with it."""
    for face in picture.faces:
        if face.box is not None:
            yield face.box, face


def write_text(file: Path, text: str) -> None:
    """Write a text file; it appears when it is whole."""
    with atomic_write(file) as partial:
        partial.write_text(text, encoding="utf-8")

"""What a file of another tool says, before its labels are translated and its boxes checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.files.listing import APPLE_DOUBLE, IMAGE_SUFFIXES

Box = tuple[float, float, float, float]
_DATA_FILES_MAX_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class RawBox:
    """A box and its label in the other tool's words.

    Attributes:
        label: as the file has it.
        box: left, top, right, bottom; in pixels, or of the picture's sides (0 to 1) when ``relative``.
        relative: which of the two.
    """

    label: str
    box: Box
    relative: bool = False


@dataclass(frozen=True, slots=True)
class RawPicture:
    """A picture of the other tool's data.

    Attributes:
        path: of the picture; it may be missing.
        boxes: of its faces.
        label: of a picture of one face without a box; None where there are boxes.
        part: of the data that it belongs to, as ``val``; empty where there are no parts.
    """

    path: Path
    boxes: tuple[RawBox, ...] = ()
    label: str | None = None
    part: str = ""


@dataclass(frozen=True, slots=True)
class RawData:
    """All that a file or folder of another tool says.

    Attributes:
        pictures: in a fixed order.
        left_out: reasons and an example each, one entry for each thing that was left out.
        notes: what was taken otherwise than it stands there, likewise.
    """

    pictures: tuple[RawPicture, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


def read_text(file: Path, what: str) -> str:
    """Return a file's text.

    Raises:
        SourceNotFoundError: there is no such file. SourceError: it cannot be read.
    """
    try:
        if file.stat().st_size > _DATA_FILES_MAX_BYTES:
            raise SourceError(f"{file} is larger than 2 GiB, expected {what}")
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{file} does not exist, expected {what}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is no text in UTF-8, expected {what}") from error
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{file} cannot be read: {error.strerror}") from error


def read_json(file: Path, what: str) -> Any:
    """Return the content of a JSON file.

    Raises:
        SourceNotFoundError, SourceError: it cannot be read or is no JSON.
    """
    try:
        return json.loads(read_text(file, what))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file} is no JSON, expected {what}: {str(error) or type(error).__name__}") from error


def read_xml(file: Path, what: str) -> ElementTree.Element:
    """Return the root of an XML file; one that declares a document type or entities is refused.

    Raises:
        SourceNotFoundError, SourceError: it cannot be read or is no XML.
    """
    text = read_text(file, what)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SourceError(f"{file} declares a document type, which no annotation needs: expected {what}")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise SourceError(f"{file} is no XML, expected {what}: {error}") from error


def broken(file: Path, what: str, error: Exception) -> SourceError:
    """Return the error of a file that is not what it looks like."""
    said = f"it has no {error.args[0]!r}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    return SourceError(f"{file} is not {what}: {said}")


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures that lie in a folder itself, in a fixed order."""
    return sorted(path for path in folder.iterdir() if is_picture(path))


def is_picture(path: Path) -> bool:
    """Tell by its name whether a file is a picture."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(APPLE_DOUBLE)


def is_there(path: Path) -> bool:
    """Tell whether there is such a file; a text that is no path at all, as one that is too long, names none."""
    try:
        return path.is_file()
    except OSError:
        return False


def find_picture(name: str, roots: Iterable[Path]) -> Path:
    """Return where a picture is that a file names, or else one of its name; where it should be if it is nowhere."""
    tidy = name.replace("\\", "/")
    every = list(roots)
    places = [*(root / tidy for root in every), *(root / Path(tidy).name for root in every)]
    return next((place for place in places if is_there(place)), places[0])


def roots_of(file: Path, images: Path | None, *more: str) -> Sequence[Path]:
    """Return the folders that a file's pictures may lie in: that which was asked for, or those around the file."""
    if images is not None:
        return [images]
    folders = [file.parent / name for name in ("", "images", "data")]
    folders += [file.parent.parent / name for name in ("", "images", "data", "JPEGImages")]
    return [*folders, *(folder / name for name in more for folder in folders)]


def number(value: Any) -> float:
    """Return a finite number.

    Raises:
        ValueError: it is none.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r:.40} is no number") from None
    if not abs(found) < float("inf"):
        raise ValueError(f"{value!r:.40} is no finite number")
    return found

"""Paths whose last part comes from data: they lie in the folder that they are made for, whatever the data say."""

from __future__ import annotations

import re
from pathlib import Path

from maskinfer.engine.errors import OutputError

# Of most file systems, in bytes.
LONGEST_NAME = 255


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder.

    Raises:
        OutputError: the name is none that a file of that very folder can have.
    """
    if name in ("", ".", "..") or any(c in "/\\:" or ord(c) < ord(" ") for c in name):
        raise OutputError(f"{name!r:.80} cannot be a file's name in {folder}: expected one without / \\ : and such")
    if len(name.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        raise OutputError(f"{name[:40]!r}... cannot be a file's name: expected at most {LONGEST_NAME} bytes")
    return folder / name


def slug(text: str, *, longest: int = 80) -> str:
    """Return what may be any text as a part of a file's name: letters, digits, ``_``, ``-`` and ``.``.

    Args:
        text: of a long one the end is kept.
        longest: how many bytes of UTF-8.

    >>> slug("rtsp://10.0.0.7/ch1"), slug("films/monday.mp4"), slug("../x")
    ('rtsp_10.0.0.7_ch1', 'films_monday.mp4', 'x')
    """
    words = re.sub(r"[^\w.-]+", "_", text).encode("utf-8", "ignore")[-longest:].decode("utf-8", "ignore")
    return words.strip("_.") or "source"

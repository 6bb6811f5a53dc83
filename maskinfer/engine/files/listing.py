"""Which files a request means: files, folders with their sub-folders, patterns."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from maskinfer.engine.errors import SourceNotFoundError
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.flow.progress import SILENT

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".jp2", ".mpo", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
}) | (HEIF_SUFFIXES if find_spec("pillow_heif") else frozenset())  # fmt: skip
"""Of which files of a folder images are read; those of HEIF where the package for them is there."""
VIDEO_SUFFIXES = frozenset({
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4",
    ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
})  # fmt: skip
"""Of which files of a folder videos are read."""
APPLE_DOUBLE = "._"
"""How the names begin of what macOS leaves beside files on disks of other systems."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An image, or another file, that a request means.

    Attributes:
        path: of the file.
        relative: its path below the folder that was named, or its name; outputs keep it.
    """

    path: Path
    relative: Path


def list_images(
    sources: Sequence[str], on_status: Callable[[str], None] = SILENT.say, *, without: Set[str] = frozenset()
) -> list[SourceFile]:
    """Return the images that files, folders (with their sub-folders) and glob patterns mean, each once.

    Args:
        sources: files, whatever their suffixes, folders and patterns.
        on_status: called with a line when files of the folders were left out because of their suffixes.
        without: real paths of folders that are left out, as ``places.inner_folders`` gives them.

    Raises:
        SourceNotFoundError: a file does not exist, a pattern matches nothing, or a folder holds no image.
    """
    return list_files(sources, IMAGE_SUFFIXES, "image", on_status, without=without)


def list_files(
    sources: Sequence[str],
    suffixes: Set[str],
    what: str,
    on_status: Callable[[str], None] = SILENT.say,
    *,
    without: Set[str] = frozenset(),
) -> list[SourceFile]:
    """Return the files of a kind that files, folders and glob patterns mean; see ``list_images``.

    Links to folders are followed, and no folder is read twice. What macOS leaves beside files (``._name``) is passed
    over.

    Args:
        sources: files, whatever their suffixes, folders and patterns.
        suffixes: which files of a folder are meant, in lower case.
        what: the kind, for messages.
        on_status: called with a line when files of the folders were left out because of their suffixes.
        without: real paths of folders that are left out, as ``places.inner_folders`` gives them.
    """
    found: dict[Path, SourceFile] = {}
    left_out: Counter[str] = Counter()
    unread: list[str] = []
    for source in sources:
        for file in _expand(source, suffixes, what, left_out, unread, without):
            found.setdefault(file.path.resolve(), file)
    for folder in sorted(folder for folder in without if Path(folder).is_dir()):
        on_status(f"{folder} is left out of the sources: outputs go there")
    if left_out:
        on_status(_left_out_line(left_out))
    for line in unread:
        on_status(line)
    return list(found.values())


def _expand(
    source: str, suffixes: Set[str], what: str, left_out: Counter[str], unread: list[str], without: Set[str]
) -> list[SourceFile]:
    path = Path(source)
    if path.is_dir():
        below = [file for file in _walk(path, unread, without) if not file.name.startswith(APPLE_DOUBLE)]
        files = [file for file in below if file.suffix.lower() in suffixes]
        if not files:
            raise SourceNotFoundError(
                f"{source} holds no {what}: expected files ending in {' '.join(sorted(suffixes))}"
            )
        left_out.update(
            file.suffix.lower()
            for file in below
            if file.suffix.lower() not in suffixes and not file.name.startswith(".")
        )
        return [SourceFile(file, file.relative_to(path)) for file in files]
    if path.is_file():
        return [SourceFile(path, Path(path.name))]
    matches = sorted(Path(match) for match in glob.glob(source, recursive=True))  # noqa: PTH207 - any anchor
    files = [match for match in matches if match.is_file()]
    if not files:
        article = "an" if what[0] in "aeiou" else "a"
        raise SourceNotFoundError(
            f"{source} does not exist: expected {article} {what}, a folder or a pattern that matches"
        )
    return [SourceFile(file, Path(file.name)) for file in files]


def _walk(folder: Path, unread: list[str], without: Set[str]) -> list[Path]:
    """Return all files below a folder, behind links too, each folder once and not those to do without.

    A line is added to ``unread`` for each that cannot be read.
    """

    def files(at: Path) -> Iterator[Path]:
        real = os.path.realpath(at)
        if real in seen:
            return
        seen.add(real)
        try:
            entries = sorted(at.iterdir())
        except OSError as error:
            unread.append(f"{as_text(at)} is left out: {error.strerror}")
            return
        for entry in entries:
            if entry.is_dir():
                yield from files(entry)
            elif entry.is_file():
                yield entry
            elif entry.is_symlink():
                unread.append(f"{as_text(entry)} is left out: it is a link to nothing")

    seen: set[str] = set(without)
    return sorted(files(folder))


def _left_out_line(left_out: Counter[str]) -> str:
    kinds = [f"{count} {suffix or 'without a suffix'}" for suffix, count in left_out.most_common()]
    total = left_out.total()
    line = f"{total} {'file' if total == 1 else 'files'} left out: {', '.join(kinds)}"
    if HEIF_SUFFIXES & set(left_out) and not HEIF_SUFFIXES <= IMAGE_SUFFIXES:
        line += "; pip install 'maskinfer[heif]' to read HEIC and HEIF"
    return line

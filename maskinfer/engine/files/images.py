"""Images: which ones a request means, reading and writing them."""

from __future__ import annotations

import glob
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from maskinfer.engine.errors import OutputError, SourceError, SourceNotFoundError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.results import BGRFrame

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".jp2", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An image, or another file, that a request means.

    Attributes:
        path: of the file.
        relative: its path below the folder that was named, or its name; outputs keep it.
    """

    path: Path
    relative: Path


def list_images(sources: Sequence[str]) -> list[SourceFile]:
    """Return the images that files, folders (with their sub-folders) and glob patterns mean, each once.

    Raises:
        SourceNotFoundError: a file does not exist, a pattern matches nothing, or a folder holds no image.
    """
    return list_files(sources, IMAGE_SUFFIXES, "image")


def list_files(sources: Sequence[str], suffixes: Set[str], what: str) -> list[SourceFile]:
    """Return the files of a kind that files, folders and glob patterns mean; see ``list_images``.

    Args:
        sources: files, whatever their suffixes, folders and patterns.
        suffixes: which files of a folder are meant, in lower case.
        what: the kind, for messages.
    """
    found: dict[Path, SourceFile] = {}
    for source in sources:
        for file in _expand(source, suffixes, what):
            found.setdefault(file.path.resolve(), file)
    return list(found.values())


def _expand(source: str, suffixes: Set[str], what: str) -> list[SourceFile]:
    path = Path(source)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
        if not files:
            raise SourceNotFoundError(
                f"{source} holds no {what}: expected files ending in {' '.join(sorted(suffixes))}"
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


def read_image(path: Path) -> BGRFrame:
    """Return a picture as uint8 (height, width, 3), BGR, turned upright as its EXIF says.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: it is not an image, or a broken one.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} does not exist") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as error:
        raise SourceError(f"{path} is not an image that can be read: {error.err}") from error
    if image is None:
        raise SourceError(f"{path} is not an image that can be read, or it is broken")
    return np.asarray(image, np.uint8)


def write_image(path: Path, bgr: BGRFrame, *, taken: bool = False) -> None:
    """Write a picture in the format of the file's suffix; the file appears when it is whole, for its owner only.

    Args:
        path: of the file.
        bgr: uint8 (height, width, 3).
        taken: as of ``atomic_write``.

    Raises:
        OutputError: it cannot be written there, or there is no such format.
    """
    try:
        done, data = cv2.imencode(path.suffix, bgr)
    except cv2.error as error:
        raise OutputError(f"{path} cannot be written: {error.err}") from error
    if not done:
        raise OutputError(f"{path} cannot be written as {path.suffix}")
    with atomic_write(path, shows_people=True, taken=taken) as partial:
        partial.write_bytes(data.tobytes())

"""Images as frames: one, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from maskinfer.engine.errors import OnError, SourceError
from maskinfer.engine.files.images import open_image
from maskinfer.engine.files.listing import HEIF_SUFFIXES, IMAGE_SUFFIXES, list_images
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.frames.frame import Frame, VideoInfo
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.sources.camera import is_live


def holds_images(source: str) -> bool:
    """Tell whether a source is an image or a folder, rather than a video, a camera or a URL."""
    path = Path(source)
    return not is_live(source) and (path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES | HEIF_SUFFIXES)


def read_images(source: str) -> Iterator[Frame]:
    """Yield an image, or the images of a folder, each at the time 0; of a TIFF file every page.

    Raises:
        SourceError: one cannot be read.
    """
    index = 0
    for image in list_images([source]):
        file = open_image(image.path)
        for page in file.pages:
            yield Frame(as_text(image.path), index, 0.0, Picture(file.read(page)))
            index += 1


def timed_images(source: str, on_error: OnError) -> Iterator[tuple[Frame, VideoInfo]]:
    """Yield the images of a folder as frames of a film that shows each for a second; those of any sizes.

    Args:
        source: a folder, or an image.
        on_error: called for each that cannot be read.
    """
    index = 0
    for image in list_images([source]):
        name = as_text(image.path)
        try:
            file = open_image(image.path)
            pictures = [file.read(page) for page in file.pages]
        except SourceError as error:
            on_error(str(error))
            index += 1  # its second stays empty
            continue
        for bgr in pictures:
            info = VideoInfo(name, (bgr.shape[1], bgr.shape[0]), Fraction(1), Fraction(1))
            yield Frame(name, index, float(index), Picture(bgr), index, Fraction(1), 1), info
            index += 1

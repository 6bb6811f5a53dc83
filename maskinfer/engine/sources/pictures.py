"""Images as frames: one, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from maskinfer.engine.errors import OnError, SourceError
from maskinfer.engine.files.images import IMAGE_SUFFIXES, list_images, read_image
from maskinfer.engine.frames.frame import Frame, VideoInfo
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.sources.camera import is_live


def holds_images(source: str) -> bool:
    """Tell whether a source is an image or a folder, rather than a video, a camera or a URL."""
    path = Path(source)
    return not is_live(source) and (path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES)


def read_images(source: str) -> Iterator[Frame]:
    """Yield an image, or the images of a folder, each at the time 0.

    Raises:
        SourceError: one cannot be read.
    """
    for index, image in enumerate(list_images([source])):
        yield Frame(str(image.path), index, 0.0, Picture(read_image(image.path)))


def timed_images(source: str, on_error: OnError) -> Iterator[tuple[Frame, VideoInfo]]:
    """Yield the images of a folder as frames of a film that shows each for a second; those of any sizes.

    Args:
        source: a folder, or an image.
        on_error: called for each that cannot be read.
    """
    for index, image in enumerate(list_images([source])):
        try:
            bgr = read_image(image.path)
        except SourceError as error:
            on_error(str(error))
            continue
        name = str(image.path)
        info = VideoInfo(name, (bgr.shape[1], bgr.shape[0]), Fraction(1), Fraction(1))
        yield Frame(name, index, float(index), Picture(bgr), index, Fraction(1), 1), info

"""Anything that frames come from, behind one function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from maskinfer.engine.errors import SourceError
from maskinfer.engine.files.images import IMAGE_SUFFIXES, list_images, read_image
from maskinfer.engine.frames.frame import SourceFrame, VideoFrame, VideoInfo
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.sources.camera import is_live, open_camera
from maskinfer.engine.sources.video import open_video


def from_video(source: str, frame: VideoFrame) -> SourceFrame:
    """Return a video's frame as a source's frame; the pixels are shared."""
    return SourceFrame(source, frame.index, frame.time_s, frame.picture)


@contextmanager
def open_source(source: str | Path) -> Iterator[Iterator[SourceFrame]]:
    """Open an image, a folder of images, a video file, a URL or a camera by its index.

    Raises:
        SourceError: it cannot be opened; while iterating: it cannot be read (on).
    """
    name = str(source)
    if holds_images(name):
        yield _images(name)
        return
    with open_camera(name) if is_live(name) else open_video(name) as video:
        yield (from_video(video.info.source, frame) for frame in video)


def holds_images(source: str) -> bool:
    """Tell whether a source is an image or a folder, rather than a video, a camera or a URL."""
    path = Path(source)
    return not is_live(source) and (path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES)


def timed_images(source: str, broken: list[str]) -> Iterator[tuple[VideoFrame, VideoInfo]]:
    """Yield the images of a folder as frames of a film that shows each for a second; those of any sizes.

    Args:
        source: a folder, or an image.
        broken: told of each that cannot be read.
    """
    for index, image in enumerate(list_images([source])):
        try:
            bgr = read_image(image.path)
        except SourceError as error:
            broken.append(str(error))
            continue
        info = VideoInfo(str(image.path), (bgr.shape[1], bgr.shape[0]), Fraction(1), Fraction(1))
        yield VideoFrame(index, float(index), index, Fraction(1), 1, Picture(bgr)), info


def _images(source: str) -> Iterator[SourceFrame]:
    for index, image in enumerate(list_images([source])):
        yield SourceFrame(str(image.path), index, 0.0, Picture(read_image(image.path)))

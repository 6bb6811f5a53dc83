"""Single images in every form that a program holds them in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import cv2
import numpy as np

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.images import read_image
from maskinfer.engine.files.listing import VIDEO_SUFFIXES
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sources.camera import is_live

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

ImageLike = Union[BGRFrame, str, Path, "PILImage"]
"""An image: uint8 (height, width, 3) in BGR or (height, width) in grey, an image file's path, or a PIL image."""
_TAKEN = (
    "expected a uint8 array of shape (height, width, 3) in BGR or (height, width) in grey, the path of an image, "
    "a PIL image, or a list of these"
)
# Of PIL: 16-bit and float pictures have no range that 0 to 255 stands for.
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")


def open_still(image: object) -> tuple[str, Picture]:
    """Return where an image came from ("" for pixels that no file is known of), and its picture.

    The pixels of a BGR array are shared; of a PIL image they are taken as they are, without turning them by EXIF.

    Args:
        image: an ``ImageLike``.

    Raises:
        RequestError: it is no image of a kind that is taken.
        SourceError: a file cannot be read.
    """
    if isinstance(image, np.ndarray):
        return "", Picture(_from_array(image))
    if isinstance(image, (str, Path)):
        return str(image), Picture(_from_path(str(image)))
    pil = sys.modules.get("PIL.Image")  # without it nobody can hold one
    if pil is not None and isinstance(image, pil.Image):
        return str(getattr(image, "filename", "")), Picture(_from_pil(image))
    raise _refused(f"got a {type(image).__name__}")


def _from_array(pixels: BGRFrame) -> BGRFrame:
    is_grey = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1)
    if pixels.dtype != np.uint8 or not pixels.size or (not is_grey and (pixels.ndim != 3 or pixels.shape[2] != 3)):
        raise _refused(f"got an array of shape {pixels.shape} and dtype {pixels.dtype}")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8) if is_grey else pixels


def _from_path(name: str) -> BGRFrame:
    path = Path(name)
    kind = (
        "a camera or a stream" if is_live(name)
        else "a folder" if path.is_dir()
        else "a video" if path.suffix.lower() in VIDEO_SUFFIXES
        else None
    )  # fmt: skip
    if kind is not None:
        raise RequestError(f"{name} is {kind}, not an image: use engine.iterate({name!r})")
    return read_image(path)


def _from_pil(image: Any) -> BGRFrame:
    if image.mode in _DEEP_MODES or not min(image.size):
        raise _refused(f"got a PIL image of mode {image.mode} and size {image.size}")
    return np.asarray(cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR), np.uint8)


def _refused(what: str) -> RequestError:
    return RequestError(f"{what}, {_TAKEN}")

"""A logo in a corner of every frame."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import RequestError, SourceNotFoundError
from maskinfer.engine.frames.picture import Picture

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
_MARGIN = 0.02
"""Around a logo, as a share of the shorter side of a frame."""
_MOST_PIXELS = 1 << 26


@dataclass(frozen=True, slots=True)
class Logo:
    """A logo and where it lies.

    Attributes:
        file: where it came from.
        data: the bytes of the image file, so that whoever draws it needs no file.
        corner: one of ``CORNERS``.
        width: of it, as a share of the width of a frame.

    Raises:
        RequestError: there is no such corner, or the width is not over 0 and up to 1.
    """

    file: str
    data: bytes
    corner: str = "bottom-right"
    width: float = 0.12

    def __post_init__(self) -> None:
        """Check the values."""
        if self.corner not in CORNERS:
            raise RequestError(f"there is no corner {self.corner!r}: choose from {', '.join(CORNERS)}")
        if not 0 < self.width <= 1:
            raise RequestError(f"the width of the logo is {self.width}, expected a share over 0 and up to 1")

    @property
    def digest(self) -> str:
        """What the image is known by."""
        return hashlib.blake2b(self.data, digest_size=16).hexdigest()


def read_logo(file: Path, corner: str = "bottom-right", width: float = 0.12) -> Logo:
    """Read a logo: PNG, WebP, JPEG or what else Pillow knows; what is transparent in it stays so.

    Raises:
        SourceNotFoundError: there is no such file. RequestError: it is no image, or as ``Logo``.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"there is no file {file} to take the logo from") from error
    except OSError as error:
        raise RequestError(f"the logo {file} cannot be read: {error.strerror}") from error
    logo = Logo(str(file), data, corner, width)
    _pixels(logo)
    return logo


def draw_logo(picture: Picture, logo: Logo) -> None:
    """Draw a logo on a picture, in place."""
    xy, colours, shows = _placed(logo, picture.size_wh)
    height, width = shows.shape[:2]
    ground = picture.cut((xy[0], xy[1], xy[0] + width, xy[1] + height))
    picture.paste(xy, np.asarray(np.rint(ground * shows + colours), np.uint8))


@lru_cache(maxsize=8)
def _pixels(logo: Logo) -> NDArray[np.uint8]:
    """Return uint8 (height, width, 4): blue, green, red and alpha, upright."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(logo.data)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise RequestError(f"the logo {logo.file} has {image.width}x{image.height} pixels: make it smaller")
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except RequestError:
        raise
    except Exception as error:  # Pillow's readers raise whatever a broken file brings about
        raise RequestError(f"the logo {logo.file} is not an image that can be read: take a PNG file") from error
    return np.asarray(upright, np.uint8)[..., [2, 1, 0, 3]]


@lru_cache(maxsize=8)
def _placed(logo: Logo, size_wh: tuple[int, int]) -> tuple[tuple[int, int], NDArray[np.float32], NDArray[np.float32]]:
    """Return where a logo's left upper corner is, its colours times their alpha, and how much of the ground shows."""
    pixels = _pixels(logo)
    alpha = pixels[..., 3:].astype(np.float32) / 255
    # Colours of what is transparent must not bleed into the edge.
    layers = np.concatenate([pixels[..., :3] * alpha, alpha], axis=-1)
    margin = round(_MARGIN * min(size_wh))
    scale = min(
        logo.width * size_wh[0] / pixels.shape[1],
        *((side - 2 * margin) / own for side, own in zip(size_wh, pixels.shape[1::-1], strict=True)),
    )
    # Even, as is its place: so it shares no colour sample of a video with what is around it.
    own_wh = tuple(max(2, round(side * scale / 2) * 2) for side in pixels.shape[1::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(layers, own_wh, interpolation=method), np.float32)
    free = [max(0, side - own - margin) for side, own in zip(size_wh, own_wh, strict=True)]
    left = margin if logo.corner.endswith("left") else free[0]
    top = margin if logo.corner.startswith("top") else free[1]
    scaled = scaled[: size_wh[1], : size_wh[0]]
    return (left // 2 * 2, top // 2 * 2), scaled[..., :3], 1 - scaled[..., 3:]

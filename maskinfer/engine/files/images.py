"""Images: reading them, whatever holds them, and writing them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import OutputError, SourceError, SourceNotFoundError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.results import BGRFrame

WRITTEN_SUFFIXES = frozenset({".bmp", ".jpe", ".jpeg", ".jpg", ".jp2", ".png", ".tif", ".tiff", ".webp"})
_TIFF_SUFFIXES = (".tif", ".tiff")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_FRAME_BYTES = 12
"""Of a part of a PNG file: its length, its kind and its checksum."""
_SUBFILE_TYPE, _REDUCED = 254, 1
_DEPTHS = (8, 10, 12, 14, 16)
_HEAD_BYTES = 4096
_MOST_PIXELS = 1 << 29


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file that was read into memory.

    Attributes:
        path: of the file.
        pages: numbers of its pages, from 0; thumbnails of a TIFF file are none.
        later_pictures: how many pictures an animation holds behind its first, which are not read here.
        data: the file's bytes.
    """

    path: Path
    pages: tuple[int, ...]
    later_pictures: int
    data: NDArray[np.uint8] = field(repr=False)

    def read(self, page: int = 0) -> BGRFrame:
        """Return a page as uint8 (height, width, 3), BGR, turned upright as the file says.

        More than 8 bits are scaled by the depth that the values need, so that 12 bits in 16 are no darker than 12 in
        12; floats from 0 to 1 become 0 to 255.

        Raises:
            SourceError: it is not an image, or a broken one.
        """
        head = self.data[:16].tobytes()
        if head[4:8] != b"ftyp" and not _promises_too_much(self.data):
            image = _by_opencv(self.data, page)
            if image is not None:
                return _as_bgr8(image)
        return _by_pillow(self.path, self.data, page)


def open_image(path: Path) -> ImageFile:
    """Read an image file, and find out what pictures are in it.

    Raises:
        SourceNotFoundError: there is no such file. SourceError: it cannot be read.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SourceError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return _opened(path, data)


def decode_image(data: bytes, name: str) -> BGRFrame:
    """Return the picture that the bytes of an image file hold, as ``read_image`` does.

    Args:
        data: of a file.
        name: that messages call it.

    Raises:
        SourceError: it is not an image, or a broken one.
    """
    return _opened(Path(name), np.frombuffer(data, np.uint8)).read()


def _opened(path: Path, data: NDArray[np.uint8]) -> ImageFile:
    if not data.size:
        raise SourceError(f"{path} is not an image that can be read: it is empty")
    head = data[:_HEAD_BYTES].tobytes()
    if head.startswith(_TIFF):
        return ImageFile(path, _tiff_pages(data), 0, data)
    return ImageFile(path, (0,), _count_pictures(data) - 1 if _may_be_animated(head) else 0, data)


def read_image(path: Path) -> BGRFrame:
    """Return a picture as uint8 (height, width, 3), BGR, turned upright; of a file with several, the first.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: it is not an image, or a broken one.
    """
    return open_image(path).read()


def _promises_too_much(data: NDArray[np.uint8]) -> bool:
    """Tell whether a part of a PNG file claims to be longer than the file, for which OpenCV would take the memory."""
    if data[:8].tobytes() != _PNG:
        return False
    at = len(_PNG)
    while at + _PNG_FRAME_BYTES <= data.size:
        at += int.from_bytes(data[at : at + 4].tobytes(), "big") + _PNG_FRAME_BYTES
    return at > data.size


def _by_opencv(data: NDArray[np.uint8], page: int) -> NDArray[Any] | None:
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        kinds = [cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH]
        if data[:4].tobytes() in _TIFF:  # whose grey floats are read only as they are
            kinds.append(cv2.IMREAD_UNCHANGED)
        for flags in kinds:
            done, images = cv2.imdecodemulti(data, flags, range=(page, page + 1)) if page else (True, ())
            image = images[0] if done and images else None if page else cv2.imdecode(data, flags)
            if image is not None:
                return image
        return None
    except cv2.error:  # the next decoder may know better
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def _as_bgr8(image: NDArray[Any]) -> BGRFrame:
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels < 3:  # grey, with or without transparency
        grey = _as_8_bits(image.reshape(*image.shape[:2], channels)[..., :1])
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    return _as_8_bits(image[..., :3])


def _as_8_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image, np.uint8)
    if image.dtype.kind in "iu":  # signed too, as TIFF files of 32 bits have them
        top = max(int(image.max()), 0)
        depth = next((bits for bits in _DEPTHS if top < 1 << bits), top.bit_length())
        return np.asarray(np.maximum(image, 0) >> (depth - 8), np.uint8)
    levels = np.nan_to_num(np.asarray(image, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    top_level = float(levels.max())
    scale = 255.0 if top_level <= 1 else 1.0 if top_level <= 255 else 255 / top_level
    return np.asarray(np.clip(levels * scale + 0.5, 0, 255), np.uint8)


def _by_pillow(path: Path, data: NDArray[np.uint8], page: int) -> BGRFrame:
    try:
        with _pillow(data) as image:
            if page:
                image.seek(page)
            from PIL import ImageOps

            rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
    except Exception as error:  # decoders of files that anybody may have made raise whatever they like
        head = data[:16].tobytes()
        if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and not _knows_heif():
            raise SourceError(f"{path} is a HEIF picture: run  pip install 'maskinfer[heif]'  to read it") from error
        raise SourceError(f"{path} is not an image that can be read, or it is broken") from error
    return np.ascontiguousarray(rgb[..., ::-1])


@contextmanager
def _pillow(data: NDArray[np.uint8]) -> Iterator[Any]:
    """Open an image with Pillow, which is loaded only where OpenCV does not do."""
    from PIL import Image

    if data[4:8].tobytes() == b"ftyp":
        _knows_heif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities of files
        # Pillow refuses pictures of twice its limit; telephones take some of 200 million pixels.
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, _MOST_PIXELS // 2)
        with Image.open(io.BytesIO(data.tobytes())) as image:
            yield image


def _knows_heif() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _tiff_pages(data: NDArray[np.uint8]) -> tuple[int, ...]:
    pages = []
    try:
        with _pillow(data) as image:
            for page in range(image.n_frames):
                image.seek(page)
                if not int(image.tag_v2.get(_SUBFILE_TYPE, 0)) & _REDUCED:
                    pages.append(page)
    except Exception:  # as in ``_by_pillow``; what is there is read, and tells
        return tuple(pages) or (0,)
    return tuple(pages) or (0,)


def _may_be_animated(head: bytes) -> bool:
    return (
        head.startswith(b"GIF8")
        or (head.startswith(b"\x89PNG") and b"acTL" in head)
        or (head.startswith(b"RIFF") and b"ANIM" in head)
        or (head[4:8] == b"ftyp" and (head[8:12] in (b"avis", b"msf1", b"hevc") or b"avis" in head[8:64]))
    )


def _count_pictures(data: NDArray[np.uint8]) -> int:
    try:
        with _pillow(data) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # as in ``_by_pillow``
        return 1


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


@contextmanager
def open_pages(path: Path, count: int) -> Iterator[Callable[[BGRFrame], None]]:
    """Give the function that writes one picture after the other into a file; several go into a TIFF file only.

    Raises:
        OutputError: as ``write_image``.
    """
    if count == 1 or path.suffix.lower() not in _TIFF_SUFFIXES:
        yield lambda bgr: write_image(path, bgr)
        return
    from PIL import Image
    from PIL.TiffImagePlugin import AppendingTiffWriter

    with atomic_write(path) as partial, AppendingTiffWriter(str(partial), new=True) as pages:

        def write(bgr: BGRFrame) -> None:
            Image.fromarray(np.ascontiguousarray(bgr[..., ::-1])).save(pages, "TIFF", compression="tiff_lzw")
            pages.newFrame()

        yield write

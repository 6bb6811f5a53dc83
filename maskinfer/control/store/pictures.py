"""The pictures of a store: JPEG files that only their owner may read, named by chance."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2

from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.visits.visit import BestPicture

_QUALITY = 90
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class SavedPicture:
    """A picture whose file is there; see ``StoredPicture``."""

    id: str
    label: str
    at: datetime
    quality: float
    xyxy: tuple[float, float, float, float]
    size_wh: tuple[int, int]
    size_bytes: int


def new_id() -> str:
    """Return a name that nobody can guess and no other picture or recording has."""
    return secrets.token_hex(8)


def path_of(folder: Path, picture_id: str) -> Path | None:
    """Return where a picture is, among at most 256 folders; None for what can be no id."""
    return folder / picture_id[:2] / f"{picture_id}.jpg" if _ID.fullmatch(picture_id) else None


def save_picture(folder: Path, picture: BestPicture) -> SavedPicture:
    """Write a picture as JPEG, mode 0600.

    Raises:
        OutputError: it cannot be written.
    """
    name = new_id()
    path = folder / name[:2] / f"{name}.jpg"
    _, jpeg = cv2.imencode(".jpg", picture.bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with atomic_write(path, shows_people=True) as part:
            part.write_bytes(jpeg.tobytes())
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    height, width = picture.bgr.shape[:2]
    return SavedPicture(name, picture.label, picture.at, picture.quality, picture.xyxy, (width, height), jpeg.size)


def remove_picture(folder: Path, picture_id: str) -> None:
    """Remove a picture's file; that it is gone already is no fault."""
    path = path_of(folder, picture_id)
    if path is not None:
        with suppress(OSError):
            path.unlink()

"""Pictures for who may not see faces."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2

from maskinfer.control.report.page import PictureUrl
from maskinfer.control.store.questions import StoredPicture
from maskinfer.control.store.store import Store
from maskinfer.engine.errors import SourceError
from maskinfer.engine.files.images import read_image
from maskinfer.engine.frames.dots import few_dots


def blurred_jpeg(path: Path) -> bytes:
    """Return a picture as a JPEG of a few blurred dots.

    Raises:
        SourceError: it cannot be read.
    """
    _, data = cv2.imencode(".jpg", few_dots(read_image(path)))
    return data.tobytes()


def blurred_pictures(store: Store) -> PictureUrl:
    """Return what puts pictures into the page of a report, each as a few blurred dots."""

    def embed(picture: StoredPicture) -> str | None:
        path = store.picture(picture.id)
        try:
            data = blurred_jpeg(path) if path else None
        except SourceError:  # retention may take it at any time
            return None
        return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" if data else None

    return embed

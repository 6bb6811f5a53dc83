"""The folder of a place: pictures with the faces that are to be labelled, and what labellers said of them.

``pool.jsonl`` has a line a picture, ``pictures`` the pictures, ``labels`` a file of answers for each labeller, which
only grows. ``scenes.jsonl`` and ``test/scenes.jsonl``, which training and evaluation read, are made of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from maskinfer.engine.errors import OutputError, SourceError, SourceNotFoundError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.schema import Line, from_json

POOL_FILE, SCENES_FILE, TEST, PICTURES, LABELS = "pool.jsonl", "scenes.jsonl", "test", "pictures", "labels"
Part = Literal["pool", "test"]
Why = Literal["uncertain", "low margin", "labels change", "near threshold", "random"]
Corner = Annotated[float, Meta(ge=-1e6, le=1e6)]
Box = tuple[Corner, Corner, Corner, Corner]
PictureId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}(?!\n)$", title="16 hexadecimal digits")]
_NAME_BYTES = 64


@dataclass(frozen=True, slots=True)
class PoolFace:
    """A face that was found.

    Attributes:
        bbox: left, top, right, bottom in pixels of the picture.
        label: that the model gave it.
        score: the label's probability.
        det_score: that it is a face.
    """

    bbox: Box
    label: Line
    score: float
    det_score: float


@dataclass(frozen=True, slots=True)
class PoolPicture:
    """A picture that was collected.

    Attributes:
        id: of the picture; its file is called so.
        camera: where it was taken.
        taken: when, as ISO 8601.
        visit: that it was taken in; pictures of one visit stay on one side of a split.
        part: ``test`` for the random share that only tests, ``pool`` for what is learnt from.
        why: it was collected.
        size_wh: in pixels.
        faces: all that were found, the one that it was collected for first.
        fingerprint: of that face with what is around it, see ``choose.fingerprint``; in hexadecimal.
    """

    id: PictureId
    camera: Line
    taken: Line
    visit: Line
    part: Part
    why: Why
    size_wh: tuple[int, int]
    faces: tuple[PoolFace, ...] = field(default_factory=tuple)
    fingerprint: PictureId = "0" * 16


def picture_file(site: Path, picture: str) -> Path:
    """Return where a picture lies."""
    return site / PICTURES / f"{picture}.jpg"


def read_pool(site: Path) -> list[PoolPicture]:
    """Return the pictures of a place that are there, in the order in which they were collected.

    Raises:
        SourceNotFoundError: it is no such folder. SourceError: a line cannot be read.
    """
    file = site / POOL_FILE
    if not file.is_file():
        raise SourceNotFoundError(
            f"{site} holds no {POOL_FILE}: collect pictures with  maskinfer collect SOURCE --out {site}"
        )
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error
    return [picture for picture in parse_pool(text, file) if picture_file(site, picture.id).is_file()]


def parse_pool(text: str, file: Path) -> Iterator[PoolPicture]:
    """Yield the pictures of lines, also of those that are gone.

    Args:
        text: whole lines.
        file: that they are from, for messages.

    Raises:
        SourceError: a line cannot be read.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield from_json(line, PoolPicture)
            except ValueError as error:
                raise SourceError(f"{file}:{number} is no collected picture: {error}") from error


def to_line(record: object) -> bytes:
    """Return a record as a line of JSON."""
    return msgspec.json.encode(record) + b"\n"


def append_line(file: Path, record: object) -> None:
    """Append a record as a line of JSON, on the disk when the call returns; nobody else may read a new file.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=True)
        with file.open("ab") as out:
            out.write(to_line(record))
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}") from error


def add_picture(site: Path, picture: PoolPicture, jpeg: bytes) -> None:
    """Write a picture, and then its line.

    Raises:
        OutputError: it cannot be written.
    """
    file = picture_file(site, picture.id)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write into {site}: {error.strerror}") from error
    with atomic_write(file, shows_people=True) as partial:
        partial.write_bytes(jpeg)
    append_line(site / POOL_FILE, picture)


def write_scenes(site: Path, scenes: Sequence[tuple[PoolPicture, Sequence[dict[str, Any]]]]) -> None:
    """Write what training and evaluation read.

    Args:
        site: the folder.
        scenes: pictures all of whose faces were answered, and their faces as ``scenes.jsonl`` has them.

    Raises:
        OutputError: it cannot be written.
    """
    for part, folder, above in (("pool", site, ""), ("test", site / TEST, "../")):
        lines = [_scene(picture, faces, above) for picture, faces in scenes if picture.part == part]
        folder.mkdir(exist_ok=True)
        with atomic_write(folder / SCENES_FILE) as partial:
            partial.write_text("".join(lines), encoding="utf-8")


def _scene(picture: PoolPicture, faces: Sequence[dict[str, Any]], above: str) -> str:
    record = {
        "image": f"{above}{PICTURES}/{picture.id}.jpg",
        "set": picture.camera,
        "visit": picture.visit,
        "taken": picture.taken,
        "width": picture.size_wh[0],
        "height": picture.size_wh[1],
        "faces": list(faces),
    }
    return json.dumps(record) + "\n"

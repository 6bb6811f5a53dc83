"""Faces in one file, cut once, to train from on another machine without the pictures that they are from.

The file is a ZIP archive: ``faces.json`` says which format it has and how the faces were cut, ``records.jsonl`` has a
line for each window, and ``windows/`` holds the pixels as WebP pictures. Paths of pictures are kept as they were given,
since splits are told by them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import cv2
import numpy as np

from maskinfer.engine.errors import SourceError, SourceNotFoundError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.cache import cache_folder
from maskinfer.engine.flow.overlap import in_lanes
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.results import BGRFrame
from maskinfer.training.classifier.windows.faces import NO_FACE, WINDOW_MARGIN, WINDOW_PX, Faces
from maskinfer.training.classifier.windows.window_file import WindowFile
from maskinfer.training.data.groups import Indices

_FORMAT = "maskinfer-faces-1"
_ABOUT, _RECORDS = "faces.json", "records.jsonl"
_LANES = 8


@dataclass(frozen=True, slots=True)
class FacePack:
    """Faces and what belongs to them.

    Attributes:
        faces: of pictures; their labels are indices into those that were asked for.
        groups: int64 (N,), equal for faces that belong on one side of a split.
    """

    faces: Faces
    groups: Indices


def write_pack(file: Path, pack: FacePack, labels: Sequence[str], *, quality: int, progress: Progress = SILENT) -> None:
    """Write faces, for ``read_pack``.

    Args:
        file: to write; it is replaced.
        pack: the faces.
        labels: that their numbers stand for.
        quality: of WebP, 1 to 100; over 100 nothing is lost.
        progress: told of each face.

    Raises:
        OutputError: the file cannot be written.
    """
    faces = pack.faces
    about = {"format": _FORMAT, "labels": list(labels), "side_px": WINDOW_PX, "margin": WINDOW_MARGIN}
    progress.set_total(len(faces.labels))
    with atomic_write(file, shows_people=True) as partial, ZipFile(partial, "w", ZIP_STORED) as archive:
        archive.writestr(_ABOUT, json.dumps(about), ZIP_DEFLATED)
        lines = (json.dumps(record) + "\n" for record in _records(pack, labels))
        archive.writestr(_RECORDS, "".join(lines), ZIP_DEFLATED)
        pictures = in_lanes(lambda window: _encoded(window, quality), faces.windows, _LANES)
        for number, picture in enumerate(pictures):
            archive.writestr(_name(number), picture)
            progress.advance()


def _records(pack: FacePack, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    faces = pack.faces
    for i, label in enumerate(faces.labels):
        yield {
            "label": None if label == NO_FACE else labels[label],
            "set": faces.sets[i],
            "source": faces.sources[i],
            "turned": bool(faces.turned[i]),
            "score": None if np.isnan(faces.scores[i]) else round(float(faces.scores[i]), 4),
            "group": int(pack.groups[i]),
        }


def _name(number: int) -> str:
    return f"windows/{number:07d}.webp"


def _encoded(window: BGRFrame, quality: int) -> bytes:
    return bytes(cv2.imencode(".webp", window, [cv2.IMWRITE_WEBP_QUALITY, quality])[1])


def read_pack(file: Path, labels: Sequence[str], progress: Progress = SILENT) -> FacePack:
    """Return the faces of a file that carry one of the labels, and what is no face.

    The pixels are unpacked once, into the cache folder, and mapped to memory from there.

    Args:
        file: from ``write_pack``.
        labels: the recipe's.
        progress: told of each face that is unpacked.

    Raises:
        SourceNotFoundError: there is no such file. SourceError: it is damaged, or of another format.
    """
    if not file.is_file():
        raise SourceNotFoundError(f"{file} does not exist: expected faces that `maskinfer data faces` wrote")
    try:
        with ZipFile(file) as archive:
            _check_about(json.loads(archive.read(_ABOUT)))
            records = [json.loads(line) for line in archive.read(_RECORDS).decode().splitlines()]
            windows = _unpacked(archive, file, len(records), progress)
        return _as_pack(windows, records, labels)
    except (BadZipFile, KeyError, TypeError, ValueError, cv2.error) as error:
        raise SourceError(f"{file} holds no faces that `maskinfer data faces` wrote: {error}") from error


def _check_about(about: dict[str, Any]) -> None:
    expected = {"format": _FORMAT, "side_px": WINDOW_PX, "margin": WINDOW_MARGIN}
    found = {name: about[name] for name in expected}
    if found != expected:
        raise ValueError(f"it says {found}, expected {expected}: write it anew with this version")


def _unpacked(archive: ZipFile, file: Path, count: int, progress: Progress) -> BGRFrame:
    with file.open("rb") as opened:
        key = hashlib.file_digest(opened, "sha256").hexdigest()[:24]
    folder = cache_folder().parent / "faces"
    folder.mkdir(parents=True, exist_ok=True)
    kept = WindowFile(folder / f"pack-{key}.u8", folder / f"pack-{key}.jsonl", WINDOW_PX)
    if not kept.is_whole():
        progress.set_total(count)
        packed = (archive.read(_name(number)) for number in range(count))
        kept.write(_decoded(packed, progress))
    return kept.read()[0]


def _decoded(packed: Iterator[bytes], progress: Progress) -> Iterator[tuple[BGRFrame, list[dict[str, Any]]]]:
    for window in in_lanes(_decode, packed, _LANES):
        progress.advance()
        yield window[None], [{}]


def _decode(packed: bytes) -> BGRFrame:
    window = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_COLOR)
    if window is None or window.shape != (WINDOW_PX, WINDOW_PX, 3):
        raise ValueError("a window is damaged")
    return np.asarray(window, np.uint8)


def _as_pack(windows: BGRFrame, records: Sequence[dict[str, Any]], labels: Sequence[str]) -> FacePack:
    wanted = [i for i, record in enumerate(records) if record["label"] is None or record["label"] in labels]
    kept = [records[i] for i in wanted]
    faces = Faces(
        windows if len(kept) == len(records) else windows[wanted],
        np.asarray([labels.index(r["label"]) if r["label"] else NO_FACE for r in kept], np.int64),
        tuple(record["set"] for record in kept),
        tuple(record["source"] for record in kept),
        np.asarray([record["turned"] for record in kept], np.bool_),
        np.asarray([np.nan if r["score"] is None else r["score"] for r in kept], np.float32),
    )
    return FacePack(faces, np.asarray([record["group"] for record in kept], np.int64))

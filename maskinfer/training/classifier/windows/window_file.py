"""Windows of faces in a file that memory is mapped to, cut once and used by every training on the same pictures.

Forty thousand of them take 4.4 GB, which the system holds in memory as far as there is room, and takes back when
another program needs it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.results import BGRFrame

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class WindowFile:
    """A file of windows and the records that belong to them.

    Attributes:
        windows: where the pixels lie, a window after the other.
        records: JSON Lines, one a window; it is written last, so a file without it is not whole.
        side_px: of a window.
    """

    windows: Path
    records: Path
    side_px: int

    def is_whole(self) -> bool:
        """Tell whether it was written to its end."""
        return self.records.is_file() and self.windows.is_file()

    def write(self, found: Iterable[tuple[BGRFrame, Sequence[dict[str, Any]]]]) -> None:
        """Write windows, uint8 (N, side, side, 3), and a record for each, as they come.

        Raises:
            OutputError: the folder cannot be written to.
        """
        records: list[dict[str, Any]] = []
        with atomic_write(self.windows) as partial, partial.open("wb") as file:
            for windows, its_records in found:
                file.write(windows.tobytes())
                records += its_records
        with atomic_write(self.records) as partial:
            partial.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")

    def read(self) -> tuple[BGRFrame, list[dict[str, Any]]]:
        """Return the windows, uint8 (N, side, side, 3), which stay on the disk until they are used, and the records."""
        records = [json.loads(line) for line in self.records.read_text(encoding="utf-8").splitlines()]
        shape = (len(records), self.side_px, self.side_px, 3)
        if not records:
            return np.zeros(shape, np.uint8), records
        return np.memmap(self.windows, np.uint8, "r", shape=shape), records


def window_file(
    folder: Path, side_px: int, *, settings: object, models: Sequence[Path], data: Iterable[Path]
) -> WindowFile:
    """Return the file in a folder that belongs to these settings, models and data, whether it is there yet or not.

    Args:
        folder: it is made.
        side_px: of a window.
        settings: all else that the windows follow from; told apart by their ``repr``.
        models: files whose bytes count.
        data: lists of pictures, whose bytes count, and pictures, whose names, sizes and times do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(f"{_FORMAT} {side_px} {settings!r}".encode())
    for file in models:
        key.update(file.read_bytes())
    for text in _marks(data):
        key.update(text.encode())
    name = key.hexdigest()[:24]
    return WindowFile(folder / f"{name}.u8", folder / f"{name}.jsonl", side_px)


def _marks(data: Iterable[Path]) -> Iterator[str]:
    for path in data:
        if path.suffix == ".jsonl":
            yield hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_file():
            state = path.stat()
            yield f"{path} {state.st_size} {state.st_mtime_ns}"

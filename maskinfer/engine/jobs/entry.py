"""The lines of a journal about one video: that it is begun, and that it is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskinfer.engine.jobs.summary import JobSummary

NOTHING: Mapping[str, Any] = {}
_HASHED_AT_ONCE = 1 << 20
Sizes = Mapping[str, int | None]
"""Of files in bytes, by their names; None of one that is not there."""


def video_key(digest: str, place: str, video: Path, on_read: Callable[[], None] = lambda: None) -> str:
    """Return what a video is known by: its content, the settings, its place; "" when it cannot be read.

    Args:
        digest: of the settings.
        place: of its annotated copy below the folder of all.
        video: the file.
        on_read: called for each MB that is read.
    """
    known_by = hashlib.blake2b(f"{digest} {place}".encode(), digest_size=16)
    try:
        with video.open("rb") as file:
            while block := file.read(_HASHED_AT_ONCE):
                known_by.update(block)
                on_read()
    except OSError:  # reading it as a video will tell
        return ""
    return known_by.hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """What the lines about a video say besides what happened to it.

    Attributes:
        place: of its annotated copy below the folder of all.
        source: as it is shown.
        settings: their digest.
        last: the last line about it; empty if there is none.
    """

    place: str
    source: str
    settings: str
    last: Mapping[str, Any]

    def begun(self, key: str) -> dict[str, Any]:
        """Return the line that tells that it is begun: what is found of it later may be replaced."""
        is_ours, is_same = self.last.get("settings") == self.settings, self.last.get("key") == key
        made = self.last.get("sizes", self.last.get("made", NOTHING)) if is_ours else NOTHING
        return self._line(key, made={name: size if is_same else None for name, size in made.items()})

    def done(self, key: str, sizes: Sizes, summary: JobSummary, made: Sizes = NOTHING) -> dict[str, Any]:
        """Return the line that tells that it is done.

        Args:
            key: its.
            sizes: of its files.
            summary: of its job.
            made: of files of results that this job was not asked for.
        """
        return self._line(
            key, sizes={**made, **sizes}, problems=summary.problems,
            frames=summary.frames, faces=dict(summary.faces), film_s=round(summary.film_s, 6),
        )  # fmt: skip

    def _line(self, key: str, **more: object) -> dict[str, Any]:
        return {"place": self.place, "source": self.source, "settings": self.settings, "key": key, **more}

"""Writes what was picked into the folder of a place: within the day's budget, nothing twice, and not for ever."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from maskinfer.engine.errors import OutputError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.site.choose import Kept, SeenBefore
from maskinfer.site.picker import CollectOptions
from maskinfer.site.pool import (
    LABELS,
    POOL_FILE,
    PoolPicture,
    add_picture,
    parse_pool,
    picture_file,
    read_pool,
    to_line,
)


class PoolWriter:
    """Adds pictures to the folder of a place, which others may add to as well.

    Args:
        site: the folder; it may hold some already.
        options: the budget.

    Raises:
        SourceError: its list cannot be read.
    """

    def __init__(self, site: Path, options: CollectOptions) -> None:
        self._site, self._options = site, options
        self._read_bytes = 0
        self._known: set[str] = set()
        self._by_day: Counter[str] = Counter()
        self._before = SeenBefore()
        self._follow()

    def add(self, kept: Kept) -> str:
        """Write a picture; return why not, or nothing if it was written.

        Raises:
            OutputError: it cannot be written. SourceError: the list cannot be read any more.
        """
        self._follow()
        picture = kept.record
        if picture.id in self._known:
            return "was there already"
        if self._by_day[picture.taken[:10]] >= self._options.per_day:
            return "the day's budget is spent"
        # A test part without the alike would no longer be what the camera sees.
        if picture.part == "pool" and not self._before.is_new(kept.fingerprint):
            return "nearly the same as another"
        add_picture(self._site, picture, kept.jpeg)
        return ""

    def _follow(self) -> None:
        """Take what was added since into account, by this or by another process."""
        file = self._site / POOL_FILE
        size = file.stat().st_size if file.is_file() else 0
        if size < self._read_bytes:  # it was begun anew
            self._read_bytes = 0
        if size == self._read_bytes:
            return
        with file.open("rb") as lines:
            lines.seek(self._read_bytes)
            new = lines.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read_bytes += len(new)
        for picture in parse_pool(new.decode(errors="replace"), file):
            if picture.id not in self._known:
                self._known.add(picture.id)
                self._by_day[picture.taken[:10]] += 1
                if picture.part == "pool":
                    self._before.is_new(int(picture.fingerprint, 16))


def forget_old(site: Path, days: float, now: datetime) -> int:
    """Remove pictures that nobody labelled within so many days; return how many.

    Their lines stay, so that nothing is collected twice, until ``tidy_pool``.

    Raises:
        SourceError: the list cannot be read.
    """
    if not (site / POOL_FILE).is_file():
        return 0
    answered, count = _answered(site), 0
    for picture in read_pool(site):
        if picture.id not in answered and _is_before(picture, now - timedelta(days=days)):
            with suppress(OSError):
                picture_file(site, picture.id).unlink()
                count += 1
    return count


def tidy_pool(site: Path) -> None:
    """Remove the lines of pictures that are gone; nobody else may write to the list meanwhile.

    Raises:
        OutputError: it cannot be written. SourceError: it cannot be read.
    """
    file = site / POOL_FILE
    if not file.is_file():
        return
    kept = read_pool(site)
    if len(kept) == file.read_bytes().count(b"\n"):
        return
    try:
        with atomic_write(file, shows_people=True) as partial:
            partial.write_bytes(b"".join(to_line(picture) for picture in kept))
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}") from error


def _answered(site: Path) -> set[str]:
    """Return the pictures of which somebody said something."""
    found = set()
    for file in (site / LABELS).glob("*.jsonl"):
        for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
            with suppress(ValueError, TypeError, KeyError):
                found.add(json.loads(line)["picture"])
    return found


def _is_before(picture: PoolPicture, at: datetime) -> bool:
    try:
        taken = datetime.fromisoformat(picture.taken)
    except ValueError:
        return False
    return (taken if taken.tzinfo else taken.astimezone()) < at

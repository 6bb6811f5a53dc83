"""What tells two runs of a watch apart: an id, and the time on the wall."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypedDict


def local_now() -> datetime:
    """Return the time on the wall, with the offset of the local time zone."""
    return datetime.now(UTC).astimezone()


def file_time(at: datetime) -> str:
    """Return a time as a part of a file's name.

    >>> file_time(datetime(2026, 11, 25, 19, 15, tzinfo=UTC))
    '20261125T191500'
    """
    return f"{at:%Y%m%dT%H%M%S}"


class Stamp(TypedDict):
    """What a record carries: which run it is of, and when it was written."""

    run: str
    at: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a watch.

    Attributes:
        id: eight random hexadecimal digits.
        began: when, in local time.
    """

    id: str = field(default_factory=lambda: secrets.token_hex(4))
    began: datetime = field(default_factory=local_now)

    @property
    def prefix(self) -> str:
        """What the names of the run's files begin with, so that those of two runs differ."""
        return f"{file_time(self.began)}-{self.id}-"

    def stamp(self) -> Stamp:
        """Return what a record that is written now carries."""
        return {"run": self.id, "at": local_now().isoformat(timespec="milliseconds")}

    def tags(self) -> dict[str, str]:
        """Return the metadata of a video that begins now."""
        now = local_now().astimezone(UTC)
        return {"creation_time": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}", "comment": f"maskinfer run {self.id}"}

"""What requests that change something carry."""

from __future__ import annotations

from dataclasses import dataclass

from maskinfer.control.settings.types import LineSettings, ZoneSettings


@dataclass(frozen=True, slots=True)
class Shapes:
    """The zones and lines of a camera, as they are saved.

    Attributes:
        zones: all of them; those that are left out are no more.
        lines: all of them.
    """

    zones: tuple[ZoneSettings, ...] = ()
    lines: tuple[LineSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """Whether a camera is to be paused.

    Attributes:
        paused: true to pause it, false to watch it again.
    """

    paused: bool

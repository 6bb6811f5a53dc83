"""Hours in which a camera is watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class _Hours:
    """One entry: the days on which it begins, 0 for Monday, and minutes from midnight."""

    days: frozenset[int]
    from_min: int
    to_min: int

    def hold(self, at: datetime) -> bool:
        """Tell whether a moment is inside; those that end before they begin last until the next day."""
        minute, day = at.hour * 60 + at.minute, at.weekday()
        if self.from_min < self.to_min:
            return day in self.days and self.from_min <= minute < self.to_min
        yesterday = (at - timedelta(days=1)).weekday()
        return (day in self.days and minute >= self.from_min) or (yesterday in self.days and minute < self.to_min)


def read_hours(text: str) -> _Hours:
    """Read hours such as ``mon-fri 07:00-19:30``, ``sat,sun 22:00-06:00`` or ``07:00-24:00``.

    Raises:
        ValueError: they are none; the message says why.
    """
    days, _, times = text.rpartition(" ")
    begin, end = (_minute(time) for time in times.split("-"))
    if begin in (end, _DAY_MIN):
        raise ValueError(f"{text!r} begins when it ends: for a whole day write 00:00-24:00")
    return _Hours(_days(days) if days else frozenset(range(7)), begin, end)


def is_active(active: Sequence[str], time_zone: str | None, now: datetime) -> bool:
    """Tell whether a camera is watched at a moment.

    Args:
        active: its hours; always, without any.
        time_zone: that they are meant in; None for this machine's.
        now: an aware datetime.
    """
    return not active or any(read_hours(text).hold(now.astimezone(zone_of(time_zone))) for text in active)


def zone_of(name: str | None) -> tzinfo | None:
    """Return a time zone by its name; None for this machine's.

    Raises:
        ValueError: there is no such time zone.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"there is no time zone {name!r}: expected a name such as Europe/Berlin") from error


def _minute(time: str) -> int:
    hours, minutes = (int(part) for part in time.split(":"))
    if not (0 <= hours * 60 + minutes <= _DAY_MIN and minutes < 60):
        raise ValueError(f"{time!r} is no time of the day, expected 00:00 to 24:00")
    return hours * 60 + minutes


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = _day(first), _day(last or first)
        found.update((begin + i) % 7 for i in range((end - begin) % 7 + 1))
    return frozenset(found)


def _day(name: str) -> int:
    if name not in _DAYS:
        raise ValueError(f"{name!r} is no day of the week, expected one of {', '.join(_DAYS)}")
    return _DAYS.index(name)

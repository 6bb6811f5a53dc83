"""What the page says, in words for the person at the entrance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from maskinfer.control.report.words import BARE, WHY_NOT_WATCHED, label_words, people_words
from maskinfer.engine.results import INCORRECT_MASK, LABELS, UNCERTAIN, WITH_MASK, WITHOUT_MASK

__all__ = [
    *(
        "clock",
        "day",
        "headline",
        "lasting",
        "moment",
        "number",
        "people",
        "people_now",
        "people_worn",
        "short",
        "size",
    ),
    *("state", "why_ended", "why_not_watched", "worn"),
]

ALL_LABELS = (*LABELS, UNCERTAIN)
_SHORT = {
    WITH_MASK: "With a mask",
    WITHOUT_MASK: "Without a mask",
    INCORRECT_MASK: "Mask worn incorrectly",
    UNCERTAIN: "Unclear",
}
_ENDED = {
    "left": "The person left.",
    "camera lost": "The camera gave no more pictures, so the visit ends here.",
    "stopped": "maskinfer was stopped, so the visit ends here.",
    None: "The person is still there.",
}
_STATES = {
    "running": "Live",
    "lost": "No picture",
    "no frame yet": "Connecting",
    "ended": "Ended",
    "paused": "Paused",
    "off hours": "Off hours",
}
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def number(value: int) -> str:
    """Return a whole number as people read it: ``12,345``."""
    return f"{value:,}"


def people(count: int) -> str:
    """Return ``1 person`` or ``12 people``."""
    return people_words(count)


def people_worn(count: int, label: str) -> str:
    """Return ``3 people without a mask``.

    >>> people_worn(1, "without_mask")
    '1 person without a mask'
    """
    return f"{people(count)} {worn(label)}"


def worn(label: str) -> str:
    """Return what somebody has on, as the end of a sentence: ``without a mask``."""
    return label_words(label)


def short(label: str, bare: str | None = None) -> str:
    """Return what somebody has on, as a caption: ``Mask worn incorrectly, nose uncovered``."""
    text = _SHORT.get(label, label.replace("_", " "))
    return f"{text}, {BARE.get(bare, bare.replace('_', ' '))}" if bare else text


def people_now(faces: Mapping[str, int]) -> str:
    """Return who is before a camera now.

    >>> people_now({"with_mask": 2, "without_mask": 1})
    '3 people: 2 with a mask, 1 without a mask'
    """
    total = sum(faces.values())
    if not total:
        return "Nobody"
    kinds = [(faces[label], worn(label)) for label in sorted(faces, key=_place) if faces[label]]
    if len(kinds) == 1:
        return f"{people(total)}{', ' if faces.get(UNCERTAIN) else ' '}{kinds[0][1]}"
    return f"{people(total)}: " + ", ".join(f"{number(count)} {text}" for count, text in kinds)


def _place(label: str) -> int:
    return ALL_LABELS.index(label) if label in ALL_LABELS else len(ALL_LABELS)


def headline(wrong: Mapping[str, int], visits: int, *, when: str = "today") -> str:
    """Return a day in one sentence, from how many people with each label were against the rules.

    >>> headline({"without_mask": 3, "incorrect_mask": 1}, 120)
    '3 people without a mask and 1 with a mask worn incorrectly today'
    """
    # Who had it off, and has it on now, is with a mask.
    ways = {label: worn(label) for label in wrong} | {WITH_MASK: "with a mask only part of the time"}
    kinds = [(wrong[label], ways[label]) for label in sorted(wrong, key=_place) if wrong[label]]
    kinds.sort(key=lambda kind: kind[0], reverse=True)
    if not visits:
        return f"Nobody was seen {when}"
    if not kinds:
        return f"Everybody kept to the rules {when}"
    (count, text), *others = kinds
    *before, last = [f"{people(count)} {text}", *(f"{number(count)} {text}" for count, text in others)]
    return f"{', '.join(before)}{' and ' if before else ''}{last} {when}"


def why_ended(ended: str | None) -> str:
    """Return why a visit is over, in a sentence."""
    return _ENDED.get(ended, f"It ended: {ended}.")


def state(text: str) -> str:
    """Return a camera's state in a word or two."""
    return _STATES.get(text, text)


def why_not_watched(text: str) -> str:
    """Return why nobody was counted in some time."""
    return WHY_NOT_WATCHED.get(text, text)


def clock(at: datetime, *, seconds: bool = False) -> str:
    """Return the time of day, ``14:03``."""
    return at.strftime("%H:%M:%S" if seconds else "%H:%M")


def day(at: datetime, today: datetime | None = None) -> str:
    """Return a day: ``today``, ``yesterday`` or ``Wed 25 Nov 2026``."""
    if today is not None and at.date() == today.date():
        return "today"
    if today is not None and at.date() == today.date() - timedelta(days=1):
        return "yesterday"
    return f"{_DAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year}"


def moment(at: datetime, today: datetime) -> str:
    """Return a day and a time: ``today 14:03``."""
    return f"{day(at, today)} {clock(at)}"


def lasting(seconds: float) -> str:
    """Return a length of time.

    >>> [lasting(s) for s in (0.4, 59.7, 61, 3599, 7260, 100000)]
    ['under 1 s', '1 min', '1 min', '1 h', '2 h 1 min', '1 day 4 h']
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 59.5:
        return f"{round(seconds)} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} day{'s' if days > 1 else ''}" + (f" {hours} h" if hours else "")


def size(count: float) -> str:
    """Return a number of bytes: ``1.2 GB``."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} bytes"

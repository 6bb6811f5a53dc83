"""What a report calls things: to the person at an entrance, not to who built the camera."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from maskinfer.control.drift.words import drift_words
from maskinfer.control.report.report import Report
from maskinfer.control.store.questions import WatchedSpan
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, WITH_MASK, WITHOUT_MASK
from maskinfer.engine.visits.visit import Visit

MOST_GAPS = 40
NOT_RECORDED = "not recorded"
_LABELS = {
    WITH_MASK: "with a mask",
    WITHOUT_MASK: "without a mask",
    INCORRECT_MASK: "with a mask worn incorrectly",
    UNCERTAIN: "unclear",
}
BARE = {"nose": "nose uncovered", "nose_and_mouth": "nose and mouth uncovered"}
WHY_NOT_WATCHED = {
    "lost": "the camera gave no pictures",
    "paused": "the camera was paused",
    "off hours": "outside its hours",
    "stopped": "maskinfer was not running",
}


def label_words(label: str, bare: str | None = None) -> str:
    """Return a label in words, with what a badly worn mask leaves bare.

    >>> label_words("incorrect_mask", "nose"), label_words("without_mask")
    ('with a mask worn incorrectly (nose uncovered)', 'without a mask')
    """
    words = _LABELS.get(label, label.replace("_", " "))
    return f"{words} ({BARE[bare]})" if bare in BARE else words


def people_words(count: int) -> str:
    """Return how many people.

    >>> people_words(1), people_words(1200)
    ('1 person', '1,200 people')
    """
    return "1 person" if count == 1 else f"{count:,} people"


def sentence(text: str) -> str:
    """Return a text with a capital in front; names in it stay as they are.

    >>> sentence("camera Main entrance")
    'Camera Main entrance'
    """
    return text[:1].upper() + text[1:]


def length_words(seconds: float) -> str:
    """Return a length of time in its two largest units.

    >>> length_words(3), length_words(95), length_words(7260), length_words(200_000)
    ('3 s', '1 min 35 s', '2 h 1 min', '2 d 7 h')
    """
    left = round(seconds)
    parts = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def percent_words(share: float) -> str:
    """Return a share in per cent; none and all are said only where they are exact.

    >>> percent_words(0.945), percent_words(0.999), percent_words(0.0)
    ('94 %', 'over 99 %', '0 %')
    """
    if 0 < share < 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def gap_words(span: WatchedSpan) -> str:
    """Return why a camera was not watched."""
    if span.reason == NOT_RECORDED:
        return span.reason
    words = WHY_NOT_WATCHED.get(span.state, span.state)
    return f"{words}: {span.reason}" if span.reason and span.reason != words else words


def violation_words(visit: Visit) -> list[str]:
    """Return what was wrong and where, one line for each thing that was wrong."""
    zones: dict[str, list[str]] = {}
    for violation in visit.violations:
        places = zones.setdefault(label_words(violation.label, violation.bare), [])
        if violation.zone is not None and violation.zone not in places:
            places.append(violation.zone)
    return [f"{what} in {' and '.join(places)}" if places else what for what, places in zones.items()]


def time_words(report: Report, at: datetime) -> str:
    """Return a time of the report: of one day its hour, of several its date too."""
    if report.clock == "recording":
        return _since_begin(at)
    is_one_day = report.from_at.date() == (report.to_at - timedelta(microseconds=1)).date()
    return f"{at:%H:%M:%S}" if is_one_day else f"{at:%Y-%m-%d %H:%M:%S}"


def row_words(report: Report, key: str) -> str:
    """Return the name of an hour or a day of ``Report.by_time``."""
    at = datetime.fromisoformat(key)
    if report.clock == "recording":
        return _since_begin(at.astimezone(report.from_at.tzinfo))[:-3] if report.unit == "hour" else f"day {at.day}"
    if report.unit == "day":
        return f"{at:%a %d %b %Y}"
    is_one_day = report.from_at.date() == (report.to_at - timedelta(microseconds=1)).date()
    return f"{at:%H:%M}" if is_one_day else f"{at:%a %d %b %H:%M}"


def row_names(report: Report) -> Callable[[str], str]:
    """Return what names the hours or days of a report."""
    return lambda key: row_words(report, key)


def short_row_words(report: Report, key: str) -> str:
    """Return the same in so few letters that it stands under a column of a chart: ``08`` or ``25 Nov``."""
    if report.clock == "recording":
        return row_words(report, key)
    return short_time(key, report.unit)


def short_time(key: str, unit: str) -> str:
    """Return the beginning of an hour or day in few letters.

    >>> short_time("2026-11-25T08:00:00+01:00", "hour"), short_time("2026-11-05", "day")
    ('08', '5 Nov')
    """
    at = datetime.fromisoformat(key)
    return f"{at:%H}" if unit == "hour" else f"{at.day} {at:%b}"


def short_row_names(report: Report) -> Callable[[str], str]:
    """Return what names the columns of a report's chart."""
    return lambda key: short_row_words(report, key)


def zone_name(key: str) -> str:
    """Return the name of a zone of ``Report.by_zone``."""
    return key or "in no zone"


def same(name: str) -> str:
    """Return a name as it is."""
    return name


def period_words(report: Report) -> str:
    """Return the period of a report."""
    begin, end = report.from_at, report.to_at
    if report.clock == "recording":
        return f"{length_words((end - begin).total_seconds())} of recordings, times counted from their beginning"
    last = end - timedelta(microseconds=1)
    whole = all(at == at.replace(hour=0, minute=0, second=0, microsecond=0) for at in (begin, end))
    if begin.date() == last.date():
        return f"{begin:%A, %d %B %Y}" + ("" if whole else f", {begin:%H:%M} to {last:%H:%M}")
    if whole:
        return f"{begin:%d %B %Y} to {last:%d %B %Y}"
    return f"{begin:%d %B %Y, %H:%M} to {last:%d %B %Y, %H:%M}"


def place_words(report: Report) -> str:
    """Return what the report is of: one camera or all, one zone or all."""
    camera = "all cameras" if report.camera is None else f"camera {report.camera}"
    return camera if report.zone is None else f"{camera}, zone {report.zone}"


def looks_words(report: Report) -> list[str]:
    """Return a line for each camera that at the end of the period no longer looked as it did."""
    return [f"{name}: {drift_words(drift)}" for name, drift in report.looks.items() if drift.state == "moved"]


def _since_begin(at: datetime) -> str:
    seconds = int(at.timestamp())
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

"""Which days and hours a report is of, as people say them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

from maskinfer.engine.errors import RequestError

Period = tuple[datetime | None, datetime | None]


def read_period(
    day: str | None = None,
    from_: str | None = None,
    to: str | None = None,
    *,
    now: datetime,
    time_zone: tzinfo | None = None,
) -> Period:
    """Return when a period begins and ends, as aware datetimes; None for an end that is open.

    Args:
        day: ``today``, ``yesterday`` or a date.
        from_, to: a date or a time such as ``2026-11-25T08:00``, with an offset or in the time zone. A date as the end
            means the end of that day.
        now: what ``today`` is of.
        time_zone: of dates and of times without an offset; None for this machine's.

    Raises:
        RequestError: a text is none of these, both are given, or the period ends before it begins.
    """
    if day is not None:
        if from_ is not None or to is not None:
            raise RequestError("a day and a period were asked for, expected one of them")
        chosen = _read_day(day, now.astimezone(time_zone).date())
        return _midnight(chosen, time_zone), _midnight(chosen + timedelta(days=1), time_zone)
    begin = None if from_ is None else _read_time(from_, time_zone, is_end=False)
    end = None if to is None else _read_time(to, time_zone, is_end=True)
    if begin and end and end <= begin:
        raise RequestError(f"the period from {from_} to {to} ends before it begins")
    return begin, end


def _read_day(text: str, today: date) -> date:
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        return named.get(text) or date.fromisoformat(text)
    except ValueError as error:
        raise RequestError(f"{text!r:.40} is no day, expected today, yesterday or a date such as 2026-11-25") from error


def _read_time(text: str, time_zone: tzinfo | None, *, is_end: bool) -> datetime:
    try:
        if len(text) <= len("2026-11-25"):
            return _midnight(date.fromisoformat(text) + timedelta(days=is_end), time_zone)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise RequestError(f"{text!r:.40} is no time, expected 2026-11-25 or 2026-11-25T08:00") from error
    return at if at.tzinfo else _located(at, time_zone)


def _midnight(day: date, time_zone: tzinfo | None) -> datetime:
    return _located(datetime.combine(day, time()), time_zone)


def _located(at: datetime, time_zone: tzinfo | None) -> datetime:
    return at.astimezone() if time_zone is None else at.replace(tzinfo=time_zone)

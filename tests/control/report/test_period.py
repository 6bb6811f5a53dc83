from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from maskinfer.control.report.period import read_period
from maskinfer.engine.errors import RequestError

BERLIN = ZoneInfo("Europe/Berlin")
LATE = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)  # the 26th in Berlin


def said(**asked: str) -> tuple[str, str]:
    begin, end = read_period(**asked, now=LATE, time_zone=BERLIN)
    return begin.isoformat() if begin else "", end.isoformat() if end else ""


@pytest.mark.parametrize("day", ["2026-11-26", "today"])
def test_a_day(day: str) -> None:
    assert said(day=day) == ("2026-11-26T00:00:00+01:00", "2026-11-27T00:00:00+01:00")


def test_the_day_before() -> None:
    assert said(day="yesterday") == ("2026-11-25T00:00:00+01:00", "2026-11-26T00:00:00+01:00")


def test_the_day_on_which_the_clock_is_changed_has_25_hours() -> None:
    begin, end = read_period("2026-10-25", now=LATE, time_zone=BERLIN)
    assert begin is not None
    assert end is not None
    assert (end.astimezone(UTC) - begin.astimezone(UTC)).total_seconds() == 25 * 3600


def test_a_period() -> None:
    assert said(from_="2026-11-01", to="2026-11-30") == ("2026-11-01T00:00:00+01:00", "2026-12-01T00:00:00+01:00")
    assert said(from_="2026-11-25T08:00") == ("2026-11-25T08:00:00+01:00", "")
    assert said(to="2026-11-25T08:00:00+00:00") == ("", "2026-11-25T08:00:00+00:00")
    assert said() == ("", "")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"day": "25.11.2026"}, "'25.11.2026' is no day, expected today, yesterday or a date"),
        ({"day": ""}, "'' is no day"),
        ({"from_": "noon"}, "'noon' is no time"),
        ({"to": "9999-12-31"}, "'9999-12-31' is no time"),
        ({"day": "today", "to": "2026-11-25"}, "expected one of them"),
        ({"from_": "2026-11-25", "to": "2026-11-24"}, "ends before it begins"),
    ],
)
def test_what_is_no_period(asked: dict[str, str], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        said(**asked)

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from maskinfer.control.settings.hours import is_active, read_hours

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "at", "active"),
    [
        ("mon-fri 07:00-19:30", "2026-11-25T07:00", True),  # a Wednesday
        ("mon-fri 07:00-19:30", "2026-11-25T06:59", False),
        ("mon-fri 07:00-19:30", "2026-11-25T19:30", False),
        ("mon-fri 07:00-19:30", "2026-11-28T12:00", False),
        ("fri-mon 07:00-19:30", "2026-11-28T12:00", True),
        ("sat,sun 22:00-06:00", "2026-11-28T23:00", True),
        ("sat,sun 22:00-06:00", "2026-11-30T05:59", True),  # Monday morning belongs to Sunday
        ("sat,sun 22:00-06:00", "2026-11-28T05:00", False),  # Saturday morning to Friday
        ("22:00-06:00", "2026-11-28T05:00", True),
        ("00:00-24:00", "2026-11-28T23:59", True),
        ("wed 20:00-24:00", "2026-11-26T00:00", False),
    ],
)
def test_hours(text: str, at: str, active: bool) -> None:
    assert is_active([text], "Europe/Berlin", datetime.fromisoformat(at).replace(tzinfo=BERLIN)) == active


def test_hours_are_those_of_the_time_zone() -> None:
    at = datetime(2026, 11, 25, 12, 0, tzinfo=ZoneInfo("UTC"))
    assert is_active(["13:00-13:01"], "Europe/Berlin", at)
    assert not is_active(["13:00-13:01"], "America/New_York", at)
    assert is_active([], None, at)
    assert is_active(["01:00-02:00", "13:00-13:01"], "Europe/Berlin", at)


@pytest.mark.parametrize(
    "text", ["25:00-26:00", "12:60-13:00", "00:00-00:00", "xyz 01:00-02:00", "mon-xyz 01:00-02:00"]
)
def test_what_is_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|write 00:00-24:00"):
        read_hours(text)

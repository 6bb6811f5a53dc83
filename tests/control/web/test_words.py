"""What the page says, in words."""

from __future__ import annotations

import doctest
from datetime import datetime, timedelta

import pytest

from maskinfer.control.store.questions import CountRow
from maskinfer.control.web import login, words
from maskinfer.control.web.api import asked
from maskinfer.control.web.days import hours_of
from maskinfer.control.web.guard import brake, shield

NOW = datetime.fromisoformat("2026-11-25T14:03:09+01:00")


@pytest.mark.parametrize("module", [words, login, asked, brake, shield], ids=lambda module: module.__name__)
def test_the_examples_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "visits", "expected"),
    [
        ({}, 0, "Nobody was seen today"),
        ({"with_mask": 0}, 7, "Everybody kept to the rules today"),
        ({"without_mask": 1}, 7, "1 person without a mask today"),
        (
            {"with_mask": 1, "without_mask": 4, "incorrect_mask": 2},
            1200,
            "4 people without a mask, 2 with a mask worn incorrectly and 1 with a mask only part of the time today",
        ),
    ],
)
def test_a_day_in_one_sentence(wrong: dict[str, int], visits: int, expected: str) -> None:
    assert words.headline(wrong, visits) == expected


def test_who_is_before_a_camera() -> None:
    assert words.people_now({}) == "Nobody"
    assert words.people_now({"without_mask": 1}) == "1 person without a mask"
    assert words.people_now({"uncertain": 2}) == "2 people, unclear"
    assert words.people_now({"uncertain": 1, "with_mask": 1}) == "2 people: 1 with a mask, 1 unclear"


def test_days_and_times() -> None:
    assert words.moment(NOW, NOW) == "today 14:03"
    assert words.moment(NOW - timedelta(days=1), NOW) == "yesterday 14:03"
    assert words.moment(NOW - timedelta(days=2), NOW) == "Mon 23 Nov 2026 14:03"
    assert words.short("incorrect_mask", "nose_and_mouth") == "Mask worn incorrectly, nose and mouth uncovered"


def test_a_day_has_all_of_its_hours() -> None:
    rows = [
        CountRow("2026-11-25T08:00:00+01:00", "with_mask", 6, 0),
        CountRow("2026-11-25T08:00:00+01:00", "without_mask", 2, 2),
        CountRow("2026-11-25T09:00:00+01:00", "with_mask", 4, 0),
    ]
    begin = NOW.replace(hour=0, minute=0, second=0)
    hours = hours_of(begin, begin + timedelta(days=1), rows)
    assert [hour.total for hour in hours[7:11]] == [0, 8, 4, 0]
    assert hours[8].violations == 2
    assert len(hours) == 24

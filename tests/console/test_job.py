"""The summary of a job, in words that fit its numbers."""

from __future__ import annotations

from collections import Counter

import pytest

from maskinfer.console.job import show_summary
from maskinfer.engine.errors import SourceError, printable
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.jobs.summary import JobSummary


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        (JobSummary(1, Counter(with_mask=1), 0.5), "1 image in 0.5 s (2.0 images/s): with_mask 1\n"),
        (JobSummary(2, Counter(), 1.0), "2 images in 1.0 s (2.0 images/s): no faces\n"),
        (JobSummary(skipped=1), "1 video was done before\n"),
        (JobSummary(skipped=3), "3 videos were done before\n"),
        (JobSummary(), "0 images in 0.0 s (0.0 images/s)\n"),
    ],
)
def test_summaries(summary: JobSummary, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(summary, "images", {})
    assert capsys.readouterr().err == said


def test_a_name_that_is_not_utf_8_is_shown_in_one_form() -> None:
    name = "caf\udce9.jpg"
    assert {as_text(name), printable(name), printable(as_text(name)), str(SourceError(name))} == {"caf\\xe9.jpg"}

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from maskinfer.control.report.colours import LIGHT
from maskinfer.control.report.picture import report_png
from maskinfer.control.report.report import Counted, Report, make_report
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, WITH_MASK, WITHOUT_MASK
from tests.helpers.visits_made import after, change, visit

pytest.importorskip("matplotlib")
DAY = VisitQuery(from_at=after(-12 * 3600), to_at=after(12 * 3600), time_zone=UTC)


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Report]:
    with Store.open(tmp_path / "store", on_error=pytest.fail) as store:
        for number, label in enumerate((WITH_MASK, WITHOUT_MASK, UNCERTAIN), 1):
            store.add(change(visit(number, label)))
        store.flush()
        yield make_report(store, DAY)


def pixels_of(png: bytes, label: str) -> int:
    bgr = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)
    return int((np.abs(bgr - ImageColor.getrgb(LIGHT[label])).max(axis=2) <= 2).sum())


def test_columns_have_the_labels_colours_as_high_as_their_numbers(report: Report) -> None:
    row = Counted("2026-11-25T08:00:00+00:00", {WITH_MASK: 40, WITHOUT_MASK: 20}, 20)
    png = report_png(replace(report, by_time=(row,)))
    assert Image.open(io.BytesIO(png)).size == (1552, 1020)
    key = pixels_of(report_png(replace(report, by_time=())), WITH_MASK)  # the sign beside the total
    mask, bare = (pixels_of(png, label) - key for label in (WITH_MASK, WITHOUT_MASK))
    assert mask == pytest.approx(2 * bare, rel=0.05)
    assert pixels_of(png, INCORRECT_MASK) <= key  # nobody wore it so, and the total is 0


@pytest.mark.parametrize("count", [0, 1, 400])
def test_any_report_is_drawn(report: Report, count: int) -> None:
    rows = tuple(Counted("2026-11-25T08:00:00+00:00", {WITH_MASK: n, "visor": 1}, 0) for n in range(count))
    assert report_png(replace(report, by_time=rows, watches=())).startswith(b"\x89PNG")


def test_names_are_no_formulas_and_need_no_font(report: Report) -> None:
    assert report_png(replace(report, camera="$\\frac{1}{0}$ 入口 " * 20)).startswith(b"\x89PNG")

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from xml.etree import ElementTree

import pytest

from maskinfer.control.report.charts import CHART_WH, HEIGHT, WIDTH, draw_bars
from maskinfer.control.report.page import embed_pictures, report_html, report_values, templates
from maskinfer.control.report.report import Counted, make_report
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.store.store import Store
from maskinfer.engine.results import INCORRECT_MASK, UNCERTAIN, WITH_MASK, WITHOUT_MASK
from tests.helpers.chromium import DESKTOP_WH, PHONE_WH, open_chromium
from tests.helpers.visits_made import after, change, picture, visit

DAY = VisitQuery(from_at=after(-12 * 3600), to_at=after(12 * 3600), time_zone=UTC)
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store", on_error=pytest.fail) as opened:
        opened.camera_event(EVIL, "connected", after(0), "")
        opened.camera_event(EVIL, "lost", after(60), EVIL)
        opened.add(change(visit(1, WITHOUT_MASK, camera=EVIL, zones=(EVIL,)), "violation", picture(WITHOUT_MASK)))
        opened.add(change(visit(2, INCORRECT_MASK, zones=("ward", "hall"))))
        opened.add(change(visit(3, WITH_MASK)))
        opened.add(change(visit(4, UNCERTAIN)))
        opened.flush()
        yield opened


def test_a_page_needs_nothing_else(store: Store) -> None:
    html = report_html(make_report(store, DAY), embed_pictures(store))
    links = re.findall(r'(?:src|href|url\()\s*=?\s*"?([^"\s>)]*)', html)
    assert [link[:23] for link in links] == ["data:image/jpeg;base64,"]
    assert "<script" not in html
    assert "//" not in re.sub(r"base64,[^\"]*", "", html)


def test_names_are_shown_and_never_obeyed(store: Store) -> None:
    html = report_html(make_report(store, DAY), embed_pictures(store))
    assert EVIL not in html
    assert html.count("&lt;script&gt;") >= 5


def test_what_the_page_says(store: Store) -> None:
    html = re.sub(r"\s+", " ", report_html(make_report(store, DAY), lambda picture: None))
    for text in (
        "<h1>Wednesday, 25 November 2026</h1>",
        "<b>4</b><span>people</span>",
        "33 %, interval 6 % to 79 %",
        "with a mask worn incorrectly (nose uncovered) in ward and hall",
        "the camera gave no pictures: &lt;script&gt;",
        "no picture",
        "must not be the only ground for a sanction",
    ):
        assert text in html
    assert "<img" not in html


def test_the_picture_is_of_what_was_wrong(store: Store) -> None:
    one = visit(5, WITHOUT_MASK, first_s=60)
    for label, at_s in ((WITH_MASK, 61), (WITHOUT_MASK, 62)):
        store.add(change(one, "picture", picture(label, at_s=at_s)))
    store.flush()
    report = make_report(store, DAY)
    values = report_values(report, lambda picture: picture.label)
    assert values["pictures"] == {one.id: WITHOUT_MASK, visit(1, camera=EVIL).id: WITHOUT_MASK}


def test_an_empty_page(tmp_path: Path) -> None:
    with Store.open(tmp_path, on_error=pytest.fail) as store:
        html = report_html(make_report(store, DAY), embed_pictures(store))
    for text in ("Nobody came in this time.", "<p>Nobody.</p>", "No camera was watched in this time."):
        assert text in html


def test_the_chart_is_drawn_to_scale() -> None:
    rows = [
        Counted("8", {WITH_MASK: 30, WITHOUT_MASK: 10, "visor": 5}, 10),
        Counted("9", {}, 0),
        Counted("10", {WITH_MASK: 15}, 0),
    ]
    chart = draw_bars(rows, lambda key: f"{key} h")
    (mask, bare, visor), nothing, (half,) = (column.bars for column in chart.columns)
    assert nothing == ()
    assert (mask.kind, bare.kind, visor.kind) == (WITH_MASK, WITHOUT_MASK, "other")
    assert mask.height == pytest.approx(3 * bare.height, abs=0.02) == pytest.approx(2 * half.height, abs=0.02)
    assert mask.y == pytest.approx(bare.y + bare.height, abs=0.02)
    assert mask.y + mask.height == pytest.approx(chart.floor, abs=0.02)
    assert [text for _, text in chart.lines] == ["0", "10", "20", "30", "40", "50"]
    assert chart.columns[0].title == "8 h: 45 people (5 visor, 10 without a mask, 30 with a mask)"
    assert chart.columns[1].title == "9 h: 0 people"


@pytest.mark.parametrize("count", [0, 1, 24, 400])
@pytest.mark.parametrize("most", [1, 7, 99, 1_234_567])
def test_a_chart_stays_in_its_picture(count: int, most: int) -> None:
    rows = [Counted(str(n), {WITH_MASK: most - n % most}, 0) for n in range(count)]
    chart = draw_bars(rows, str)
    assert len(chart.lines) <= 6
    assert sum(column.is_named for column in chart.columns) <= 12
    for column in chart.columns:
        for bar in column.bars:
            assert 0 <= bar.x < bar.x + bar.width <= WIDTH
            assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT
    parts = templates().get_template("parts.html").module
    figure = ElementTree.fromstring(parts.bars(chart, CHART_WH, "people"))  # type: ignore[attr-defined]
    assert len(figure.findall(".//rect[@class='hit']")) == count


def test_a_name_keeps_its_capitals(store: Store) -> None:
    html = report_html(make_report(store, replace(DAY, camera="Main Entrance")), lambda picture: None)
    assert '<p class="dim">Camera Main Entrance</p>' in html


def test_a_picture_that_went_meanwhile(store: Store) -> None:
    report = make_report(store, replace(DAY, camera=EVIL))
    for file in (store.folder / "pictures").rglob("*.jpg"):
        file.unlink()
    assert "no picture" in report_html(report, embed_pictures(store))


def test_in_a_browser_light_and_dark_and_on_a_phone(store: Store, tmp_path: Path) -> None:
    """Nothing is missing, nothing overflows, colours follow the system, and charts have height."""
    file = tmp_path / "report.html"
    file.write_text(report_html(make_report(store, DAY), embed_pictures(store)), encoding="utf-8")
    with open_chromium() as page:
        grounds = set()
        for size_wh, dark in ((DESKTOP_WH, False), (PHONE_WH, True)):
            page.look_like(size_wh, dark=dark)
            page.open(file.as_uri())
            grounds.add(page.run("getComputedStyle(document.body).backgroundColor"))
            assert page.run("document.documentElement.scrollWidth") <= size_wh[0]
            assert page.run("[...document.images].every(image => image.naturalWidth > 0)")
            assert page.run("document.querySelector('svg .bar').getBoundingClientRect().height") > 5
        assert len(grounds) == 2
        assert "alert(1)" in page.text()
        assert page.problems() == []
        assert {event["request"]["url"][:5] for event in page.events("Network.requestWillBeSent")} <= {"file:", "data:"}

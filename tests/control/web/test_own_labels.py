"""Labels of a classifier of one's own on the page: counted, drawn and named as they are."""

from __future__ import annotations

import httpx
import pytest

from tests.control.web.conftest import CAMERA, Served, earlier
from tests.helpers.recorded_room import come, demo


@pytest.mark.parametrize("path", ["today", "report?day=today"])
def test_a_label_of_ones_own_has_a_column_a_colour_and_a_tile(served: Served, path: str) -> None:
    for number, label in enumerate(("with_mask", "face_shield", "face_shield"), 1):
        come(served.store, demo(), CAMERA, earlier(30), label, number=number, zone="Hall", seconds=5)
    served.store.flush()
    html = httpx.get(f"{served.url}{path}", timeout=30).raise_for_status().text
    assert '<rect class="bar other"' in html
    assert '<span class="chip other">Face shield</span>' in html
    assert html.count('<th scope="col" class="n">face shield</th>') == 2  # by the hour, and by zone
    assert "3 people (2 face shield, 1 with a mask)" in html
    colours = httpx.get(f"{served.url}static/colours.css", timeout=30)
    assert colours.headers["content-type"].startswith("text/css")
    assert "--other: #5a6fc0" in colours.text

"""Labels of a classifier of one's own on the page: counted, drawn and named as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from jinja2 import Environment

from maskinfer.control.publish.home_assistant import discovery_payload
from maskinfer.control.publish.metrics import render
from maskinfer.control.publish.topics import Topics, state_payload
from maskinfer.control.room.state import CameraState
from maskinfer.engine.results import LABELS
from tests.control.web.conftest import CAMERA, Served, earlier
from tests.helpers.recorded_room import come, demo
from tests.helpers.small_room import small_room


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


def test_what_the_classifier_knows_may_be_asked_for_and_allowed(served: Served) -> None:
    come(served.store, demo(), CAMERA, earlier(30), "visor", number=1, zone="Hall", seconds=5)
    served.store.flush()
    found = httpx.get(f"{served.url}v1/visits", params={"label": "visor"}).raise_for_status().json()
    assert [visit["label"] for visit in found["visits"]] == ["visor"]
    refused = httpx.get(f"{served.url}v1/visits", params={"label": "n95"})
    assert refused.status_code == 400
    assert "expected one of with_mask, without_mask, incorrect_mask, visor, uncertain" in refused.json()["error"]
    served.room.states[CAMERA] = CameraState(CAMERA, "running", labels=(*LABELS, "visor", "n95"))
    assert httpx.get(f"{served.url}v1/visits", params={"label": "n95"}).json()["visits"] == []
    assert '"n95": "n95"' in httpx.get(f"{served.url}cameras/zones", params={"camera": CAMERA}).text
    zone = {"name": "Hall", "polygon": [[0, 0], [1, 0], [1, 1]], "allowed": ["with_mask", "n95"]}
    answer = httpx.put(f"{served.url}v1/cameras/zones", params={"camera": CAMERA}, json={"zones": [zone]})
    assert answer.status_code == 200
    assert served.room.settings.cameras[0].zones[0].allowed == ("with_mask", "n95")


def test_home_assistant_and_prometheus_hear_of_labels_of_ones_own(tmp_path: Path) -> None:
    room = small_room(tmp_path / "store")
    with room.store:
        camera = CameraState("door", "running", labels=(*LABELS, "face shield"), zones=room.states["door"].zones)
        room.camera_is(camera)
        parts = discovery_payload(Topics("maskinfer"), camera, picture=False)["cmps"]
        (key,) = [name for name in parts if name.startswith("now_face_shield")]
        assert parts[key]["name"] == "Face shield in view"
        template = Environment(autoescape=True).from_string(parts[key]["value_template"])
        payload = state_payload(replace(camera, faces={"face shield": 2}))
        assert payload["faces"] == {"with_mask": 0, "without_mask": 0, "incorrect_mask": 0, "face shield": 2} | {
            "uncertain": 0,
            "all": 2,
        }
        assert template.render(value_json=payload) == "2"
        figures = render(room).decode()
        assert 'maskinfer_visits_total{camera="door",label="face shield"} 0.0' in figures
        assert 'maskinfer_violations_total{camera="door",label="face shield",zone=""} 0.0' in figures

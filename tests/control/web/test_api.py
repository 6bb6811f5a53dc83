"""The HTTP API, as programs use it, held against its own description."""

from __future__ import annotations

import csv
import io
import json
import threading
from dataclasses import replace
from datetime import timedelta

import cv2
import httpx
import jsonschema
import numpy as np
import pytest

from maskinfer.control.publish.publishers import Publishers
from maskinfer.control.room.state import CameraState
from maskinfer.control.settings.receivers import WebhookSettings
from maskinfer.control.settings.types import PageSettings
from maskinfer.control.web.api.openapi import description
from maskinfer.control.web.app import make_app
from maskinfer.engine.drift.compare import Drift, Shift
from maskinfer.engine.results import FrameResult
from tests.control.web.conftest import CAMERA, Served, earlier
from tests.helpers.receiver import running_receiver
from tests.helpers.recorded_room import come, demo
from tests.helpers.waiting import wait_until


@pytest.fixture
def visited(served: Served) -> Served:
    """Three people came: with a mask, without, and one who took it off."""
    at = earlier(120)
    for number, (label, then) in enumerate(
        [("with_mask", None), ("without_mask", None), ("with_mask", "without_mask")], 1
    ):
        when = at + timedelta(seconds=number)
        come(served.store, demo(), CAMERA, when, label, number=number, zone="Hall", then=then, seconds=5, line="Door")
    served.store.flush()
    return served


def check(data: object, path: str, method: str = "get", status: str = "200") -> None:
    """Hold an answer against the description."""
    said = description()
    schema = said["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    jsonschema.validate(data, {**schema, "components": said["components"]})


def test_the_description_names_every_path_of_the_api(served: Served) -> None:
    said = {
        (path, method.upper()) for path, methods in description()["paths"].items() for method in methods
    }  # fmt: skip
    routes = {
        (route.path.replace(":path", ""), method)
        for route in make_app(served.room).routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD" and (route.path.startswith("/v1/") or (route.path, method) in said)  # type: ignore[attr-defined]
    }
    assert routes - {("/v1/openapi.json", "GET")} == said
    assert httpx.get(f"{served.url}v1/openapi.json").json() == json.loads(json.dumps(description()))


def test_cameras(visited: Served) -> None:
    found = httpx.get(f"{visited.url}v1/cameras").json()
    check(found, "/v1/cameras")
    assert [(camera["name"], camera["state"]) for camera in found["cameras"]] == [(CAMERA, "running")]


def test_a_camera_that_no_longer_looks_as_it_did(visited: Served) -> None:
    drift = Drift("moved", earlier(60), 240, (Shift("face_brightness", 0.9, 120.0, 40.0),))
    visited.room.states[CAMERA] = CameraState(CAMERA, "running", drift=drift)
    found = httpx.get(f"{visited.url}v1/cameras").json()
    check(found, "/v1/cameras")
    (camera,) = found["cameras"]
    assert camera["drift"]["state"] == "moved"
    assert camera["drift"]["shifts"] == [
        {"what": "face_brightness", "psi": 0.9, "before": 120.0, "now": 40.0, "which": None}
    ]
    assert "faces are darker (40 of 255, before 120)" in httpx.get(f"{visited.url}cameras").text
    answer = httpx.put(f"{visited.url}v1/cameras/reference", params={"camera": CAMERA}, json={})
    assert answer.status_code == 200
    check(answer.json(), "/v1/cameras/reference", "put")
    assert httpx.put(f"{visited.url}v1/cameras/reference", params={"camera": "no"}, json={}).status_code == 404


def test_zones_are_saved_and_what_cannot_be_is_told(visited: Served) -> None:
    url = f"{visited.url}v1/cameras/zones"
    zone = {"name": "Hall", "polygon": [[0, 0], [1, 0], [1, 1]], "allowed": ["with_mask"], "hold_s": 2}
    answer = httpx.put(url, params={"camera": CAMERA}, json={"zones": [zone], "lines": []})
    assert answer.status_code == 200
    check(answer.json(), "/v1/cameras/zones", "put")
    (saved,) = visited.room.settings.cameras[0].zones
    assert (saved.name, saved.polygon, saved.hold_s) == ("Hall", ((0, 0), (1, 0), (1, 1)), 2)
    for data, said in (
        ({"zones": [{**zone, "polygon": [[0, 0], [2, 0], [1, 1]]}]}, "zones[0].polygon[1][0] is 2"),
        ({"zones": [{**zone, "name": "<b>"}]}, "zones[0].name"),
        ({"zones": [{**zone, "color": 1}]}, "unknown field 'color'"),
        ({"zones": [zone, zone]}, "one name"),
        ([], "expected"),
    ):
        answer = httpx.put(url, params={"camera": CAMERA}, json=data)
        assert answer.status_code in (400, 422)
        assert said in answer.json()["error"]
    assert httpx.put(url, params={"camera": CAMERA}, content=b"{").status_code == 422
    assert httpx.put(url, params={"camera": "none"}, json={"zones": []}).status_code == 404
    assert visited.room.settings.cameras[0].zones == (saved,)


def test_visits_page_by_page_and_those_that_are_asked_for(visited: Served) -> None:
    url = f"{visited.url}v1/visits"
    first = httpx.get(url, params={"limit": 2}).json()
    check(first, "/v1/visits")
    second = httpx.get(url, params={"limit": 2, "before": first["before"]}).json()
    ids = [visit["id"] for visit in (*first["visits"], *second["visits"])]
    assert ids == [f"r1-{CAMERA}-{number}" for number in (3, 2, 1)]
    assert second["before"] is None
    assert len(httpx.get(url, params={"violations": 1}).json()["visits"]) == 2
    assert len(httpx.get(url, params={"label": "with_mask"}).json()["visits"]) == 1
    assert httpx.get(url, params={"camera": "another"}).json()["visits"] == []
    one = httpx.get(f"{url}/{ids[0]}").json()
    check(one, "/v1/visits/{id}")
    assert httpx.get(f"{visited.url}pictures/{one['pictures'][0]['id']}").headers["content-type"] == "image/jpeg"
    assert httpx.get(f"{url}/nobody").status_code == 404


@pytest.mark.parametrize(
    "asked", ["limit=0", "limit=x", "limit=9999999999", "label=red", "before=x", "day=2026-13-01", "from=2026-11-25T"]
)
def test_what_cannot_be_asked_for_is_told(served: Served, asked: str) -> None:
    answer = httpx.get(f"{served.url}v1/visits?{asked}")
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]


def test_the_report_as_json_and_csv(visited: Served) -> None:
    url = f"{visited.url}v1/report"
    report = httpx.get(url, params={"day": "today"}).json()
    check(report, "/v1/report")
    assert (report["people"], report["violations"]) == (3, 2)
    answer = httpx.get(url, params={"day": "today", "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="maskinfer-visits.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["label"] for row in rows] == ["with_mask", "without_mask", "without_mask"]
    page = httpx.get(url, params={"day": "today", "format": "html"})
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.text.count("data:image/jpeg;base64,") == 2
    assert httpx.get(url, params={"format": "pdf"}).status_code == 400


def test_events_since_one_and_as_a_stream(served: Served) -> None:
    url = f"{served.url}v1/events"
    heard: list[dict[str, object]] = []
    begun, ready = threading.Event(), threading.Event()

    def listen() -> None:
        with httpx.stream("GET", url, headers={"Accept": "text/event-stream"}, timeout=30) as answer:
            for line in answer.iter_lines():
                begun.set()
                if line.startswith("data: "):
                    heard.append(json.loads(line.removeprefix("data: ")))
                if len(heard) == 2:
                    ready.set()
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert begun.wait(30)
    come(served.store, demo(), CAMERA, earlier(), "without_mask", number=1)
    assert ready.wait(30)
    thread.join(30)
    assert [event["event"] for event in heard] == ["violation", "ended"]
    listed = httpx.get(url).json()
    check(listed, "/v1/events")
    assert listed["events"] == heard
    assert httpx.get(url, params={"after": heard[0]["id"]}).json()["events"] == heard[1:]
    assert httpx.get(url, params={"after": heard[1]["id"], "wait_s": 0.1}).json()["events"] == []
    with httpx.stream(
        "GET", url, headers={"Accept": "text/event-stream", "Last-Event-ID": str(heard[0]["id"])}, timeout=30
    ) as answer:
        line = next(line for line in answer.iter_lines() if line.startswith("id: "))
        assert line == f"id: {heard[1]['id']}"


def test_an_event_has_one_id_for_everybody_who_is_told(served: Served) -> None:
    with running_receiver() as receiver:
        settings = replace(served.room.settings, webhooks=(WebhookSettings(receiver.url),))
        told = Publishers(served.room, settings=settings)
        stop = served.store.listen(lambda stored, change: told.changed(change, stored))
        come(served.store, demo(), CAMERA, earlier(), "without_mask", number=1)
        served.store.flush()
        wait_until(lambda: len(receiver.got) == 2)
        stop()
        assert told.close() == []
    listed = httpx.get(f"{served.url}v1/events").json()["events"]
    assert [(record["id"], record["event"]) for record in receiver.got] == [
        (event["id"], event["event"]) for event in listed
    ]


def test_images_and_a_broken_one_among_them(served: Served) -> None:
    good = served.room.snapshot(CAMERA) or b""
    url = f"{served.url}v1/images"
    single = httpx.post(url, content=good, headers={"Content-Type": "image/jpeg"}, timeout=60)
    assert single.status_code == 200
    check(single.json(), "/v1/images", "post")
    (result,) = single.json()["results"]
    assert FrameResult.from_dict(result).counts() == {"without_mask": 1}
    files = [("a", ("door.jpg", good)), ("b", ("broken.jpg", b"no image")), ("c", ("../hall.jpg", good))]
    several = httpx.post(url, files=files, timeout=60).json()["results"]
    assert [result["source"] for result in several] == ["door.jpg", "broken.jpg", "../hall.jpg"]
    assert ["error" in result for result in several] == [False, True, False]
    lines = httpx.post(url, files=files, headers={"Accept": "application/x-ndjson"}, timeout=60).text.splitlines()
    assert [json.loads(line) for line in lines] == several
    broken = httpx.post(url, content=b"no image", headers={"Content-Type": "image/jpeg"})
    assert broken.status_code == 422
    assert httpx.post(url, content=good).status_code == 415
    assert httpx.post(url, files=[]).status_code == 415
    assert httpx.post(url, content=b"", headers={"Content-Type": "image/jpeg"}).status_code == 422
    served.room.settings = replace(served.room.settings, page=PageSettings(max_upload_mb=0.001))
    assert httpx.post(url, content=good, headers={"Content-Type": "image/jpeg"}).status_code == 413


def test_live_pictures_one_by_one_and_as_a_stream(served: Served) -> None:
    url = f"{served.url}live.jpg"
    first = httpx.get(url, params={"camera": CAMERA})
    after = httpx.get(url, params={"camera": CAMERA, "after": first.headers["X-Sequence"]})
    assert first.content[:2] == after.content[:2] == b"\xff\xd8"
    assert first.headers["X-Sequence"] != after.headers["X-Sequence"]
    assert httpx.get(url, params={"camera": "none"}).status_code == 404
    with httpx.stream("GET", f"{served.url}live.mjpeg", params={"camera": CAMERA}, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace; boundary=")
        data = b""
        for chunk in answer.iter_bytes():
            data += chunk
            if data.count(b"--maskinfer-frame") == 3:
                break


def pictures_in(data: bytes) -> list[tuple[str, int]]:
    """Return whose pictures an answer holds, and how wide they are; one that is not whole yet is left out."""
    found = []
    while b"\n" in data:
        line, _, rest = data.partition(b"\n")
        head = json.loads(line)
        if len(rest) < head["bytes"]:
            break
        jpeg, data = np.frombuffer(rest[: head["bytes"]], np.uint8), rest[head["bytes"] :]
        found.append((head["camera"], cv2.imdecode(jpeg, cv2.IMREAD_COLOR).shape[1]))
    return found


def test_the_pictures_of_all_cameras_come_in_one_answer(served: Served) -> None:
    for larges, width in (([], 480), ([CAMERA], 854)):
        data = b""
        with httpx.stream("GET", f"{served.url}live/pictures", params={"large": larges}, timeout=30) as answer:
            for chunk in answer.iter_bytes():
                data += chunk
                if len(found := pictures_in(data)) == 3:
                    break
        assert found == [(CAMERA, width)] * 3


def test_health_readiness_and_figures(visited: Served) -> None:
    assert httpx.get(f"{visited.url}healthz").json() == {"healthy": True}
    assert httpx.get(f"{visited.url}readyz").json() == {"ready": True}
    answer = httpx.get(f"{visited.url}metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "maskinfer_" in answer.text

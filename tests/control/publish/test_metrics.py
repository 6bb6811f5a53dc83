"""The figures, read by Prometheus's own parser, checker and server, and the dashboard's queries run on them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from maskinfer.control.publish.metrics import CONTENT_TYPE, render
from maskinfer.control.publish.metrics_server import open_metrics
from maskinfer.engine.drift.compare import Drift, Shift
from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import WITH_MASK, WITHOUT_MASK, Face, FrameResult
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.sinks.webhook_post import Answer
from tests.conftest import ROOT
from tests.helpers.small_room import SmallRoom, settings_for, small_room
from tests.helpers.visits_made import NOON, change, visit

parser = pytest.importorskip("prometheus_client.parser")
DEPLOY = ROOT / "deploy"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SmallRoom]:
    made = small_room(tmp_path / "store", settings_for('door "1"', "yard", zones=("desk",)))
    name = 'door "1"'
    face = Face((0, 0, 9, 9), 0.9, None, WITHOUT_MASK, 0.9, {WITHOUT_MASK: 0.9, WITH_MASK: 0.1})
    for age_s in (0.02, 0.3, 60.0):
        made.tally.frame(name, FrameResult(name, 0, 0.0, (160, 120), (face, face)), age_s)
        made.tally.batch(age_s / 2)
    made.tally.fed(name, dropped=7, returns=2)
    made.tally.fed(name, dropped=9, returns=2)
    made.tally.fed(name, dropped=1, returns=0)  # the feed began anew
    wrong = visit(1, WITHOUT_MASK, camera=name, zones=("desk",))
    made.happen(change(wrong, "violation"), change(wrong), change(visit(2, WITH_MASK, camera=name, zones=("desk",))))
    seen = {WITHOUT_MASK: 2}
    made.states[name] = replace(made.states[name], fps=12.5, age_s=0.5, faces=seen, zone_faces={"desk": seen})
    drift = Drift("moved", NOON, 200, (Shift("place", 0.7, 0.1, 0.8, "lower left"),))
    made.states["yard"] = replace(made.states["yard"], state="lost", drift=drift)
    box = Outbox("http://desk", lambda record: Answer(None), tmp_path / "q.sqlite", timeout_s=1)
    box.post({"n": 1})
    made.outboxes["http://desk"] = box
    yield made
    box.close(0)
    made.store.close()


def read(room: SmallRoom) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = parser.text_string_to_metric_families(render(room).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_every_figure_is_there(room: SmallRoom) -> None:
    found = read(room)

    def value(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

    door = {"camera": 'door "1"'}
    assert value("maskinfer_frames_total", **door) == 3
    assert value("maskinfer_faces_total", **door, label=WITHOUT_MASK) == 6
    assert value("maskinfer_frames_dropped_total", **door) == 10
    assert value("maskinfer_reconnections_total", **door) == 2
    assert value("maskinfer_visits_total", **door, label=WITHOUT_MASK) == 1
    assert value("maskinfer_visits_total", **door, label=WITH_MASK) == 1
    assert value("maskinfer_violations_total", **door, zone="desk", label=WITHOUT_MASK) == 1
    # From 0 on, so that the first one is an increase.
    assert value("maskinfer_violations_total", camera="yard", zone="desk", label=WITHOUT_MASK) == 0
    assert value("maskinfer_visits_total", camera="yard", label=WITH_MASK) == 0
    assert value("maskinfer_result_age_seconds_bucket", **door, le="0.5") == 2
    assert value("maskinfer_result_age_seconds_bucket", **door, le="+Inf") == 3
    assert value("maskinfer_result_age_seconds_sum", **door) == pytest.approx(60.32)
    assert value("maskinfer_model_seconds_count") == 3
    assert value("maskinfer_camera_state", **door, state="running") == 1
    assert value("maskinfer_camera_state", camera="yard", state="lost") == 1
    assert value("maskinfer_camera_state", camera="yard", state="running") == 0
    assert value("maskinfer_zone_faces_now", **door, zone="desk", label=WITHOUT_MASK) == 2
    assert value("maskinfer_last_frame_time_seconds", **door) == pytest.approx(time.time() - 0.5, abs=5)
    assert value("maskinfer_camera_drift_psi", camera="yard", what="place") == pytest.approx(0.7)
    assert value("maskinfer_camera_drift_psi", camera="yard", what="label") == 0
    assert ("maskinfer_camera_drift_psi", (("camera", 'door "1"'), ("what", "label"))) not in found
    assert value("maskinfer_outbox_waiting", receiver="http://desk") == 1
    assert value("maskinfer_store_entries", kind="visits") == 2
    assert value("maskinfer_disk_free_bytes") > 0
    assert not any("rtsp" in str(key) for key in found)


def test_an_address_of_their_own_shows_the_figures_and_nothing_else(room: SmallRoom) -> None:
    with open_metrics(room, "127.0.0.1:0") as url:
        with urlopen(url, timeout=10) as answer:
            assert b'maskinfer_frames_total{camera="door \\"1\\""} 3.0' in answer.read()
        taken = url.removeprefix("http://").removesuffix("/metrics")
        with pytest.raises(RequestError, match="cannot show figures at"), open_metrics(room, taken):
            pass
    with pytest.raises(OSError, match="refused"):
        urlopen(url, timeout=10)


def test_prometheus_finds_no_fault_with_the_text(room: SmallRoom) -> None:
    tool = needed("promtool")
    done = subprocess.run([tool, "check", "metrics"], input=render(room), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_store_that_is_broken_hides_no_other_figure(room: SmallRoom) -> None:
    for file in room.store.folder.glob("*.sqlite*"):
        file.unlink()
    names = {name for name, _ in read(room)}
    assert "maskinfer_frames_total" in names
    assert "maskinfer_store_bytes" not in names


def test_rules_and_configuration_are_valid() -> None:
    tool = needed("promtool")
    for kind, file in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        done = subprocess.run(
            [tool, "check", kind, str(DEPLOY / "prometheus" / file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_of_the_dashboard_and_the_alerts_finds_something(room: SmallRoom, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    with scraped(room, tmp_path) as base:
        for title, query in dashboard_queries():
            answer = asked(base, query)
            assert answer["status"] == "success", (title, answer)
            assert answer["data"]["result"], f"{title} finds nothing: {query}"
        rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
        for rule in rules:  # what they are about is there, whether or not it is bad now
            compared = re.sub(r"(==|>|<) *[\d.e]+ *$", "", rule["expr"])
            assert asked(base, compared)["data"]["result"], rule["alert"]
        assert asked(base, "max(maskinfer_camera_state{state='lost'})")["data"]["result"][0]["value"][1] == "1"


def test_panels_do_not_overlap_and_have_names_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


def dashboard() -> dict[str, Any]:
    made: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "maskinfer.json").read_text())
    return made


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Every query, with Grafana's variables filled in as it would."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "24h")
            query = query.replace("$camera", ".*")
            assert "$" not in query
            yield panel["title"], query


def asked(base: str, query: str) -> dict[str, Any]:
    with urlopen(f"{base}/api/v1/query?{urlencode({'query': query})}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@contextmanager
def scraped(room: SmallRoom, folder: Path) -> Iterator[str]:
    """Run a real Prometheus by the configuration of deploy/ until it has asked the room three times."""
    tool = needed("prometheus")
    with served(room) as target:
        text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        assert "maskinfer:9600" in text
        text = text.replace("maskinfer:9600", target).replace("15s", "300ms")
        (folder / "prometheus.yml").write_text(text)
        shutil.copy(DEPLOY / "prometheus" / "alerts.yml", folder)
        port = free_port()
        command = [tool, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
            try:
                base = f"http://127.0.0.1:{port}"
                wait_for_samples(base, running)
                yield base
            finally:
                running.terminate()
                running.communicate(timeout=20)


def wait_for_samples(base: str, running: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert running.poll() is None, running.communicate()
        try:
            found = asked(base, "count_over_time(maskinfer_model_seconds_count[1m])")["data"]["result"]
        except OSError:
            found = []
        if found and int(found[0]["value"][1]) >= 3:
            return
        time.sleep(0.1)
    pytest.fail("Prometheus read no figures in 30 seconds")


@contextmanager
def served(room: SmallRoom) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = render(room)
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: it is in Debian's package prometheus")
    return found

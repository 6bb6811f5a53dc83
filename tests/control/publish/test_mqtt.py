"""MQTT by a real broker: what is retained, what comes once, what survives, and who may speak."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from maskinfer.control.publish import mqtt, mqtt_client
from maskinfer.control.publish.mqtt import Mqtt
from maskinfer.control.publish.records import CameraNews, Newest, visit_record
from maskinfer.control.settings.receivers import MqttSettings
from maskinfer.control.settings.types import ZoneSettings
from maskinfer.control.store.questions import VisitQuery
from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import INCORRECT_MASK, WITH_MASK, WITHOUT_MASK
from maskinfer.engine.sinks import outbox
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.visits.visit import Visit
from tests.conftest import ROOT
from tests.helpers.broker import Broker, Listener, listening, running_broker
from tests.helpers.small_room import SQUARE, SmallRoom, settings_for, small_room
from tests.helpers.visits_made import after, change, picture, visit
from tests.helpers.waiting import wait_until

pytest.importorskip("paho.mqtt.client")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(mqtt, "_TURN_S", 0.05)
    monkeypatch.setattr(mqtt_client, "_PAUSES_S", (1, 1))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path) as running:
        yield running


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    with listening(broker) as there:
        yield there


@pytest.fixture
def room(tmp_path: Path) -> Iterator[SmallRoom]:
    made = small_room(tmp_path / "store", settings_for("Tür 1", "yard", zones=("front desk",)))
    yield made
    made.store.close()


Open = Callable[..., Mqtt]


@pytest.fixture
def open_mqtt(room: SmallRoom, broker: Broker, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(said: list[str] | None = None, **wanted: Any) -> Mqtt:
            settings = MqttSettings(**{"host": "127.0.0.1", "port": broker.port, **wanted})
            told = [] if said is None else said
            made = Mqtt(settings, room, tmp_path / "queue" / "mqtt.sqlite", on_status=told.append)
            stack.callback(made.close, 0.0)
            room.publishers.append(made)
            for state in room.cameras():
                made.camera(state)
            return made

        yield opened


def of_today(made: Visit) -> Visit:
    now = local_now()
    return replace(made, first_at=now, last_at=now)


def test_whoever_subscribes_has_states_and_counts_at_once(open_mqtt: Open, room: SmallRoom, broker: Broker) -> None:
    open_mqtt()
    wrong = of_today(visit(1, WITHOUT_MASK, camera="Tür 1", zones=("front desk",)))
    room.happen(change(wrong, "violation"), change(wrong), change(of_today(visit(2, WITH_MASK, camera="Tür 1"))))
    faces = {WITHOUT_MASK: 2, WITH_MASK: 1}
    state = replace(room.states["Tür 1"], fps=12.34, faces=faces, zone_faces={"front desk": {WITHOUT_MASK: 1}})
    room.camera_is(state)
    with listening(broker) as late:
        wait_until(lambda: b'"people":2' in late.latest.get("maskinfer/Tür 1/today", b""))
        wait_until(lambda: b'"all":3' in late.latest.get("maskinfer/Tür 1/state", b""))
        wait_until(lambda: "maskinfer/yard/state" in late.latest)
        now, today = late.json("maskinfer/Tür 1/state"), late.json("maskinfer/Tür 1/today")
        assert late.latest["maskinfer/status"] == b"online"
    assert (now["state"], now["mode"], now["paused"], now["fps"]) == ("running", "auto", "OFF", 12.3)
    assert now["faces"] == {"all": 3, WITHOUT_MASK: 2, WITH_MASK: 1, INCORRECT_MASK: 0, "uncertain": 0}
    assert now["zones"]["front desk"][WITHOUT_MASK] == 1
    assert (today["people"], today[WITHOUT_MASK], today["violations"]) == (2, 1, 1)
    assert today["zones"]["front desk"]["violations"] == 1
    assert today["day"] == local_now().date().isoformat()


def test_home_assistant_finds_a_device_for_each_camera(open_mqtt: Open, room: SmallRoom, listener: Listener) -> None:
    jinja2 = pytest.importorskip("jinja2")
    open_mqtt(picture="clear")
    wait_until(lambda: len([topic for topic in listener.latest if topic.endswith("/config")]) == 2)
    wait_until(lambda: {"maskinfer/Tür 1/today", "maskinfer/Tür 1/state"} <= set(listener.latest))
    configs = {topic: json.loads(data) for topic, data in listener.latest.items() if topic.endswith("/config")}
    for topic, config in configs.items():
        prefix, device, node, last = topic.split("/")
        assert (prefix, device, last) == ("homeassistant", "device", "config")
        assert node.replace("_", "").isalnum()
        assert node.isascii()
        assert config["dev"]["ids"] == [node]
        assert config["o"]["name"] == "maskinfer"
        assert listener.latest[config["availability_topic"]] == b"online"
    ids = [one["unique_id"] for config in configs.values() for one in config["cmps"].values()]
    assert len(set(ids)) == len(ids)
    (mine,) = (config for config in configs.values() if config["dev"]["name"] == "Tür 1")
    assert {one["platform"] for one in mine["cmps"].values()} == {
        *("sensor", "binary_sensor", "select", "switch", "event", "image")
    }
    # Every template gives a value of what its topic holds, as Home Assistant computes it.
    room.happen(change(visit(1, WITHOUT_MASK, camera="Tür 1"), "violation"))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    for key, one in mine["cmps"].items():
        if key in ("event", "picture"):
            continue
        value = environment.from_string(one["value_template"]).render(value_json=listener.json(one["state_topic"]))
        expected = {"state": "running", "mode": "auto", "wrong": "OFF", "paused": "OFF"}.get(key)
        assert value == expected if expected else float(value) >= 0, key
    event = environment.from_string(mine["cmps"]["event"]["value_template"])
    shown = json.loads(event.render(value_json={"event": "violation", "camera": "Tür 1"}))
    assert shown["event_type"] in mine["cmps"]["event"]["event_types"]


def test_a_zone_that_is_drawn_is_found_too(open_mqtt: Open, room: SmallRoom, listener: Listener) -> None:
    open_mqtt()
    wait_until(lambda: "maskinfer/yard/state" in listener.latest)
    room.save_zones("yard", [ZoneSettings("stairs", SQUARE)], [])
    (topic,) = (one for one in listener.latest if one.endswith("_yard/config"))
    wait_until(lambda: "zone_stairs_all" in listener.json(topic)["cmps"])
    wait_until(lambda: listener.json("maskinfer/yard/state")["zones"].keys() == {"stairs"})


def test_a_camera_that_is_gone_is_forgotten_and_others_are_left_alone(
    open_mqtt: Open, broker: Broker, listener: Listener
) -> None:
    ours = {"availability_topic": "maskinfer/status"}
    theirs = {"availability_topic": "other/status"}
    listener.publish("homeassistant/device/maskinfer_old/config", json.dumps(ours), retain=True)
    listener.publish("homeassistant/device/maskinfer_2_x/config", json.dumps(theirs), retain=True)
    listener.publish("homeassistant/device/odd/config", "[1]", retain=True)
    listener.publish("maskinfer/old/state", "{}", retain=True)
    open_mqtt()
    wait_until(lambda: listener.latest["homeassistant/device/maskinfer_old/config"] == b"")
    wait_until(lambda: listener.latest["maskinfer/old/state"] == b"")
    wait_until(lambda: "maskinfer/yard/state" in listener.latest)
    with listening(broker) as late:
        wait_until(lambda: "maskinfer/yard/state" in late.latest)
        assert json.loads(late.latest["homeassistant/device/maskinfer_2_x/config"]) == theirs
        assert "homeassistant/device/odd/config" in late.latest
        assert "maskinfer/old/state" not in late.latest


def test_who_wants_no_discovery_gets_none(open_mqtt: Open, listener: Listener) -> None:
    open_mqtt(discovery=False, topic="site/7")
    wait_until(lambda: "site/7/yard/state" in listener.latest)
    assert [topic for topic in listener.latest if topic.startswith("homeassistant")] == []


def test_home_assistant_that_begins_later_is_told_anew(open_mqtt: Open, listener: Listener) -> None:
    open_mqtt()
    wait_until(lambda: "maskinfer/yard/today" in listener.latest)
    listener.got.clear()
    listener.publish("homeassistant/status", "online")
    wait_until(lambda: sum(topic.endswith("/config") for topic, _ in listener.got) == 2)
    wait_until(lambda: "maskinfer/yard/state" in [topic for topic, _ in listener.got])


def test_commands_pause_a_camera_and_change_its_mode(open_mqtt: Open, room: SmallRoom, listener: Listener) -> None:
    told: list[str] = []
    open_mqtt(told)
    wait_until(lambda: "maskinfer/yard/state" in listener.latest)
    for topic, payload, mode in (
        ("paused", "ON", "paused"),
        ("paused", "OFF", "auto"),
        ("mode", "always", "always"),
        ("mode", "paused", "paused"),
    ):
        listener.publish(f"maskinfer/yard/{topic}/set", payload)
        wait_until(lambda mode=mode: room.states["yard"].mode == mode)
        wait_until(lambda mode=mode: listener.json("maskinfer/yard/state")["mode"] == mode)
    assert listener.json("maskinfer/yard/state")["state"] == "paused"
    assert room.states["Tür 1"].mode == "auto"
    assert told == []


def test_commands_that_make_no_sense_change_nothing_and_are_told(
    open_mqtt: Open, room: SmallRoom, listener: Listener
) -> None:
    told: list[str] = []
    listener.publish("maskinfer/yard/mode/set", "paused", retain=True)  # of long ago
    open_mqtt(told)
    wait_until(lambda: "maskinfer/yard/state" in listener.latest)
    for topic, payload in (
        ("maskinfer/yard/mode/set", b"\xff\x1b[2J" + b"x" * 1000),
        ("maskinfer/yard/paused/set", b"1"),
        ("maskinfer/attic/mode/set", b"paused"),
        ("maskinfer/yard/mode/set", b""),
    ):
        listener.publish(topic, payload)
    wait_until(lambda: len(told) == 4)
    assert {camera.mode for camera in room.cameras()} == {"auto"}
    assert "expected auto, always, paused" in told[0]
    assert "expected ON or OFF" in told[1]
    assert "there is no camera 'attic'" in told[2]
    assert all(line.isprintable() and len(line) < 250 for line in told)


def test_each_event_comes_once_though_the_broker_dies_and_comes_back(
    open_mqtt: Open, room: SmallRoom, broker: Broker, listener: Listener
) -> None:
    told: list[str] = []
    made, newest = open_mqtt(told), Newest()
    room.store.listen(lambda stored, changed: made.tell(visit_record(changed, stored, newest)))
    sent = 0

    def happen(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            sent += 1
            room.happen(change(visit(sent, camera="yard")))

    def ids() -> list[str]:
        return [event["visit"]["id"] for event in listener.payloads("maskinfer/yard/event")]

    happen(3)
    wait_until(lambda: len(ids()) == 3)
    broker.kill()
    happen(4)
    wait_until(lambda: any("is lost" in line for line in told))
    broker.start()
    wait_until(lambda: any("is there again" in line for line in told))
    happen(3)
    # The listener came back at its own time; what the broker took meanwhile nobody kept.
    wait_until(lambda: made.outbox.waiting == 0)
    assert made.outbox.delivered == 10
    wait_until(lambda: "maskinfer/yard/state" in listener.latest)
    assert len(set(ids())) == len(ids())
    assert ids() == sorted(ids(), key=lambda one: int(one.rpartition("-")[2]))
    # What was retained is there again too.
    with listening(broker) as late:
        wait_until(lambda: {"maskinfer/status", "maskinfer/yard/state", "maskinfer/yard/today"} <= set(late.latest))


def test_events_of_a_run_without_broker_come_with_the_next_one(
    open_mqtt: Open, room: SmallRoom, broker: Broker, listener: Listener
) -> None:
    broker.kill()
    told: list[str] = []
    first, newest = open_mqtt(told), Newest()
    room.happen(change(visit(1, camera="yard")))
    (stored,) = room.store.visits(VisitQuery())
    record = visit_record(change(visit(1, camera="yard")), stored, newest)
    first.tell(record)
    wait_until(lambda: any("cannot be reached" in line for line in told))
    (said,) = first.close()
    assert "1 wait on disk for the next run" in said
    room.publishers.clear()
    broker.start()
    second = open_mqtt()
    wait_until(lambda: second.outbox.delivered == 1)
    wait_until(lambda: second.outbox.waiting == 0)


def test_the_record_of_an_event_says_what_is_new(room: SmallRoom) -> None:
    newest, records = Newest(), []
    room.store.listen(lambda stored, changed: records.append(visit_record(changed, stored, newest)))
    two = visit(1, WITHOUT_MASK, camera="yard", zones=("a", "b"), ended=None)
    room.happen(
        change(replace(two, violations=()), "began"), change(two, "violation"), change(two, "violation"), change(two)
    )
    assert [record.get("violation", {}).get("zone") for record in records] == [None, "a", "b", None]
    assert [record["event"] for record in records] == ["began", "violation", "violation", "ended"]
    assert len({record["id"] for record in records}) == 4
    news = CameraNews(lambda: after(0))
    states = [replace(room.states["yard"], state=state) for state in ("running", "running", "lost")]
    assert [bool(news.record(state)) for state in states] == [True, False, True]


@pytest.mark.parametrize("how", ["none", "blurred", "clear"])
def test_the_picture_of_a_violation_is_as_clear_as_the_settings_say(
    open_mqtt: Open, room: SmallRoom, listener: Listener, how: str
) -> None:
    open_mqtt(picture=how)
    wait_until(lambda: "maskinfer/yard/state" in listener.latest)
    best = picture(WITHOUT_MASK)
    room.happen(change(visit(1, WITHOUT_MASK, camera="yard"), "violation", best))
    topic = "maskinfer/yard/picture"
    if how == "none":
        wait_until(lambda: len(listener.payloads("maskinfer/yard/today")) > 0)
        assert topic not in listener.latest
        return
    wait_until(lambda: topic in listener.latest)
    shown = cv2.imdecode(np.frombuffer(listener.latest[topic], np.uint8), cv2.IMREAD_COLOR)
    detail = float(np.abs(np.diff(shown.astype(int), axis=1)).mean())
    assert detail > 20 if how == "clear" else detail < 5


def test_a_watch_that_is_killed_is_said_to_be_offline(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from maskinfer.control.publish.mqtt import Mqtt\n"
        "from maskinfer.control.settings.types import MqttSettings\n"
        "from tests.helpers.small_room import small_room\n"
        "folder = Path(sys.argv[1]); room = small_room(folder / 'other')\n"
        "mqtt = Mqtt(MqttSettings('127.0.0.1', int(sys.argv[2])), room, folder / 'q.sqlite', on_status=print)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(broker.port)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as running:
        try:
            wait_until(lambda: listener.latest.get("maskinfer/status") == b"online")
        finally:
            running.send_signal(signal.SIGKILL)
    wait_until(lambda: listener.latest["maskinfer/status"] == b"offline")


def test_a_watch_that_ends_says_so(open_mqtt: Open, listener: Listener) -> None:
    made = open_mqtt()
    wait_until(lambda: listener.latest.get("maskinfer/status") == b"online")
    assert made.close() == []
    wait_until(lambda: listener.latest["maskinfer/status"] == b"offline")


def test_one_that_ends_after_another_began_does_not_say_that_nobody_watches(
    open_mqtt: Open, listener: Listener
) -> None:
    first = open_mqtt()
    wait_until(lambda: listener.latest.get("maskinfer/status") == b"online")
    open_mqtt()
    wait_until(lambda: listener.got.count(("maskinfer/status", b"online")) == 2)
    first.close()
    wait_until(lambda: ("maskinfer/status", b"offline") in listener.got)
    wait_until(lambda: listener.latest["maskinfer/status"] == b"online")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run([program, *arguments], cwd=folder, check=True, capture_output=True)

    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    for name in ("ca", "other"):
        new = ("req", "-x509", *ec, "-nodes", "-days", "2", "-subj", f"/CN={name}")
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.crt")
    for name in ("broker", "watch"):
        openssl("req", *ec, "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", "csr")
        (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext")
        openssl("x509", "-req", "-in", "csr", *signed, "-out", f"{name}.crt")
    return folder


# Of a handshake that failed, paho leaves the socket to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_tls_and_passwords_are_asked_for_and_told(room: SmallRoom, certificates: Path, tmp_path: Path) -> None:
    there = certificates
    (tmp_path / "users").write_text("watch:hunter22\n")
    subprocess.run(["mosquitto_passwd", "-U", str(tmp_path / "users")], check=True)
    (tmp_path / "secret").write_text("hunter22\n")
    options = [f"cafile {there / 'ca.crt'}", f"certfile {there / 'broker.crt'}", f"keyfile {there / 'broker.key'}"]
    options += ["require_certificate true", f"password_file {tmp_path / 'users'}", "allow_anonymous false"]
    base = {"host": "127.0.0.1", "tls": True, "username": "watch", "ca_file": str(there / "ca.crt")}
    mine = {"cert_file": str(there / "watch.crt"), "key_file": str(there / "watch.key")}
    with running_broker(tmp_path, *options) as broker:
        for wrong, expected in (
            ({**mine, "password": "wrong"}, "Not authorized"),
            ({**mine, "password_file": str(tmp_path / "secret"), "ca_file": str(there / "other.crt")}, "not valid"),
        ):
            told: list[str] = []
            settings = MqttSettings(**{**base, **wrong, "port": broker.port})
            made = Mqtt(settings, room, tmp_path / "q.sqlite", on_status=told.append)
            wait_until(lambda told=told, expected=expected: any(expected in line for line in told), expected)
            made.close()
            assert not any("hunter22" in line or "wrong" in line for line in told)
        right = MqttSettings(**{**base, **mine, "password_file": str(tmp_path / "secret"), "port": broker.port})
        made = Mqtt(right, room, tmp_path / "q.sqlite", on_status=print)

        def as_watch(client: Any) -> None:
            client.username_pw_set("watch", "hunter22")
            client.tls_set(str(there / "ca.crt"), str(there / "watch.crt"), str(there / "watch.key"))

        with listening(broker, as_watch) as listener:
            wait_until(lambda: listener.latest.get("maskinfer/status") == b"online")
        made.close()
    assert "hunter22" not in repr(MqttSettings("a", password="hunter22"))


@pytest.mark.parametrize("wrong", [{"ca_file": "no.crt"}, {"password_file": "no"}, {"cert_file": __file__}])
def test_files_that_cannot_be_used_are_named_at_the_start(
    room: SmallRoom, tmp_path: Path, wrong: dict[str, str]
) -> None:
    settings = MqttSettings(host="127.0.0.1", tls=True, username="x", **wrong)  # type: ignore[arg-type]
    with pytest.raises(RequestError):
        Mqtt(settings, room, tmp_path / "q.sqlite")

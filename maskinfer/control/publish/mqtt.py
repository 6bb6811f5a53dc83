"""Cameras, counts and events for an MQTT broker, and commands from it. The watch never waits for the broker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from maskinfer.control.publish.home_assistant import discovery_payload, discovery_topic
from maskinfer.control.publish.mqtt_client import Events, new_client, reason_of
from maskinfer.control.publish.pictures import picture_for
from maskinfer.control.publish.records import Record
from maskinfer.control.publish.topics import OFFLINE, ONLINE, Topics, changes_at_once, state_payload, today_payload
from maskinfer.control.room.state import CameraMode, CameraState, Room
from maskinfer.control.settings.receivers import MqttSettings
from maskinfer.control.settings.types import ZoneSettings
from maskinfer.control.store.questions import StoredVisit, VisitQuery
from maskinfer.engine.errors import MaskinferError, printable
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.visits.visit import VisitChange

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_TURN_S = 1.0
# Frame rates are told this often, and counts of the day are made anew.
_REFRESH_S = 30.0
# For so long after connecting, what an earlier run left at the broker is looked for.
_TIDY_S = 5.0
_EVENT_S = 10.0


@dataclass(slots=True)
class _Told:
    """What was told of a camera last."""

    state: dict[str, Any] | None = None
    state_s: float = float("-inf")
    today: dict[str, Any] | None = None
    today_s: float = float("-inf")
    # That Home Assistant knows of:
    zones: tuple[ZoneSettings, ...] | None = None
    labels: tuple[str, ...] = ()


class Mqtt:
    """A broker that is told what happens; see ``Publisher``.

    States and counts are retained, so that whoever subscribes has them at once, and told anew after a lost connection.
    Events are sent with quality of service 1, each until the broker has taken it: they wait in a file meanwhile.

    Args:
        settings: where the broker is, and what it is told.
        room: that is watched, and gets the commands.
        file: that events wait in.
        time_zone: whose days are counted; None for this machine's.
        on_status: called with a line when the broker is lost or back, and for commands that cannot be done.

    Attributes:
        outbox: of the events.

    Raises:
        RequestError: a certificate or a password cannot be read.
        MissingExtraError: paho-mqtt is not installed.
    """

    def __init__(
        self,
        settings: MqttSettings,
        room: Room,
        file: Path,
        *,
        time_zone: tzinfo | None = None,
        on_status: Callable[[str], None] = SILENT.say,
    ) -> None:
        self._settings, self._room, self._zone, self._on_status = settings, room, time_zone, on_status
        self.topics = Topics(settings.topic)
        self.name = f"mqtt://{settings.host}:{settings.port or (8883 if settings.tls else 1883)}"
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._states: dict[str, CameraState] = {}
        self._stale: set[str] = set()  # cameras whose counts have changed
        self._pictures: dict[str, bytes] = {}
        self._told: dict[str, _Told] = {}
        self._is_connected = self._is_over = False
        self._tidies_until_s: float | None = None
        self._said = ""
        self._client = new_client(settings, self.topics.status)
        self._client.on_connect, self._client.on_disconnect = self._on_connect, self._on_disconnect
        self._client.on_connect_fail, self._client.on_message = self._on_connect_fail, self._on_message
        self.outbox = Outbox(
            self.name, Events(self._client, self.topics, _EVENT_S), file, timeout_s=_EVENT_S, on_status=on_status
        )
        self._client.connect_async(settings.host, settings.port or (8883 if settings.tls else 1883), keepalive=20)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def tell(self, record: Record) -> None:
        """Send an event, see ``records``."""
        self.outbox.post(record)

    def changed(self, change: VisitChange, stored: StoredVisit) -> None:
        """Count a visit anew, and keep the picture of a violation to be sent."""
        picture = None
        if change.kind == "violation" and change.picture is not None:
            picture = picture_for(self._settings.picture, change.picture)
        with self._lock:
            self._stale.add(change.visit.camera)
            if picture is not None:
                self._pictures[change.visit.camera] = picture
        self._wake.set()

    def camera(self, state: CameraState) -> None:
        """Tell how a camera is now."""
        with self._lock:
            self._states[state.name] = state
        self._wake.set()

    def close(self, linger_s: float = 3.0) -> list[str]:
        """Send what waits, say that nobody watches any more, and return a line for what was not sent."""
        if self._is_over:
            return []
        said = self.outbox.close(linger_s if self._is_connected else 0.0)
        self._is_over = True
        self._wake.set()
        self._thread.join()
        if self._is_connected:
            last = self._client.publish(self.topics.status, OFFLINE, qos=1, retain=True)
            with suppress(ValueError, RuntimeError):  # the connection was lost at this moment
                last.wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()
        # The client closes its last sockets when nothing refers to it any more: a circle would leave them open.
        self._client.on_connect = self._client.on_disconnect = None
        self._client.on_connect_fail = self._client.on_message = None
        return said

    # What follows runs on the thread of this class.

    def _run(self) -> None:
        while not self._is_over:
            self._wake.wait(_TURN_S)
            self._wake.clear()
            if self._is_connected:
                try:
                    self._publish()
                except MaskinferError as error:  # the store is broken: the next turn tries again
                    self._say(str(error))

    def _publish(self) -> None:
        with self._lock:
            states, stale, pictures = dict(self._states), self._stale, self._pictures
            self._stale, self._pictures = set(), {}
        for name, state in states.items():
            told = self._told.setdefault(name, _Told())
            self._publish_discovery(state, told)
            self._publish_state(state, told)
            self._publish_today(state, told, is_stale=name in stale)
        for name, data in pictures.items():
            self._client.publish(self.topics.picture(name), data, retain=True)
        self._stop_tidying()

    def _publish_discovery(self, camera: CameraState, told: _Told) -> None:
        if not self._settings.discovery or (told.zones, told.labels) == (camera.zones, camera.labels):
            return
        topic = discovery_topic(self._settings.discovery_prefix, self.topics, camera.name)
        payload = discovery_payload(self.topics, camera, picture=self._settings.picture != "none")
        self._client.publish(topic, _json(payload), qos=1, retain=True)
        told.zones, told.labels = camera.zones, camera.labels

    def _publish_state(self, camera: CameraState, told: _Told) -> None:
        payload, now_s = state_payload(camera), time.monotonic()
        is_news = told.state is None or changes_at_once(payload) != changes_at_once(told.state)
        if is_news or (now_s - told.state_s >= _REFRESH_S and payload != told.state):
            self._client.publish(self.topics.state(camera.name), _json(payload), retain=True)
            told.state, told.state_s = payload, now_s

    def _publish_today(self, camera: CameraState, told: _Told, *, is_stale: bool) -> None:
        now_s = time.monotonic()
        if not is_stale and now_s - told.today_s < _REFRESH_S:
            return
        now = local_now() if self._zone is None else datetime.now(self._zone)
        begin = now.replace(hour=0, minute=0, second=0, microsecond=0)
        where = VisitQuery(begin, begin + timedelta(days=1), camera.name, time_zone=self._zone)
        counts = self._room.store.counts
        zones = [zone.name for zone in camera.zones]
        payload = today_payload(
            begin.date().isoformat(),
            zones,
            counts(where, "label"),
            counts(where, "zone") if zones else (),
            camera.labels,
        )
        told.today_s = now_s
        if payload != told.today:
            self._client.publish(self.topics.today(camera.name), _json(payload), retain=True)
            told.today = payload

    def _stop_tidying(self) -> None:
        if self._tidies_until_s is not None and time.monotonic() >= self._tidies_until_s:
            self._tidies_until_s = None
            self._client.unsubscribe(self._left_behind())

    def _left_behind(self) -> list[str]:
        """Return the topics at which an earlier run may have left cameras that are gone."""
        found = [self.topics.state("+")]
        return [*found, f"{self._settings.discovery_prefix}/device/+/config"] if self._settings.discovery else found

    # What follows runs on the client's thread.

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._say(f"{self.name} refuses the connection, which is tried again: {reason}")
            return
        if self._said:
            self._on_status(f"{self.name} is there again")
        self._said = ""
        client.publish(self.topics.status, ONLINE, qos=1, retain=True)
        commands = [self.topics.set_mode("+"), self.topics.set_paused("+"), self.topics.status]
        birth = [f"{self._settings.discovery_prefix}/status"] if self._settings.discovery else []
        client.subscribe([(topic, 1) for topic in (*commands, *birth)])
        client.subscribe([(topic, 0) for topic in self._left_behind()])
        self._tidies_until_s = time.monotonic() + _TIDY_S
        self._tell_all()
        self._is_connected = True

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        was, self._is_connected = self._is_connected, False
        if was and not self._is_over:
            self._say(f"{self.name} is lost, and is tried again: {reason}")

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        self._say(f"{self.name} cannot be reached, and is tried again{reason_of()}")

    def _tell_all(self) -> None:
        """Let everything be told anew."""
        with self._lock:
            self._told = {}
        self._wake.set()

    def _say(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self._on_status(line)

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        command = self.topics.command(message.topic)
        if command is not None:
            self._do(*command, message.payload.decode("utf-8", "replace"), is_old=message.retain)
        elif message.topic == self.topics.status:
            # Said by one that ends after this one began, as with new settings, or by an earlier run's last will.
            if message.payload != ONLINE.encode() and not self._is_over:
                client.publish(self.topics.status, ONLINE, qos=1, retain=True)
        elif message.topic == f"{self._settings.discovery_prefix}/status":
            if message.payload == ONLINE.encode():
                self._tell_all()  # Home Assistant has begun
        elif message.retain and message.payload:
            self._tidy(client, message)

    def _do(self, camera: str, kind: str, wanted: str, *, is_old: bool) -> None:
        if is_old:  # it was meant for whoever listened then
            return
        mode: Any = {"ON": "paused", "OFF": "auto"}.get(wanted) if kind == "paused" else wanted
        if mode not in get_args(CameraMode):
            known = "ON or OFF" if kind == "paused" else ", ".join(get_args(CameraMode))
            self._on_status(
                printable(f"{self.name} asks for {kind} {wanted!r:.40} of {camera!r:.70}: expected {known}")
            )
            return
        try:
            self._room.set_mode(camera, mode)
        except MaskinferError as error:
            self._on_status(f"{self.name} asks for mode {mode}: {error}")

    def _tidy(self, client: Client, message: MQTTMessage) -> None:
        """Let the broker forget a camera that is gone."""
        names = [camera.name for camera in self._room.cameras()]
        parts = message.topic.removeprefix(f"{self.topics.base}/").split("/")
        if message.topic.startswith(f"{self.topics.base}/") and len(parts) == 2:
            if parts[0] not in names:
                for topic in (self.topics.state, self.topics.today, self.topics.picture):
                    client.publish(topic(parts[0]), b"", retain=True)
            return
        prefix = self._settings.discovery_prefix
        known = {discovery_topic(prefix, self.topics, name) for name in names}
        with suppress(ValueError, AttributeError):  # it is somebody else's
            is_ours = json.loads(message.payload).get("availability_topic") == self.topics.status
            if is_ours and message.topic not in known:
                client.publish(message.topic, b"", qos=1, retain=True)


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))

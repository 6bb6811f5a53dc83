"""A real MQTT broker, mosquitto, that dies and comes back at the same address, and somebody who listens to it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Broker:
    """A broker.

    Attributes:
        folder: of its configuration.
        options: lines of it besides.
        port: that it listens to; of this machine only.
    """

    folder: Path
    options: tuple[str, ...] = ("allow_anonymous true",)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed: it is in Debian's package mosquitto")
        self.port = self.port or _free_port()
        file = self.folder / "mosquitto.conf"
        # As root it would give its rights up, and could not read what tests made.
        file.write_text("\n".join((f"listener {self.port} 127.0.0.1", "user root", *self.options)) + "\n")
        self.process = subprocess.Popen(
            [program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("mosquitto does not listen")

    def kill(self) -> None:
        """End it without a farewell; what it retained is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running_broker(folder: Path, *options: str) -> Iterator[Broker]:
    """Run a broker until the block ends; without options, anybody may connect."""
    broker = Broker(folder, options or ("allow_anonymous true",))
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@dataclass
class Listener:
    """Somebody who listens to everything.

    Attributes:
        got: topic and payload of each message, in order.
        latest: the latest payload of each topic.
    """

    got: list[tuple[str, bytes]] = field(default_factory=list)
    latest: dict[str, bytes] = field(default_factory=dict)
    client: Any = None
    _there: threading.Event = field(default_factory=threading.Event)

    def json(self, topic: str) -> Any:
        """Return what a topic holds."""
        return json.loads(self.latest[topic])

    def payloads(self, topic: str) -> list[Any]:
        """Return all messages of a topic."""
        return [json.loads(payload) for one, payload in list(self.got) if one == topic]

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        """Send a message, and wait until the broker has it."""
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)

    def on_connect(self, client: Any, *_: Any) -> None:
        client.subscribe("#", qos=1)

    def on_subscribe(self, *_: Any) -> None:
        self._there.set()

    def on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self.latest[message.topic] = message.payload
        self.got.append((message.topic, message.payload))  # last: who sees it here finds it there

    def wait(self) -> None:
        assert self._there.wait(10)


@contextmanager
def listening(broker: Broker, set_up: Callable[[Any], object] = lambda client: None) -> Iterator[Listener]:
    """Listen to a broker until the block ends, also after it died and came back."""
    paho = pytest.importorskip("paho.mqtt.client")
    listener = Listener()
    # A session of its own, so that nothing that was confirmed is missed while the broker lives.
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="listener")
    client.reconnect_delay_set(1, 1)
    set_up(client)
    client.on_connect, client.on_message = listener.on_connect, listener.on_message
    client.on_subscribe, listener.client = listener.on_subscribe, client
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        listener.wait()
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()
        client.on_connect = client.on_message = client.on_subscribe = listener.client = None


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port

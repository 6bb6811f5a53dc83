"""The client of an MQTT broker, and events that it takes one after the other."""

from __future__ import annotations

import json
import secrets
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskinfer.control.publish.topics import OFFLINE, Topics
from maskinfer.control.settings.receivers import MqttSettings
from maskinfer.engine.errors import MissingExtraError, RequestError
from maskinfer.engine.files.urls import read_address
from maskinfer.engine.sinks.webhook_post import Answer

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessageInfo

_PAUSES_S = (1, 30)
_POLL_S = 0.05


def new_client(settings: MqttSettings, status: str) -> Client:
    """Return a client that is not connected yet, whose last will says on a topic that nobody watches.

    Raises:
        RequestError: a certificate or a password cannot be read.
        MissingExtraError: paho-mqtt is not installed.
    """
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise MissingExtraError("paho-mqtt", "serve") from error
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"maskinfer-{secrets.token_hex(4)}")
    client.will_set(status, OFFLINE, qos=1, retain=True)
    client.reconnect_delay_set(*_PAUSES_S)
    password = settings.password
    if settings.password_file is not None:
        password = read_address(f"@{settings.password_file}")
    if settings.username is not None:
        client.username_pw_set(settings.username, password)
    if settings.tls:
        _speak_tls(client, settings)
    return client


def _speak_tls(client: Client, settings: MqttSettings) -> None:
    for file in (settings.ca_file, settings.cert_file, settings.key_file):
        if file is not None and not Path(file).is_file():
            raise RequestError(f"{file} is no file, expected a certificate or key for the MQTT broker")
    try:
        client.tls_set(settings.ca_file, settings.cert_file, settings.key_file)
    except (ValueError, OSError) as error:  # ssl.SSLError is an OSError
        raise RequestError(f"the certificates for {settings.host} cannot be used: {error}") from error


def reason_of() -> str:
    """Return why connecting failed, for a message: paho calls back while it handles the error, and does not pass it."""
    error = sys.exc_info()[1]
    if error is None:
        return ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f": its certificate is not valid: {error.verify_message}"
    return f": {getattr(error, 'strerror', None) or type(error).__name__}"


class Events:
    """Sends events with quality of service 1, one at a time, as an outbox asks for it.

    One that the broker did not confirm in time is asked for again, not sent again: the client itself sends it anew
    when the connection is back.

    Args:
        client: that is connected by somebody else.
        topics: that events go to.
        timeout_s: how long the connection and a confirmation are waited for, half of it each.
    """

    def __init__(self, client: Client, topics: Topics, timeout_s: float) -> None:
        self._client, self._topics, self._timeout_s = client, topics, timeout_s
        self._sent: tuple[str, MQTTMessageInfo] | None = None

    def __call__(self, record: dict[str, Any]) -> Answer:
        """Send a record, and return what became of it."""
        ends_s = time.monotonic() + self._timeout_s / 2
        while not self._client.is_connected():  # it may come back at any moment, which is nothing to tell of
            if time.monotonic() >= ends_s:
                return Answer(None, "it is not connected")
            time.sleep(_POLL_S)
        if self._sent is None or self._sent[0] != record["id"]:
            event = {key: value for key, value in record.items() if key != "attempt"}
            text = json.dumps(event, ensure_ascii=False)
            self._sent = record["id"], self._client.publish(self._topics.event(record["camera"]), text, qos=1)
        message = self._sent[1]
        try:
            message.wait_for_publish(self._timeout_s / 2)
        except (ValueError, RuntimeError) as error:  # the client could not take it, and has forgotten it
            self._sent = None
            return Answer(None, str(error))
        return Answer(200) if message.is_published() else Answer(None, "it did not confirm in time")

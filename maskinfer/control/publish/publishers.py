"""Everybody who is told what happens, by the settings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from maskinfer.control.publish.mqtt import Mqtt
from maskinfer.control.publish.notify import Notify
from maskinfer.control.publish.records import CameraNews, Newest, Record, visit_record
from maskinfer.control.room.state import CameraState, Room
from maskinfer.control.settings.hours import zone_of
from maskinfer.control.settings.receivers import NotifySettings, WebhookSettings
from maskinfer.control.settings.types import Settings
from maskinfer.control.store.questions import StoredVisit
from maskinfer.engine.files.urls import public_host
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.sinks.webhook import Webhook
from maskinfer.engine.sinks.webhook_post import WebhookOptions
from maskinfer.engine.visits.visit import VisitChange

OUTBOX = "outbox"
_LINGER_S = 3.0


class Publishers:
    """Webhooks, chats and the broker of the settings; see ``Publisher``. No method waits for them.

    What they could not be told yet waits in the folder ``outbox`` of the store, and is told by the next one that has
    the same receiver.

    Args:
        room: whose settings say whom to tell.
        settings: others than the room's, such as those that are about to be in force.
        on_status: called with a line when a receiver is lost or back.

    Attributes:
        outboxes: of all receivers, by names that show no secret.

    Raises:
        RequestError: a receiver's address, certificate or password cannot be used.
        MissingExtraError: a library that one needs is not installed.
    """

    def __init__(
        self, room: Room, *, settings: Settings | None = None, on_status: Callable[[str], None] = SILENT.say
    ) -> None:
        settings = settings or room.settings
        folder, zone = room.store.folder / OUTBOX, zone_of(settings.time_zone)
        self._newest, self._news = Newest(), CameraNews()
        self._webhooks: list[Webhook] = []
        self._chats: list[Notify] = []
        self._mqtt: Mqtt | None = None
        self.outboxes: Mapping[str, Outbox] = {}
        named: list[tuple[str, Outbox]] = []
        with ExitStack() as undo:  # of those that are open when one cannot be opened
            for hook in settings.webhooks:
                opened = _open_webhook(hook, folder, on_status)
                undo.callback(opened.close, 0.0)
                self._webhooks.append(opened)
                named.append((public_host(hook.url), opened))
            for chat in settings.notify:
                talk = Notify(chat, room.store, _file(folder, _address(chat)), time_zone=zone, on_status=on_status)
                undo.callback(talk.close, 0.0)
                self._chats.append(talk)
                named.append((talk.name, talk.outbox))
            if settings.mqtt is not None:
                place = f"mqtt {settings.mqtt.host} {settings.mqtt.port} {settings.mqtt.topic}"
                self._mqtt = Mqtt(settings.mqtt, room, _file(folder, place), time_zone=zone, on_status=on_status)
                named.append((self._mqtt.name, self._mqtt.outbox))
            undo.pop_all()
        self.outboxes = _by_name(named)

    def changed(self, change: VisitChange, stored: StoredVisit) -> None:
        """Tell of a change of a visit; better pictures alone are told to nobody."""
        record = visit_record(change, stored, self._newest)
        if change.kind != "picture":
            self._tell(record)
        if (begun := record.get("violation")) is not None:
            for chat in self._chats:
                chat.violation(stored, change.visit.violations[begun["number"]])
        if self._mqtt is not None:
            self._mqtt.changed(change, stored)

    def camera(self, state: CameraState) -> None:
        """Tell of a camera."""
        record = self._news.record(state)
        if record is not None:
            self._tell(record)
        for chat in self._chats:
            chat.camera(state)
        if self._mqtt is not None:
            self._mqtt.camera(state)

    def close(self) -> list[str]:
        """Tell for a few seconds at most what waits, and return a line for what did not get there."""
        closes: list[Callable[[float], list[str]]] = [one.close for one in self._webhooks]
        closes += [one.close for one in self._chats]
        closes += [] if self._mqtt is None else [self._mqtt.close]
        with ThreadPoolExecutor(max(1, len(closes))) as pool:  # one that hangs takes no time from the others
            return [line for said in pool.map(lambda close: close(_LINGER_S), closes) for line in said]

    def _tell(self, record: Record) -> None:
        for webhook in self._webhooks:
            webhook.post(record)
        if self._mqtt is not None:
            self._mqtt.tell(record)


def _open_webhook(hook: WebhookSettings, folder: Path, on_status: Callable[[str], None]) -> Webhook:
    options = WebhookOptions(hook.token, hook.secret, hook.headers, hook.redirects)
    return Webhook(hook.url, options=options, file=_file(folder, hook.url), on_status=on_status)


def _address(chat: NotifySettings) -> str:
    return f"{chat.service} {chat.url} {chat.chat} {chat.token}"


def _file(folder: Path, address: str) -> Path:
    """Return the file for a receiver, which its address names without showing it."""
    return folder / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.sqlite"


def _by_name(named: list[tuple[str, Outbox]]) -> dict[str, Outbox]:
    """Return outboxes by name; of those with one name, the second is called so with a 2, and so on."""
    found: dict[str, Outbox] = {}
    for name, outbox in named:
        count = sum(other == name or other.startswith(f"{name} ") for other in found)
        found[f"{name} {count + 1}" if count else name] = outbox
    return found

"""Violations and lost cameras, told to a chat in plain words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from uuid import uuid4

from maskinfer.control.publish.chats import (
    SLACK,
    TELEGRAM,
    Message,
    most_picture_bytes,
    takes_picture,
    tell_chat,
)
from maskinfer.control.publish.pictures import sized_jpeg
from maskinfer.control.report.words import label_words
from maskinfer.control.room.state import CameraState
from maskinfer.control.settings.receivers import NotifySettings
from maskinfer.control.store.questions import StoredVisit
from maskinfer.control.store.store import Store
from maskinfer.engine.errors import SourceError
from maskinfer.engine.files.images import read_image
from maskinfer.engine.files.urls import public_host
from maskinfer.engine.flow.progress import SILENT
from maskinfer.engine.frames.dots import few_dots
from maskinfer.engine.sinks.outbox import Outbox
from maskinfer.engine.sinks.run import local_now
from maskinfer.engine.sinks.webhook_post import Answer, exchange
from maskinfer.engine.visits.visit import Violation

_TIMEOUT_S = 20.0
_MOST_WAITING = 1000
# Nobody wants to hear of yesterday when a chat is back.
_STALE = timedelta(hours=6)
# Cameras that stumble are back sooner.
_LOST_S = 30.0
_BODY_BYTES = 65536
_GONE = 410


@dataclass(slots=True)
class _Camera:
    told_s: float = float("-inf")
    more: int = 0  # violations since the last message
    lost_s: float | None = None
    is_told_lost: bool = False


@dataclass(slots=True)
class _News:
    """What is told of each camera, and when."""

    cameras: dict[str, _Camera] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, name: str) -> _Camera:
        return self.cameras.setdefault(name, _Camera())


class Notify:
    """A chat that is told of violations, and of cameras that are lost. No method waits for it.

    Messages wait in a file while the service is down. They hold no picture: it is taken from the store when it is sent,
    so that none is kept for longer than there.

    Args:
        settings: which chat, and what it is told.
        store: that pictures are taken from.
        file: that messages wait in.
        time_zone: of the times in messages; None for this machine's.
        on_status: called with a line when the service takes no messages, and when it does so again.
        clock: gives seconds that never go back.

    Attributes:
        name: of the chat, without its address's secrets.
        outbox: of the messages.
    """

    def __init__(
        self,
        settings: NotifySettings,
        store: Store,
        file: Path,
        *,
        time_zone: tzinfo | None = None,
        on_status: Callable[[str], None] = SILENT.say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._store, self._zone, self._clock = settings, store, time_zone, clock
        self._news = _News()
        default = {"telegram": TELEGRAM, "slack": SLACK}.get(settings.service, "")
        self.name = f"{settings.service} {public_host(settings.url or default)}"
        self.outbox = Outbox(
            self.name, self._send, file, timeout_s=_TIMEOUT_S, most_waiting=_MOST_WAITING, on_status=on_status
        )

    def violation(self, stored: StoredVisit, violation: Violation) -> None:
        """Tell of a violation that began, unless the settings leave it out."""
        settings, name = self._settings, stored.visit.camera
        if settings.cameras and name not in settings.cameras:
            return
        if settings.zones and violation.zone not in settings.zones:
            return
        if settings.labels and violation.label not in settings.labels:
            return
        with self._news.lock:
            camera, now_s = self._news.of(name), self._clock()
            if now_s - camera.told_s < settings.pause_s:
                camera.more += 1
                return
            more, camera.more, camera.told_s = camera.more, 0, now_s
        words = label_words(violation.label, violation.bare)
        place = name if violation.zone is None else f"{name}, {violation.zone}"
        since = f" {more} more since the last message." if more else ""
        picture = next((one.id for one in reversed(stored.pictures) if one.label == violation.label), None)
        self._post(
            f"{place}: somebody {words}",
            f"Seen at {self._time(violation.from_at)}.{since}",
            {"visit": stored.visit.id, "picture": picture},
        )

    def camera(self, state: CameraState) -> None:
        """Tell of a camera that has been lost for half a minute, and when it is back."""
        if not self._settings.lost or (self._settings.cameras and state.name not in self._settings.cameras):
            return
        with self._news.lock:
            camera, now_s = self._news.of(state.name), self._clock()
            if state.state in ("lost", "no frame yet"):
                camera.lost_s = now_s if camera.lost_s is None else camera.lost_s
                if camera.is_told_lost or now_s - camera.lost_s < _LOST_S:
                    return
                camera.is_told_lost, is_back = True, False
            else:
                camera.lost_s, was = None, camera.is_told_lost
                camera.is_told_lost, is_back = False, True
                if not was:
                    return
        if is_back:
            self._post(f"{state.name}: the camera is back", f"It is watched again since {self._time(local_now())}.")
        else:
            reason = f": {state.reason}" if state.reason else ""
            self._post(f"{state.name}: the camera is lost", f"It gives no pictures{reason}.")

    def close(self, linger_s: float = 3.0) -> list[str]:
        """Send for at most so long what waits, and return a line for what did not get there."""
        return self.outbox.close(linger_s)

    def _post(self, title: str, text: str, more: dict[str, Any] | None = None) -> None:
        at = local_now().isoformat(timespec="seconds")
        self.outbox.post({"id": uuid4().hex, "title": title, "text": text, "at": at, **(more or {})})

    def _time(self, at: datetime) -> str:
        return f"{at.astimezone(self._zone):%H:%M:%S}"

    def _send(self, record: dict[str, Any]) -> Answer:
        """Send a message; on the outbox's thread."""
        if local_now() - datetime.fromisoformat(record["at"]) > _STALE:
            return Answer(_GONE, "it is older than six hours")
        ends_s = time.monotonic() + _TIMEOUT_S

        def ask(url: str, body: bytes, headers: Any, method: str = "POST") -> Answer:
            return exchange(url, body, headers, ends_s, method=method, most_bytes=_BODY_BYTES)[0]

        picture = self._picture(record.get("picture"))
        page, visit = (self._settings.page or "").rstrip("/"), record.get("visit")
        link = f"{page}/visits/{visit}" if page and visit else page
        message = Message(record["id"], record["title"], record["text"], link, *(picture or ()))
        return tell_chat(self._settings, message, ask)

    def _picture(self, picture_id: str | None) -> tuple[bytes, tuple[int, int]] | None:
        """Return a picture of the store as the chat may have it, with its size; None if there is none any more."""
        if picture_id is None or self._settings.picture == "none" or not takes_picture(self._settings):
            return None
        path = self._store.picture(picture_id)
        if path is None:
            return None
        try:
            bgr = read_image(path)
        except SourceError:  # it went this moment
            return None
        shown = few_dots(bgr) if self._settings.picture == "blurred" else bgr
        return sized_jpeg(shown, most_bytes=most_picture_bytes(self._settings))

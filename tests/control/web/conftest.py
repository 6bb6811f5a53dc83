from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from maskinfer.control.settings.passwords import hash_password
from maskinfer.control.settings.types import AccountSettings, CameraSettings, PageSettings, Settings, TokenSettings
from maskinfer.control.store.store import Store
from maskinfer.control.web.serve import open_page
from tests.helpers.recorded_room import RecordedRoom, demo

CAMERA = "Main entrance"
TOKEN = "a token of a program"
PASSWORDS = {"ana": "the admin's own", "gus": "the guard's own", "vic": "the viewer's own"}
SECRET_URL = "rtsp://guard:hunter2@10.0.0.7/ch1?token=9f3a"


@dataclass
class Served:
    """A page that is served, and what it shows."""

    room: RecordedRoom
    store: Store
    url: str
    problems: list[str]

    def client(self, **more: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **more)  # type: ignore[arg-type]

    def with_accounts(self) -> None:
        self.room.settings = replace(self.room.settings, accounts=ACCOUNTS, tokens=(TokenSettings("grafana", TOKEN),))


ACCOUNTS = (
    AccountSettings("ana", hash_password(PASSWORDS["ana"]), "admin"),
    AccountSettings("gus", hash_password(PASSWORDS["gus"]), "guard"),
    AccountSettings("vic", hash_password(PASSWORDS["vic"]), "viewer"),
)


def settings_of(*names: str) -> Settings:
    cameras = tuple(CameraSettings(name, SECRET_URL) for name in names or (CAMERA,))
    return Settings(cameras, page=PageSettings(listen="127.0.0.1:0"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    problems: list[str] = []
    with Store.open(tmp_path / "store") as store:
        room = RecordedRoom(store, settings_of(), demo())
        with open_page(room, on_error=problems.append) as url:
            yield Served(room, store, url, problems)
    assert problems == []


def earlier(seconds: float = 30) -> datetime:
    """A little while ago, on this day."""
    now = datetime.now().astimezone()
    return max(now - timedelta(seconds=seconds), now.replace(hour=0, minute=0, second=0, microsecond=0))

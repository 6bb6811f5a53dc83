from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from maskinfer.control.settings.types import Settings
from maskinfer.engine.engine import Engine
from maskinfer.engine.load import load
from tests.helpers.running_room import Running, running_room

RunRoom = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def room_engine() -> Engine:
    return load(threads=1, lanes=1)


@pytest.fixture
def run_room(room_engine: Engine, tmp_path: Path) -> RunRoom:
    """Return what runs a room for as long as a block lasts."""

    def run(
        settings: Settings, file: Path | None = None, prepare: Callable[[Running], None] = lambda running: None
    ) -> AbstractContextManager[Running]:
        return running_room(tmp_path / "store", settings, room_engine, file=file, prepare=prepare)

    return run

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from maskinfer.control.room.room import ControlRoom
from maskinfer.control.settings.types import Settings, VisitSettings
from maskinfer.control.store.store import Store
from maskinfer.engine.engine import Engine
from maskinfer.engine.load import load


@pytest.fixture(scope="session")
def room_engine() -> Engine:
    return load(threads=1, lanes=1)


@dataclass
class Running:
    """A room in a thread of its own."""

    room: ControlRoom
    store: Store
    lines: list[str] = field(default_factory=list)


RunRoom = Callable[..., AbstractContextManager[Running]]


@pytest.fixture
def run_room(room_engine: Engine, tmp_path: Path) -> RunRoom:
    """Return what runs a room for as long as a block lasts."""

    @contextmanager
    def run(settings: Settings, file: Path | None = None, prepare: Callable[[Running], None] | None = None
            ) -> Iterator[Running]:  # fmt: skip
        lines: list[str] = []
        # Who comes back after three seconds is somebody else.
        settings = replace(settings, visits=VisitSettings(leave_s=1, join_s=1.5))
        settings = replace(settings, store=replace(settings.store, folder=str(tmp_path / "store")))
        with Store.open(Path(settings.store.folder), on_error=lines.append) as store:
            room = ControlRoom(room_engine, settings, store, file=file, say=lines.append)
            running = Running(room, store, lines)
            if prepare is not None:
                prepare(running)
            over = threading.Event()
            thread = threading.Thread(target=lambda: room.run(lambda: int(over.is_set())))
            thread.start()
            try:
                yield running
            except AssertionError as error:
                raise AssertionError(f"{error}; the room said {lines}, and its cameras are {room.cameras()}") from error
            finally:
                over.set()
                thread.join(30)
                assert not thread.is_alive()

    return run

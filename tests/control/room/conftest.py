from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskinfer.control.room.room import ControlRoom
from maskinfer.control.settings.types import Settings, VisitSettings
from maskinfer.control.store.store import Store
from maskinfer.engine.engine import Engine
from maskinfer.engine.load import load
from maskinfer.engine.results import BGRFrame
from tests.helpers.clips import write_clip

RATE = 10
SIZE_WH = (320, 240)
# Somebody is there for four seconds of each seven.
THERE, GONE = 4 * RATE, 3 * RATE


@pytest.fixture(scope="session")
def room_engine() -> Engine:
    return load(threads=1, lanes=1)


def scene(portrait: BGRFrame, step: int | None) -> BGRFrame:
    """A wall, and before it the portrait at a step of its way through the picture; None for nobody."""
    frame = np.full((SIZE_WH[1], SIZE_WH[0], 3), 120, np.uint8)
    if step is not None:
        face = cv2.resize(portrait[:340, 60:400], (200, 200), interpolation=cv2.INTER_AREA)
        frame[30:230, 20 + 2 * step : 220 + 2 * step] = face
    return frame


@pytest.fixture(scope="session")
def door_clip(portrait: BGRFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of somebody without a mask who comes and goes."""
    once = [scene(portrait, i) for i in range(THERE)] + [scene(portrait, None)] * GONE
    path = tmp_path_factory.mktemp("clips") / "door.mp4"
    return write_clip(path, once * 17, rate=RATE, options={"g": "10", "preset": "ultrafast", "threads": "1"})


@dataclass
class Running:
    """A room in a thread of its own."""

    room: ControlRoom
    store: Store
    lines: list[str] = field(default_factory=list)


def wait_until(is_so: Callable[[], object], timeout_s: float = 60) -> None:
    ends_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < ends_s, "it did not happen"
        time.sleep(0.05)


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

"""A real control room in a thread of its own, which looks by itself or lets other processes look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from maskinfer.control.room.room import ControlRoom
from maskinfer.control.settings.types import Settings, VisitSettings
from maskinfer.control.store.store import Store
from maskinfer.control.watch.watch import Watch
from maskinfer.control.workers.processes import Processes
from maskinfer.engine.engine import Engine


@dataclass
class Running:
    """A room in a thread of its own.

    Attributes:
        room: that runs.
        store: of the room.
        watching: that looks at the cameras for it.
        lines: that it said.
    """

    room: ControlRoom
    store: Store
    watching: Watch | Processes
    lines: list[str] = field(default_factory=list)


@contextmanager
def running_room(
    folder: Path,
    settings: Settings,
    engine: Engine | None,
    *,
    file: Path | None = None,
    prepare: Callable[[Running], None] = lambda running: None,
) -> Iterator[Running]:
    """Run a room for as long as a block lasts.

    Args:
        folder: of its store.
        settings: what is watched; who comes back after three seconds is somebody else.
        engine: that looks; None for two processes that look.
        file: of the settings.
        prepare: called before the room runs.
    """
    lines: list[str] = []
    settings = replace(settings, visits=VisitSettings(leave_s=1, join_s=1.5))
    settings = replace(settings, store=replace(settings.store, folder=str(folder)))
    with Store.open(folder, on_error=lines.append) as store:
        watching = (
            Processes(settings, store, count=2, say=lines.append)
            if engine is None
            else nullcontext(Watch(engine, settings, store, say=lines.append))
        )
        with watching as looks:
            room = ControlRoom(looks, settings, store, file=file, say=lines.append)
            running = Running(room, store, looks, lines)
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
                thread.join(60)
                assert not thread.is_alive()

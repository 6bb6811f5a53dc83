"""Opens all parts of a control room, runs it until a signal, and ends them in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from maskinfer.control.publish.metrics_server import open_metrics
from maskinfer.control.publish.publishers import Publishers
from maskinfer.control.publish.systemd import ServiceManager
from maskinfer.control.room.room import ControlRoom
from maskinfer.control.settings.types import Settings
from maskinfer.control.store.retention import retention_of
from maskinfer.control.store.store import Store
from maskinfer.control.watch.watch import Watch, open_engine
from maskinfer.control.watch.watching import Watching
from maskinfer.control.web.serve import open_page
from maskinfer.control.workers.processes import Processes
from maskinfer.engine.errors import OutputError
from maskinfer.engine.flow.signals import reload_on_hangup, stop_on_signal


def run_room(
    settings: Settings, *, file: Path | None, has_page: bool, say: Callable[[str], None], processes: int = 1
) -> None:
    """Watch, keep, show and tell until SIGINT or SIGTERM; SIGHUP reads the settings file again.

    Args:
        settings: what is watched.
        file: of the settings; None when there is none.
        has_page: serve the page and the HTTP API.
        say: called with one line for news and faults, from any thread.
        processes: how many look at the cameras; one is this one, more are begun beside it.

    Raises:
        RequestError: the store is in use or of a newer version, or the page's address is taken.
        ModelError: a model cannot be used. OutputError: the store cannot be written.
        MissingExtraError: the page or a publisher needs a library that is not installed.
    """
    with ExitStack() as stack:
        stopped = stack.enter_context(stop_on_signal())
        reload = stack.enter_context(reload_on_hangup())
        manager = ServiceManager()
        store = stack.enter_context(open_store(settings, say))
        watching = stack.enter_context(_open_watching(settings, store, processes, say))
        room = ControlRoom(watching, settings, store, file=file, say=say)
        told = room.publish_to(lambda chosen: Publishers(room, settings=chosen, on_status=say))
        stack.callback(told.close)
        if settings.metrics.listen is not None:
            say(f"figures for Prometheus are at {stack.enter_context(open_metrics(room, settings.metrics.listen))}")
        if has_page:
            say(f"the page is at {stack.enter_context(open_page(room, on_error=say))}")
        status = f"watching {_count(settings)}; what happens is kept in {store.folder}"
        say(status)
        manager.ready(status)

        def reload_told() -> bool:
            wanted = reload()
            if wanted:
                manager.reloading()
            return wanted

        def beat() -> None:
            manager.beat()
            manager.status(f"watching {_count(room.settings)}")

        room.run(stopped, reload=reload_told, on_reload=lambda: manager.ready(status), on_tick=beat)
        manager.stopping(f"ended by {signal.Signals(stopped()).name}" if stopped() else "ended")
        with suppress(OutputError):  # which the store has said
            store.flush()


def _count(settings: Settings) -> str:
    return f"{len(settings.cameras)} camera{'' if len(settings.cameras) == 1 else 's'}"


@contextmanager
def open_store(settings: Settings, say: Callable[[str], None]) -> Iterator[Store]:
    """Open the store that settings name; when the block ends, all that was queued is written."""
    folder = Path(settings.store.folder)
    with Store.open(folder, retention=retention_of(settings.store.retention), on_error=say) as store:
        yield store


@contextmanager
def _open_watching(settings: Settings, store: Store, processes: int, say: Callable[[str], None]) -> Iterator[Watching]:
    if processes == 1:
        yield Watch(open_engine(settings.models), settings, store, say=say)
        return
    with Processes(settings, store, count=processes, say=say) as several:
        say(f"{len(several.workers)} processes look at the cameras")
        yield several

"""Opens all parts of a control room, runs it until a signal, and ends them in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic

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
from maskinfer.engine.errors import MaskinferError, OutputError
from maskinfer.engine.flow.signals import reload_on_hangup, stop_on_signal
from maskinfer.engine.runtime.heap import GivingBack, share_heaps
from maskinfer.engine.sinks.run import local_now
from maskinfer.site.keep import forget_old, tidy_pool

_TIDY_S = 3600.0


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
    share_heaps()
    with ExitStack() as stack:
        stopped = stack.enter_context(stop_on_signal())
        reload = stack.enter_context(reload_on_hangup())
        manager = ServiceManager()
        store = stack.enter_context(open_store(settings, say))
        tidy = Tidying(settings, say)
        tidy.begin()
        freed = GivingBack()
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
            tidy.settings = room.settings
            tidy.now_and_then()
            freed.now_and_then()

        room.run(stopped, reload=reload_told, on_reload=lambda: manager.ready(status), on_tick=beat)
        manager.stopping(f"ended by {signal.Signals(stopped()).name}" if stopped() else "ended")
        with suppress(OutputError):  # which the store has said
            store.flush()


class Tidying:
    """Removes collected pictures that nobody labelled in time: at the start, and each hour.

    Attributes:
        settings: in force.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings, self._say, self._done_s = settings, say, monotonic()

    def begin(self) -> None:
        """Tidy up before anybody writes."""
        self._attempt(lambda site: tidy_pool(site))

    def now_and_then(self) -> None:
        """Remove what is too old, each hour."""
        if monotonic() - self._done_s >= _TIDY_S:
            self._attempt(lambda site: None)

    def _attempt(self, then: Callable[[Path], None]) -> None:
        self._done_s, collect = monotonic(), self.settings.collect
        if collect is None:
            return
        site = Path(collect.folder)
        try:
            if collect.days is not None:
                forget_old(site, collect.days, local_now())
            then(site)
        except MaskinferError as error:
            self._say(f"collected pictures: {error}")


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
        begun = len(several.workers)
        say(f"{begun} process{' looks' if begun == 1 else 'es look'} at the cameras")
        yield several

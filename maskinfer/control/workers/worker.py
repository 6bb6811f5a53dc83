"""The program of a worker: looks at its cameras until the first process wants it to end, or is gone.

    python -m maskinfer.control.workers.worker

It reads what to do from its standard input, writes its port to its standard output, and ends with its standard input.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from maskinfer.control.watch.watch import Watch, open_engine
from maskinfer.control.workers.relay import Relay
from maskinfer.control.workers.server import Served, open_server
from maskinfer.control.workers.wire import Ready, Start, decode, encode
from maskinfer.engine.errors import MaskinferError
from maskinfer.engine.runtime.heap import GivingBack, share_heaps

_HAND_OVER_S = 10.0


def main() -> int:
    """Work; returns the exit code."""
    # The first process ends its workers in order, also when a terminal or systemd tells all of them at once.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    share_heaps()
    start = decode(sys.stdin.buffer.readline(), Start)
    settings = start.task.mine()
    try:
        engine = open_engine(settings.models)
    except MaskinferError as error:
        _tell(Ready(error=str(error), kind=type(error).__name__))
        return 1
    over, is_alone = threading.Event(), threading.Event()

    def follow() -> None:
        while os.read(0, 1024):  # not by way of sys.stdin, whose lock nobody may hold when the interpreter ends
            pass
        is_alone.set()
        over.set()

    threading.Thread(target=follow, name="first process", daemon=True).start()
    relay = Relay(Path(settings.store.folder))
    watch = Watch(engine, settings, relay, say=relay.say)
    for camera, mode in start.task.modes.items():
        watch.set_mode(camera, mode)
    with open_server(Served(watch, relay, start.token, over.set)) as port:
        _tell(Ready(port))
        watch.run(over.is_set, GivingBack().now_and_then)
        relay.end(0.0 if is_alone.is_set() else _HAND_OVER_S)
    return 0


def _tell(ready: Ready) -> None:
    sys.stdout.buffer.write(encode(ready) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())

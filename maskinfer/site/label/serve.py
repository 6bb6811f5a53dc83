"""The page on an address of this machine, in a thread of its own."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from maskinfer.engine.errors import MissingExtraError, OutputError, RequestError
from maskinfer.site.label.queue import Queue

_PATIENCE_S = 10.0


@contextmanager
def open_label_page(queue: Queue, site: Path, port: int) -> Iterator[str]:
    """Serve the page to this machine alone; gives its address, with the key that opens it.

    Args:
        queue: the faces.
        site: the folder that they lie in.
        port: 0 for one that is free.

    Raises:
        RequestError: another program listens there.
        MissingExtraError: the libraries of the extra ``serve`` are not installed.
    """
    try:
        import uvicorn

        from maskinfer.site.label.app import make_app
    except ImportError as error:
        raise MissingExtraError("what the page needs", "serve") from error
    key = secrets.token_urlsafe(16)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise RequestError(
            f"the page cannot listen to 127.0.0.1:{port} ({error.strerror}): choose another --port"
        ) from error
    with listener:
        config = uvicorn.Config(
            make_app(queue, site, key),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True)
        thread.start()
        ends_s = monotonic() + _PATIENCE_S
        while not server.started and thread.is_alive() and monotonic() < ends_s:
            sleep(0.02)
        if not server.started:
            raise OutputError("the page did not begin: the reason stands above")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/?key={key}"
        finally:
            server.should_exit = True
            thread.join(_PATIENCE_S)

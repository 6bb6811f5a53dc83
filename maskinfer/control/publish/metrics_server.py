"""An address that shows the figures for Prometheus and nothing else, for those who must not reach the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maskinfer.control.publish.metrics import registry_for
from maskinfer.control.room.state import Room
from maskinfer.engine.errors import RequestError


@contextmanager
def open_metrics(room: Room, listen: str) -> Iterator[str]:
    """Show a room's figures until the block ends; gives their address, as a URL.

    Args:
        room: whose figures.
        listen: an address and a port, such as ``127.0.0.1:9600``; port 0 is any that is free.

    Raises:
        RequestError: the port is taken, or the address is not of this machine.
        MissingExtraError: prometheus-client is not installed.
    """
    registry = registry_for(room)
    from prometheus_client import start_http_server

    host, _, port = listen.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry=registry)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise RequestError(f"cannot show figures at {listen}: {why}; set another address in metrics.listen") from error
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""The page on its address, in a thread of its own."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from maskinfer.control.room.state import Room
from maskinfer.engine.errors import MissingExtraError, OnError, RequestError

_PATIENCE_S = 10.0
_MOST_CONNECTIONS = 500


@contextmanager
def open_page(room: Room, *, on_error: OnError = lambda line: None) -> Iterator[str]:
    """Serve the page of a running watch where ``settings.page.listen`` says; gives its address, as a URL.

    Args:
        room: what it shows.
        on_error: called with one line when something fails that should not.

    Raises:
        RequestError: the address cannot be listened to, or others reach it and there is no account and no token.
        MissingExtraError: the libraries of the extra ``serve`` are not installed.
    """
    host, port = split_address(room.settings.page.listen)
    must_log_in = not is_this_machine(host)
    if must_log_in and not room.settings.accounts and not room.settings.tokens:
        raise RequestError(no_account(room.settings.page.listen))
    try:
        import uvicorn

        from maskinfer.control.web.app import make_app
    except ImportError as error:
        raise MissingExtraError("what the page needs", "serve") from error
    with _listening(host, port) as listener:
        app = make_app(room, must_log_in=must_log_in)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            lifespan="off",
            # A server on this machine that speaks HTTPS says whom it speaks for; nobody else is believed that.
            proxy_headers=True,
            forwarded_allow_ips="127.0.0.1,::1",
        )
        with _running(uvicorn.Server(config), listener, on_error):
            try:
                yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
            finally:
                app.state.feed.close()


def split_address(listen: str) -> tuple[str, int]:
    """Return the host and the port of an address such as ``127.0.0.1:8600`` or ``[::1]:8600``.

    Raises:
        RequestError: it is none.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise RequestError(f"listen is {listen!r:.80}, expected an address and a port such as 127.0.0.1:8600")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_this_machine(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone."""
    # A number such as 127.0.0.1 is not looked up anywhere.
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(place[4][0]).partition("%")[0]).is_loopback for place in found)


def no_account(listen: str) -> str:
    """Return what is said when others could reach a page that asks for no password."""
    return (
        f"others could see the page at {listen}, and it would ask for no password: put [[accounts]] with a name and a "
        "password_hash into the settings (maskinfer serve --hash-password makes one); better, listen to 127.0.0.1 and "
        "let a server with HTTPS, such as Caddy or nginx, pass requests on to it, as docs/guides/control-room.md shows"
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        taken = ": another program listens there, choose another port" if error.errno == errno.EADDRINUSE else ""
        raise RequestError(f"the page cannot listen to {host}:{port} ({reason}){taken}") from error
    with listener:
        # Connections take this over; otherwise each answer's body waits 40 ms for a confirmation of its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


@contextmanager
def _running(server: Any, listener: socket.socket, on_error: OnError) -> Iterator[None]:
    def run() -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as error:  # the watch goes on without its page, and says so
            on_error(f"the page ended: {type(error).__name__}: {error}")

    thread = threading.Thread(target=run, name="page", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_PATIENCE_S)
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)

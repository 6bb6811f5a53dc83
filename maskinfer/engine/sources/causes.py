"""Why a stream does not open, in words that people know."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import av.error

from maskinfer.engine.errors import SourceDeniedError, SourceError

_DENIED = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.PermissionError)
_SILENT = (av.error.ExitError, av.error.TimeoutError)
_PORTS: dict[str, int] = {"rtsp": 554, "http": 80, "https": 443}


def stream_error(error: av.error.FFmpegError, url: str, name: str, timeout_s: float) -> SourceError:
    """Return the error of ours that says why a URL does not open; its text holds neither name nor password.

    Args:
        error: FFmpeg's.
        url: with its password.
        name: as it may be shown.
        timeout_s: how long was waited.
    """
    if isinstance(error, _DENIED):
        return SourceDeniedError(f"{name} refuses the user name or the password: check both")
    host, port = _address(url)
    if isinstance(error, av.error.ConnectionRefusedError):
        return SourceError(f"{name} cannot be opened: nothing listens at {host}:{port}; check the address")
    if isinstance(error, _SILENT):
        return SourceError(f"{name} cannot be opened: {host} did not answer in {timeout_s:g} s; check the network")
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceError(f"{name} cannot be opened: {host} has nothing at this path; check the address")
    if isinstance(error, av.error.InvalidDataError):
        return SourceError(f"{name} cannot be opened: what {host} sends is not a video; check the address")
    if host and not _is_known(host):
        return SourceError(f"{name} cannot be opened: the name {host} is not known (DNS); check the address")
    return SourceError(f"{name} is not a video that can be read: {error.strerror}; check the address")


def _address(url: str) -> tuple[str, int | str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", "?"
    return parts.hostname or "", _PORTS.get(parts.scheme.lower(), "?") if port is None else port


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True

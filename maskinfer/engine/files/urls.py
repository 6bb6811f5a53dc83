"""How a source is named where people read it, and where its address comes from: no secret is shown.

Addresses of cameras and receivers carry passwords in many places: before the host, in the query, in the path. What is
shown is what is known to be harmless, and nothing else.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from maskinfer.engine.errors import RequestError

HIDDEN = "***"
_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
_HOST = re.compile(r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$")
# What is longer may be a token, and what has other characters a pair of a name and a password.
_SEGMENT = re.compile(r"^[A-Za-z0-9._~-]{0,15}$")
_VARIABLE, _FILE = "env:", "@"


def is_url(source: str) -> bool:
    """Tell whether ``source`` begins with a URL scheme, as in ``rtsp://``."""
    return _SCHEME.match(source) is not None


def as_text(name: str | Path) -> str:
    """Return a file's name as text that every encoding for all letters holds: bytes that are no UTF-8 become ``\\xff``.

    >>> as_text(os.fsdecode(b"caf\\xe9.jpg"))
    'caf\\\\xe9.jpg'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def public_name(source: str) -> str:
    """Return ``source`` as it may be shown: of a URL its scheme, host, port and the harmless parts of its path.

    A part of the path is harmless when it has at most 15 letters, digits, dots, dashes and underscores; others become
    ``***``. A URL whose parts cannot be told apart, such as one with an unquoted ``@`` or ``/`` in its password, is
    hidden as a whole. Files are shown as they are.

    >>> public_name("rtsp://guard:hunter2@10.0.0.7:554/ch1?token=9f3a#x")
    'rtsp://10.0.0.7:554/ch1'
    >>> public_name("rtsp://10.0.0.7/user=admin_password=hunter2_channel=1.sdp")
    'rtsp://10.0.0.7/***'
    """
    scheme = _SCHEME.match(source)
    if scheme is None:
        # A URL inside of another notation, or one whose scheme was forgotten.
        is_odd = "://" in source or re.match(r"^[^/\\]+:[^/\\]*@", source) is not None
        is_there = os.path.exists(source)  # noqa: PTH110 - Path.exists raises where a name is too long
        return HIDDEN if is_odd and not is_there else as_text(source)
    if scheme[0].lower() == "file://":
        return as_text(source)
    host, path = _harmless(source[scheme.end() :])
    return scheme[0] + host + "/".join(part if _SEGMENT.match(part) else HIDDEN for part in path.split("/"))


def public_host(url: str) -> str:
    """Return a URL as it may be shown where its path is a secret too, as webhooks of chat services have it.

    >>> public_host("https://hooks.example.com/services/T0/B0/kx3Wp")
    'https://hooks.example.com'
    """
    scheme = _SCHEME.match(url)
    return HIDDEN if scheme is None else scheme[0] + _harmless(url[scheme.end() :])[0]


def public_names(sources: Sequence[str]) -> list[str]:
    """Return ``public_name`` of each; those that would be the same are numbered, so that each has a name of its own.

    >>> public_names(["rtsp://10.0.0.7/live?channel=1", "rtsp://10.0.0.7/live?channel=2"])
    ['rtsp://10.0.0.7/live#1', 'rtsp://10.0.0.7/live#2']
    """
    names = [public_name(source) for source in sources]
    counts, seen = Counter(names), Counter[str]()
    for i, name in enumerate(names):
        seen[name] += 1
        names[i] = f"{name}#{seen[name]}" if counts[name] > 1 else name
    return names


def read_address(text: str) -> str:
    """Return the address that is meant, which then is not in the list of processes.

    Args:
        text: ``env:NAME``, the value of an environment variable; ``@FILE``, the first line of a file; or the address
            itself. A file that is called so is meant by ``./env:NAME`` or ``./@FILE``.

    Raises:
        RequestError: there is no such variable or file, or it is empty.
    """
    if text.startswith(_VARIABLE):
        name = text.removeprefix(_VARIABLE)
        where = f"the environment variable {name}"
        if name not in os.environ:
            raise RequestError(f"{where} is not set")
        found = os.environ[name]
    elif text.startswith(_FILE):
        where = f"the first line of {text.removeprefix(_FILE)}"
        try:
            with Path(text.removeprefix(_FILE)).open(encoding="utf-8") as file:
                found = file.readline()
        except (OSError, ValueError) as error:
            raise RequestError(f"{where} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    else:
        return text
    if not found.strip():
        raise RequestError(f"{where} is empty")
    return found.strip()


def _harmless(rest: str) -> tuple[str, str]:
    """Return what may be shown of what follows a scheme: host and port, and the path."""
    end = re.search(r"[/?#\\]", rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    host = authority.rpartition("@")[2]
    # An "@" further on may end a password that holds a "/", "?" or "#": then nothing says where the host begins.
    if "@" in tail or not _HOST.match(host):
        return HIDDEN, ""
    return host, re.split(r"[?#;\\]", tail)[0]

"""What a source is called in results and messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.urls import public_name, public_names
from maskinfer.engine.sources.camera import LAST_CAMERA

# A name begins with a letter, so that an option of a URL or a path is none.
_NAMED = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.-]{0,63})=(?P<source>.*)", re.DOTALL)


def named(source: str) -> tuple[str, str]:
    """Return the name that a source was given, or "", and the source: ``door=rtsp://10.0.0.7/ch1`` is called ``door``.

    A file whose name has such a form is a file.

    Raises:
        RequestError: nothing follows the name.
    """
    match = _NAMED.fullmatch(source)
    if match is None or _is_path(source):
        return "", source
    if not match["source"]:
        raise RequestError(f"the source {match['name']!r} has a name, but no address: expected NAME=SOURCE")
    return match["name"], match["source"]


def names_of(sources: Sequence[str]) -> list[tuple[str, str]]:
    """Return what each source is called, and the source itself; without a name of its own it is called as it is.

    What of a URL is not to be shown is left out. Two that then would be called alike are numbered.

    Raises:
        RequestError: there is no source, one is named twice, or one is a camera that no machine can have.
    """
    given = [named(source) for source in sources]
    shown = iter(public_names([address for name, address in given if not name]))
    names = [name or next(shown) for name, _ in given]
    addresses = [address for _, address in given]
    if not sources:
        raise RequestError("there is no source: name at least one")
    for i, (name, address) in enumerate(zip(names, addresses, strict=True)):
        if address in addresses[:i]:
            raise RequestError(f"the source {public_name(address)} is given twice: leave one out")
        if name in names[:i]:
            raise RequestError(f"two sources are called {name}: give each a name of its own, as NAME=SOURCE")
    for address in addresses:
        if address.isdecimal() and int(address) > LAST_CAMERA:
            raise RequestError(f"there is no camera {address}: indices go up to {LAST_CAMERA}")
    return list(zip(names, addresses, strict=True))


def _is_path(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False

"""How a source is named where people read it: without its passwords."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
_PASSWORD = re.compile(r"^([^:/?#@]*):(.*)@", re.DOTALL)
_PORT = re.compile(r"^\d{1,5}(/|$)")
_SECRET = re.compile(r"(?i)([?&](?:pass(?:word|wd)?|pwd|token|secret|auth|key|apikey|api_key)=)[^&#]*")


def is_url(source: str) -> bool:
    """Tell whether ``source`` begins with a URL scheme, as in ``rtsp://``."""
    return _SCHEME.match(source) is not None


def public_name(source: str) -> str:
    """Return ``source`` as it may be shown: a URL's password and secret parameters become ``***``.

    >>> public_name("rtsp://guard:hunter2@10.0.0.7:554/ch1")
    'rtsp://guard:***@10.0.0.7:554/ch1'
    """
    scheme = _SCHEME.match(source)
    if scheme is None:
        return source
    rest = source[scheme.end() :]
    found = _PASSWORD.match(rest)
    # host:554/view@2 holds no password; anything else between ":" and the last "@" is taken for one, also
    # what holds an unquoted "/" or "@": rather hide too much than show half a password.
    if found and ("@" in re.split(r"[/?#]", rest)[0] or not _PORT.match(found[2])):
        rest = f"{found[1]}:***@{rest[found.end() :]}"
    return scheme[0] + _SECRET.sub(r"\1***", rest)

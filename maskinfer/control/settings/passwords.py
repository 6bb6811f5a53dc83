"""Passwords as the settings file holds them: scrypt hashes (RFC 7914) with their salt and costs in the text.

``scrypt$16384$8$1$SALT$HASH``, the last two in URL-safe base64 without padding. A check takes about 50 ms and 16 MiB.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from maskinfer.engine.errors import RequestError

_N, _R, _P = 1 << 14, 8, 1
_SALT_BYTES, _KEY_BYTES = 16, 32
_MOST_BYTES = 1 << 10
_FORMAT = re.compile(r"scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{11,86})\$([A-Za-z0-9_-]{22,86})")
_MOST_COST = 1 << 18
"""Of N times r: 32 MiB for each 2^18, so that a hash in the settings cannot take the memory of the machine."""
LEAST_LETTERS = 8


def hash_password(password: str) -> str:
    """Return the hash of a password or a token, for the settings file.

    Raises:
        RequestError: it is shorter than 8 letters, or longer than 1,024 bytes.
    """
    if len(password) < LEAST_LETTERS or len(password.encode()) > _MOST_BYTES:
        raise RequestError(f"the password must have {LEAST_LETTERS} letters or more, and at most {_MOST_BYTES} bytes")
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${_N}${_R}${_P}${_encode(salt)}${_encode(_derive(password, salt, _N, _R, _P, _KEY_BYTES))}"


def check_password(password: str, hashed: str) -> bool:
    """Tell whether a password is the one that was hashed, in a time that does not depend on how wrong it is.

    Raises:
        RequestError: ``hashed`` is not what ``hash_password`` returns.
    """
    n, r, p, salt, key = _parse(hashed)
    if len(password.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        return False
    return hmac.compare_digest(_derive(password, salt, n, r, p, len(key)), key)


def is_hash(text: str) -> bool:
    """Tell whether a text is what ``hash_password`` returns."""
    try:
        _parse(text)
    except RequestError:
        return False
    return True


def _parse(hashed: str) -> tuple[int, int, int, bytes, bytes]:
    found = _FORMAT.fullmatch(hashed)
    n, r, p = (int(found[i]) for i in (1, 2, 3)) if found else (0, 0, 0)
    if found is None or n < 2 or n & (n - 1) or not r or not 1 <= p <= 16 or n * r > _MOST_COST:
        raise RequestError("this is no password hash: make one with  maskinfer serve --hash-password")
    return n, r, p, _decode(found[4]), _decode(found[5])


def _derive(password: str, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    data = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=129 * n * r * p + (1 << 20), dklen=length)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))

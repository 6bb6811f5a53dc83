"""Who looks at the page, and what they may do: accounts, tokens of programs, sessions, tokens against forged requests.

Without accounts and tokens in the settings the page listens to this machine alone, and who asks is an admin. A
session's cookie is a random name; of those who logged in the server knows it, of others only the token against forged
requests (CSRF) follows from it, so that nobody fills the memory by looking.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from maskinfer.control.settings.passwords import check_password, hash_password, is_hash
from maskinfer.control.settings.types import AccountSettings, Role, Settings

COOKIE, COOKIE_LETTERS = "maskinfer", 43
IDLE_S, LONGEST_S = 12 * 3600.0, 30 * 24 * 3600.0
_MOST_SESSIONS = 1000
_MOST_KNOWN = 1000
_ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who asks for something.

    Attributes:
        name: of the account or the token; empty where there are none.
        role: ``admin`` may change things, ``guard`` sees everything, ``viewer`` sees faces blurred.
        session: the cookie's value; empty for programs that sent a password or a token with the request.
    """

    name: str
    role: Role
    session: str = ""

    @property
    def sees_faces(self) -> bool:
        """Whether pictures are shown as they are."""
        return self.role != "viewer"

    @property
    def may_change(self) -> bool:
        """Whether cameras may be paused and zones be drawn."""
        return self.role == "admin"


@dataclass(slots=True)
class _Session:
    account: AccountSettings
    begun_s: float
    seen_s: float


class Access:
    """Knows who has logged in.

    Args:
        settings: gives the settings as they are now; who is no longer in them is logged out.
        must_log_in: others than this machine reach the page, so that nobody is let in where there are no accounts.
        clock_s: seconds that only grow.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        *,
        must_log_in: bool = False,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._must_log_in, self._clock_s = settings, must_log_in, clock_s
        self._secret = secrets.token_bytes(_ID_BYTES)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        # What was checked once: scrypt is slow on purpose, and programs send their password with every request.
        self._known: OrderedDict[bytes, tuple[str, str]] = OrderedDict()
        self._nobody = hash_password(secrets.token_urlsafe())

    @property
    def is_open(self) -> bool:
        """Whether there is nobody to log in as, so that everybody on this machine may do everything."""
        settings = self._settings()
        return not self._must_log_in and not settings.accounts and not settings.tokens

    def by_cookie(self, cookie: str) -> Visitor | None:
        """Return who a session belongs to; None for one that is over, or that nobody logged in with."""
        if self.is_open:
            return Visitor("", "admin", cookie if len(cookie) == COOKIE_LETTERS else "")
        session, now_s = self._sessions.get(cookie), self._clock_s()
        if session is None:
            return None
        is_old = now_s - session.seen_s > IDLE_S or now_s - session.begun_s > LONGEST_S
        if is_old or session.account not in self._settings().accounts:
            del self._sessions[cookie]
            return None
        session.seen_s = now_s
        self._sessions.move_to_end(cookie)
        return Visitor(session.account.name, session.account.role, cookie)

    def by_header(self, authorization: str) -> Visitor | None:
        """Return who sent a token (``Bearer``) or a name and a password (``Basic``); takes 50 ms when it is new."""
        scheme, _, text = authorization.partition(" ")
        settings = self._settings()
        key = hmac.digest(self._secret, authorization.encode("utf-8", "surrogatepass"), hashlib.sha256)
        known = self._known.get(key)
        if scheme.lower() == "bearer":
            for token in settings.tokens:
                if known == (token.name, token.token) or (known is None and _is_token(text.strip(), token.token)):
                    self._remember(key, token.name, token.token)
                    return Visitor(token.name, token.role)
        elif scheme.lower() == "basic":
            name, password = _basic(text)
            account = self.account(name)
            if account and known == (name, account.password_hash):
                return Visitor(name, account.role)
            if account := self.check(name, password):
                self._remember(key, name, account.password_hash)
                return Visitor(name, account.role)
        return None

    def is_known(self, authorization: str) -> bool:
        """Tell whether a header was right before, so that checking it costs nothing."""
        return hmac.digest(self._secret, authorization.encode("utf-8", "surrogatepass"), hashlib.sha256) in self._known

    def account(self, name: str) -> AccountSettings | None:
        """Return the account of that name, if there is one."""
        return next((account for account in self._settings().accounts if account.name == name), None)

    def check(self, name: str, password: str) -> AccountSettings | None:
        """Return the account if the password is right; takes as long for a name that does not exist."""
        account = self.account(name)
        is_right = check_password(password, account.password_hash if account else self._nobody)
        return account if is_right else None

    def begin(self, account: AccountSettings) -> str:
        """Log in, and return the new session's cookie."""
        cookie, now_s = self.new_cookie(), self._clock_s()
        self._sessions[cookie] = _Session(account, now_s, now_s)
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return cookie

    def end(self, cookie: str) -> None:
        """Log out."""
        self._sessions.pop(cookie, None)

    def new_cookie(self) -> str:
        """Return the cookie of a session that nobody has logged in with yet."""
        return secrets.token_urlsafe(_ID_BYTES)

    def csrf(self, cookie: str) -> str:
        """Return the token that requests of a session which change something carry."""
        return hmac.digest(self._secret, b"csrf " + cookie.encode("utf-8", "replace"), hashlib.sha256).hex()

    def is_csrf(self, cookie: str, token: str) -> bool:
        """Tell whether a request's token is that of its session."""
        return hmac.compare_digest(self.csrf(cookie).encode(), token.encode("utf-8", "replace"))

    def _remember(self, key: bytes, name: str, secret: str) -> None:
        self._known[key] = (name, secret)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)


def _is_token(text: str, expected: str) -> bool:
    if is_hash(expected):
        return check_password(text, expected)
    return hmac.compare_digest(text.encode("utf-8", "replace"), expected.encode())


def _basic(text: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password

"""What all pages share: the running watch, who may see it, templates, and how a page is made of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from maskinfer import __version__
from maskinfer.control.report.colours import css, kind_of
from maskinfer.control.report.period import read_period
from maskinfer.control.report.report import labels_of
from maskinfer.control.report.words import percent_words, sentence
from maskinfer.control.room.state import Room, camera_labels
from maskinfer.control.web import words
from maskinfer.control.web.guard.access import COOKIE, COOKIE_LETTERS, Access, Visitor
from maskinfer.control.web.guard.brake import LoginBrake, login_brake
from maskinfer.engine.errors import RequestError

# Each page with its place in the menu.
MENU = (("/", "Live"), ("/today", "Today"), ("/visits", "Visits"), ("/report", "Report"), ("/cameras", "Cameras"))


@cache
def static_version() -> str:
    """Return what changes with the files under ``/static``, so that browsers may keep them."""
    folder = files("maskinfer.control.web") / "static"
    digest = hashlib.sha256(f"{__version__} {css()}".encode())
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def link(path: str, **query: Any) -> str:
    """Return a path with a query, without what is None or empty."""
    kept = {name: value for name, value in query.items() if value not in (None, "", False)}
    return quote(path) + (f"?{urlencode(kept)}" if kept else "")


def _static(name: str) -> str:
    return f"/static/{name}?v={static_version()}"


def _share(value: float, of: float) -> str:
    return percent_words(value / of) if of else "-"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("maskinfer.control.web"),
                PrefixLoader({"of-report": PackageLoader("maskinfer.control.report")}),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    said = {name: getattr(words, name) for name in words.__all__}
    environment.globals.update(
        said, link=link, static=_static, share=_share, labels_of=labels_of, kind_of=kind_of, sentence=sentence
    )
    for name in environment.list_templates():  # now, so that the first who looks does not wait for it
        environment.get_template(name)
    return environment


@dataclass(frozen=True, slots=True)
class Site:
    """The page of one running watch.

    Attributes:
        room: what it shows.
        access: who has logged in.
        brake: slows down who tries passwords.
        templates: of its pages.
        began_s: by ``time.monotonic``.
    """

    room: Room
    access: Access
    brake: LoginBrake = field(default_factory=login_brake)
    templates: Environment = field(default_factory=_templates)
    began_s: float = field(default_factory=time.monotonic)

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page made of a template and what is put into it."""
        state = request.scope.get("state", {})
        cookie: str = state.get("cookie", "")
        fresh = len(cookie) != COOKIE_LETTERS
        cookie = self.access.new_cookie() if fresh else cookie
        html = self.templates.get_template(template).render(
            menu=MENU,
            path=request.url.path,
            visitor=state.get("visitor"),
            has_accounts=not self.access.is_open,
            csrf=self.access.csrf(cookie),
            now=self.now(),
            **values,
        )
        answer = HTMLResponse(html, status)
        if fresh:
            self.give_cookie(request, answer, cookie)
        return answer

    def give_cookie(self, request: Request, answer: Any, cookie: str) -> None:
        """Put a session's cookie into an answer; no script reads it, and no other website makes a browser send it."""
        secure = self.is_secure() or request.url.scheme == "https"
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="lax", secure=secure, path="/")

    def is_secure(self) -> bool:
        """Whether the settings say that the page is reached by HTTPS."""
        return self.room.settings.page.secure

    def zone(self) -> tzinfo | None:
        """Return the time zone of days and hours; None for this machine's."""
        name = self.room.settings.time_zone
        return ZoneInfo(name) if name else None

    def labels(self) -> list[str]:
        """Return the labels that visits may have."""
        return [*camera_labels(self.room.cameras()), *self.room.store.labels()]

    def now(self) -> datetime:
        """Return the time on the wall clock of the watch."""
        return datetime.now(self.zone()).astimezone(self.zone())

    def day(self, text: str) -> tuple[datetime, datetime]:
        """Return when a day begins and ends: ``today``, ``yesterday``, or one such as ``2026-11-25``.

        Raises:
            RequestError: it is no day.
        """
        from_at, to_at = read_period(text, now=self.now(), time_zone=self.zone())
        if from_at is None or to_at is None:
            raise RequestError(f"{text!r:.40} is no day")
        return from_at, to_at


def site_of(request: Request) -> Site:
    """Return the site that a request is for."""
    site: Site = request.app.state.site
    return site


def visitor_of(request: Request) -> Visitor:
    """Return who asks."""
    visitor: Visitor = request.state.visitor
    return visitor


def plain(values: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a query without those that are empty."""
    return {name: value.strip() for name, value in values.items() if value.strip()}

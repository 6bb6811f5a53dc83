"""What a type cannot say of settings: names that are given twice, hours, addresses, and what needs something else."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from maskinfer.control.settings.hours import read_hours, zone_of
from maskinfer.control.settings.passwords import is_hash
from maskinfer.control.settings.receivers import NotifySettings
from maskinfer.control.settings.rules import line_rules, zone_rules
from maskinfer.control.settings.types import CameraSettings, PageSettings, Settings
from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.urls import is_url
from maskinfer.engine.sources.camera import LAST_CAMERA

Path = tuple[str | int, ...]
Mistake = tuple[Path, str]
"""Where it is, and what is wrong and expected."""
LEAST_TOKEN = 16


def mistakes(settings: Settings) -> Iterator[Mistake]:
    """Yield every mistake in settings that fit their types."""
    yield from _zone((), settings.time_zone)
    yield from _twice("cameras", [camera.name for camera in settings.cameras])
    for i, camera in enumerate(settings.cameras):
        yield from _camera(("cameras", i), camera)
    yield from _people(settings)
    yield from _listen(("page", "listen"), settings.page)
    if is_open_to_others(settings.page.listen) and not settings.accounts and not settings.tokens:
        yield (
            ("page", "listen"),
            f"page.listen is {settings.page.listen}, which other machines reach: this needs at least one of "
            "[[accounts]] or [[tokens]]; maskinfer serve --hash-password makes a hash",
        )
    if settings.collect is not None:
        yield from _known(("collect", "cameras"), settings.collect.cameras, settings)
    for i, hook in enumerate(settings.webhooks):
        yield from _http(("webhooks", i, "url"), hook.url)
    for i, chat in enumerate(settings.notify):
        yield from _chat(("notify", i), chat, settings)


def is_open_to_others(listen: str) -> bool:
    """Tell whether other machines reach an address, such as ``0.0.0.0:8600``.

    >>> is_open_to_others("127.0.0.1:8600"), is_open_to_others("[::1]:80"), is_open_to_others("0.0.0.0:8600")
    (False, False, True)
    """
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _camera(path: Path, camera: CameraSettings) -> Iterator[Mistake]:
    yield from _zone(path, camera.time_zone)
    for k, text in enumerate(camera.active):
        try:
            read_hours(text)
        except ValueError as error:
            yield (*path, "active", k), f"active hours of {camera.name}: {error}"
    if camera.record and not is_url(camera.url):
        yield (
            (*path, "record"),
            f"{camera.name} cannot be recorded, since its url is no stream, expected an address such as rtsp://...; "
            "maskinfer stream --record records all kinds",
        )
    for name, address in (("url", camera.url), ("look_at", camera.look_at or "")):
        if address.isdecimal() and int(address) > LAST_CAMERA:
            yield (*path, name), f"there is no camera {address}: indices go up to {LAST_CAMERA}"
    zones = [zone.name for zone in camera.zones]
    yield from _twice("zones", zones, path)
    for k, line in enumerate(camera.lines):
        if line.name in zones:
            yield (*path, "lines", k, "name"), f"{line.name!r} is a zone and a line of {camera.name}: rename one"
        yield from _rule((*path, "lines", k), partial(line_rules, line))
    yield from _twice("lines", [line.name for line in camera.lines], path)
    for k, zone in enumerate(camera.zones):
        yield from _rule((*path, "zones", k), partial(zone_rules, zone))


def _rule(path: Path, make: Callable[[], object]) -> Iterator[Mistake]:
    try:
        make()
    except RequestError as error:
        yield path, str(error)


def _people(settings: Settings) -> Iterator[Mistake]:
    yield from _twice("accounts", [account.name for account in settings.accounts])
    yield from _twice("tokens", [token.name for token in settings.tokens])
    for i, account in enumerate(settings.accounts):
        if not is_hash(account.password_hash):
            yield (
                ("accounts", i, "password_hash"),
                f"the password_hash of {account.name} is no hash: maskinfer serve --hash-password makes one",
            )
    for i, token in enumerate(settings.tokens):
        if len(token.token) < LEAST_TOKEN or not token.token.isascii() or not token.token.isprintable():
            yield (
                ("tokens", i, "token"),
                f"the token of {token.name} can be guessed: expected {LEAST_TOKEN} ASCII characters or more",
            )


def _listen(path: Path, page: PageSettings) -> Iterator[Mistake]:
    port = page.listen.rpartition(":")[2]
    if int(port) > 65535:
        yield path, f"page.listen has the port {port}, expected one up to 65535"


def _chat(path: Path, chat: NotifySettings, settings: Settings) -> Iterator[Mistake]:
    if chat.url:
        yield from _http((*path, "url"), chat.url)
    for name in _needed(chat):
        if not getattr(chat, name):
            yield path, f"{chat.service} needs {name}: see the commented example of maskinfer serve --init"
    yield from _known((*path, "cameras"), chat.cameras, settings)


def _known(path: Path, names: Iterable[str], settings: Settings) -> Iterator[Mistake]:
    known = [camera.name for camera in settings.cameras]
    for k, name in enumerate(names):
        if name not in known:
            yield (*path, k), f"there is no camera {name!r}, expected one of {', '.join(known)}"


def _needed(chat: NotifySettings) -> tuple[str, ...]:
    by_bot: tuple[str, ...] = ("token", "chat")
    if chat.service == "matrix":
        return ("url", *by_bot)
    return by_bot if chat.service == "telegram" or (chat.service == "slack" and chat.token) else ("url",)


def _http(path: Path, url: str) -> Iterator[Mistake]:
    if not url.lower().startswith(("http://", "https://")):
        yield path, f"{path[0]}[{path[1]}].url is no address that can be posted to, expected http:// or https://"


def _zone(path: Path, name: str | None) -> Iterator[Mistake]:
    try:
        zone_of(name)
    except ValueError as error:
        yield (*path, "time_zone"), str(error)


def _twice(what: str, names: Iterable[str], path: Path = ()) -> Iterator[Mistake]:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield (*path, what, i, "name"), f"two {what} are named {name!r}, expected a name of its own for each"
        seen.add(name)

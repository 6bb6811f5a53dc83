"""Logging in and out."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from maskinfer.control.web.guard.access import COOKIE
from maskinfer.control.web.guard.brake import network_of
from maskinfer.control.web.site import site_of


async def login(request: Request) -> Response:
    """Show the form, or check what was filled in."""
    site = site_of(request)
    asked = request.query_params.get("next", "")
    if site.access.is_open:
        return RedirectResponse("/", 303)
    if request.method != "POST":
        return site.page(request, "login.html", next=asked, problem="", name="")
    form = await request.form()
    name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
    address = network_of(request.client.host if request.client else "")
    if wait_s := site.brake.take(address):
        seconds = int(wait_s) + 1
        text = f"Too many wrong passwords. Wait {seconds} seconds, then try again."
        answer: Response = site.page(request, "login.html", status=429, next=asked, problem=text, name=name)
        answer.headers["Retry-After"] = str(seconds)
        return answer
    account = await run_in_threadpool(site.access.check, name, password)
    if account is None:
        text = "The name or the password is wrong."
        return site.page(request, "login.html", status=403, next=asked, problem=text, name=name)
    site.brake.give_back(address)
    answer = RedirectResponse(inner_path(asked), 303)
    # A new name for the session: whoever knew the old one knows nothing of this one.
    site.access.end(request.state.cookie)
    site.give_cookie(request, answer, site.access.begin(account))
    return answer


async def logout(request: Request) -> Response:
    """End the session."""
    site_of(request).access.end(request.state.cookie)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def inner_path(path: str) -> str:
    """Return a path of this page to go on to; the first page when it would lead elsewhere.

    >>> inner_path("/visits?label=without_mask"), inner_path("//evil.example/"), inner_path("https://evil.example")
    ('/visits?label=without_mask', '/', '/')
    """
    parts = urlsplit(path)
    is_elsewhere = parts.scheme or parts.netloc or "\\" in path or not path.isprintable()
    return "/" if is_elsewhere or not path.startswith("/") else path

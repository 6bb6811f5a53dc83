"""The application: which path leads where, and what stands before all of them."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from maskinfer.control.report.colours import css
from maskinfer.control.room.state import Room
from maskinfer.control.web import cameras, days, live, login, media, reports
from maskinfer.control.web.api import routes as api
from maskinfer.control.web.api.feed import EventFeed
from maskinfer.control.web.guard.access import Access
from maskinfer.control.web.guard.brake import Brake
from maskinfer.control.web.guard.gate import Gate, refusal
from maskinfer.control.web.guard.shield import Shield
from maskinfer.control.web.site import Site
from maskinfer.engine.errors import MaskinferError, RequestError

# From one address: pages of sixteen live cameras at five pictures a second stay under it.
_PER_S, _BURST = 300, 600
_FORM_BYTES = 1_000_000
_KEEP = "public, max-age=31536000, immutable"


def make_app(room: Room, *, must_log_in: bool = False) -> Starlette:
    """Return the page of a running watch as an ASGI application; close its ``state.feed`` when it is over.

    Args:
        room: what it shows.
        must_log_in: others than this machine reach it.
    """
    access = Access(lambda: room.settings, must_log_in=must_log_in)
    site = Site(room, access)

    def body_bytes(path: str) -> int:
        return int(room.settings.page.max_upload_mb * 1e6) if path == api.IMAGES else _FORM_BYTES

    app = Starlette(
        routes=_routes(),
        middleware=[
            Middleware(
                Shield,
                hosts=lambda: room.settings.page.hosts,
                body_bytes=body_bytes,
                is_secure=site.is_secure,
                brake=Brake(_PER_S, _BURST),
            ),
            Middleware(Gate, access=access, brake=site.brake),
        ],
        exception_handlers={HTTPException: _on_http, MaskinferError: _on_ours, Exception: _on_bug},
    )
    app.state.site = site
    app.state.feed = EventFeed(room.store)
    return app


def _routes() -> list[Any]:
    with as_file(files("maskinfer.control.web") / "static") as folder:
        static = StaticFiles(directory=folder)
    return [
        Route("/", live.live),
        Route("/live/now", live.live_now),
        Route("/live/pictures", media.live_pictures),
        Route("/live.jpg", media.live_jpeg),
        Route("/live.mjpeg", media.live_mjpeg),
        Route("/today", days.today),
        Route("/visits", days.visits),
        Route("/visits/{id:path}", days.visit),
        Route("/report", reports.report),
        Route("/cameras", cameras.cameras),
        Route("/cameras/zones", cameras.zones),
        Route("/cameras/picture.jpg", media.snapshot),
        Route("/pictures/{id}", media.picture),
        Route("/recordings/{id}", media.recording),
        Route("/login", login.login, methods=["GET", "POST"]),
        Route("/logout", login.logout, methods=["POST"]),
        Route("/favicon.ico", lambda request: RedirectResponse("/static/icon.svg", 301)),
        *api.routes(),
        Route("/static/colours.css", _colours),
        Mount("/static", _Kept(static)),
    ]


def _colours(request: Request) -> Response:
    """Return the colours of labels, which reports and their pictures have too."""
    headers = {"Cache-Control": _KEEP} if "v" in request.query_params else {}
    return Response(css(), media_type="text/css", headers=headers)


class _Kept:
    """Files that browsers may keep for a year, since their addresses change with them."""

    def __init__(self, app: StaticFiles) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def kept(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200 and b"v=" in scope["query_string"]:
                message["headers"].append((b"cache-control", _KEEP.encode()))
            await send(message)

        await self._app(scope, receive, kept)


async def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = error.detail if isinstance(error, HTTPException) else ""
    standard = {404: "There is no such page.", 405: "This cannot be done here."}
    return refusal(request, status, standard[status] if text in ("Not Found", "Method Not Allowed") else text)


async def _on_ours(request: Request, error: Exception) -> Response:
    return refusal(request, 400 if isinstance(error, RequestError) else 503, str(error))


async def _on_bug(request: Request, error: Exception) -> Response:
    return refusal(request, 500, "Something went wrong here, which should not. The log of the watch says more.")

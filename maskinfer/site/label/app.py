"""The application: a page, its pictures, and four requests."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Annotated, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from maskinfer.control.web.guard.brake import Brake
from maskinfer.control.web.guard.gate import is_same_site
from maskinfer.control.web.guard.shield import Shield
from maskinfer.engine.errors import MaskinferError, RequestError
from maskinfer.engine.results import LABELS
from maskinfer.engine.schema import from_json
from maskinfer.site.label.queue import Queue
from maskinfer.site.pool import Box, picture_file

_COOKIE = "maskinfer_label"
_PER_S, _BURST, _BODY_BYTES = 100, 300, 10_000
_KEEP = {"Cache-Control": "private, max-age=86400"}


class _Answered(Struct):
    picture: str
    label: str
    number: Annotated[int, Meta(ge=0)] | None = None
    bbox: Box | None = None


def make_app(queue: Queue, site: Any, key: str) -> Starlette:
    """Return the page as an ASGI application.

    Args:
        queue: the faces.
        site: the folder that they lie in.
        key: that the first address has to hold; whoever does not know it sees nothing, on this machine too.
    """
    csrf = secrets.token_urlsafe(24)

    def begin(request: Request) -> Response:
        if _is(request.query_params.get("key", ""), key):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(_COOKIE, key, httponly=True, samesite="strict", path="/")
            return answer
        if not _may(request, key):
            return _refused(403, "Open the address that maskinfer label printed, with its key.")
        template = _templates().get_template("label.html")
        return HTMLResponse(template.render(csrf=csrf, others=[name for name in queue.labels if name not in LABELS]))

    def guarded(do: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            if not _may(request, key):
                return _refused(403, "Open the address that maskinfer label printed, with its key.")
            if request.method == "POST" and not (
                is_same_site(request) and _is(request.headers.get("x-csrf-token", ""), csrf)
            ):
                return _refused(403, "This request does not come from the page: load it again.")
            return await do(request)

        return checked

    async def now(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(queue.now))

    async def answer(request: Request) -> Response:
        said = await _read(request)
        if said.number is None:
            if said.bbox is None:
                raise RequestError("an added face needs a box")
            return JSONResponse(await run_in_threadpool(queue.add, said.picture, said.label, said.bbox))
        return JSONResponse(await run_in_threadpool(queue.answer, said.picture, said.number, said.label, said.bbox))

    async def undo(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(queue.undo))

    async def picture(request: Request) -> Response:
        name = request.path_params["id"]
        if not queue.has_picture(name):
            return _refused(404, "There is no such picture.")
        return FileResponse(picture_file(site, name), media_type="image/jpeg", headers=_KEEP)

    static = StaticFiles(directory=str(files("maskinfer.site.label") / "static"))
    shield = Middleware(
        Shield, hosts=tuple, body_bytes=lambda path: _BODY_BYTES, is_secure=lambda: False, brake=Brake(_PER_S, _BURST)
    )
    return Starlette(
        routes=[
            Route("/", begin),
            Route("/now", guarded(now)),
            Route("/answer", guarded(answer), methods=["POST"]),
            Route("/undo", guarded(undo), methods=["POST"]),
            Route("/pictures/{id}.jpg", guarded(picture)),
            Mount("/static", static),
        ],
        middleware=[shield],
        exception_handlers={MaskinferError: _on_ours},
    )


def _templates() -> Environment:
    return Environment(loader=PackageLoader("maskinfer.site.label"), autoescape=True, undefined=StrictUndefined)


def _may(request: Request, key: str) -> bool:
    return _is(request.cookies.get(_COOKIE, ""), key)


def _is(given: str, expected: str) -> bool:
    # In bytes: hmac compares text of ASCII alone, and the other side may send anything.
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


async def _read(request: Request) -> _Answered:
    try:
        return from_json(await request.body(), _Answered)
    except (ValueError, json.JSONDecodeError) as error:
        raise RequestError(f"this is no answer: {error}") from error


def _refused(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


async def _on_ours(_request: Request, error: Exception) -> Response:
    return _refused(400 if isinstance(error, RequestError) else 503, str(error))

"""Who asks, and whether they may: the second thing that every request passes."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskinfer.control.web.guard.access import COOKIE, Access, Visitor
from maskinfer.control.web.guard.brake import LoginBrake, network_of

# What anybody may ask for who reaches the page.
_PUBLIC = ("/login", "/healthz", "/readyz", "/static/", "/favicon.ico", "/manifest.webmanifest")
_SAFE = ("GET", "HEAD", "OPTIONS")
_FORM = "application/x-www-form-urlencoded"


class Gate:
    """ASGI middleware that finds out who asks, and lets through who may.

    ``scope["state"]`` then holds ``visitor``, None on pages that anybody may see, and ``cookie``, the session's name.

    Args:
        app: what is asked when nothing speaks against it.
        access: knows who has logged in.
        brake: slows down who tries passwords and tokens.
    """

    def __init__(self, app: ASGIApp, *, access: Access, brake: LoginBrake) -> None:
        self._app, self._access, self._brake = app, access, brake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer, body = await self._check(request)
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self._app(scope, receive if body is None else _again(body, receive), send)

    async def _check(self, request: Request) -> tuple[Response | None, bytes | None]:
        """Return the answer to who may not, and the body of a form, which then is read already."""
        state, cookie = request.scope.setdefault("state", {}), request.cookies.get(COOKIE, "")
        body = None
        if request.method not in _SAFE:
            if not is_same_site(request):
                return refusal(request, 403, "This request comes from another website, and is refused."), None
            # A program sends its token each time, and no browser sends it by itself.
            if cookie and "authorization" not in request.headers:
                body = await request.body() if request.headers.get("content-type", "").startswith(_FORM) else None
                if not self._access.is_csrf(cookie, _csrf(request, body)):
                    return refusal(request, 403, "This page is too old to do that: load it again."), None
        visitor, answer = await self._who(request, cookie)
        state.update(visitor=visitor, cookie=cookie)
        if visitor is None and answer is None and not request.url.path.startswith(_PUBLIC):
            answer = self._to_login(request)
        return answer, body

    async def _who(self, request: Request, cookie: str) -> tuple[Visitor | None, Response | None]:
        authorization = request.headers.get("authorization", "")
        if not authorization or self._access.is_open:
            return self._access.by_cookie(cookie), None
        if self._access.is_known(authorization):
            return await run_in_threadpool(self._access.by_header, authorization), None
        address = network_of(request.client.host if request.client else "")
        if wait_s := self._brake.take(address):
            return None, slow_down(request, wait_s)
        visitor = await run_in_threadpool(self._access.by_header, authorization)
        if visitor is None:
            return None, refusal(request, 401, "This token, or this name and password, is not known.")
        self._brake.give_back(address)
        return visitor, None

    def _to_login(self, request: Request) -> Response:
        if request.method in _SAFE and "text/html" in request.headers.get("accept", ""):
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse("/login" if asked == "/" else f"/login?next={quote(asked, safe='')}", 303)
        return refusal(request, 401, "Log in, or send a token with the header Authorization.")


def refusal(request: Request, status: int, text: str) -> Response:
    """Return an answer that says why a request was refused."""
    headers = {"WWW-Authenticate": 'Bearer realm="maskinfer"'} if status == 401 else None
    if request.url.path.startswith("/v1/") or "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": text}, status, headers)
    answer: Response = request.app.state.site.page(
        request, "problem.html", status=status, title="Not possible", text=text
    )
    return answer


def slow_down(request: Request, wait_s: float) -> Response:
    """Return the answer to who has tried too many passwords."""
    seconds = int(wait_s) + 1
    answer = refusal(request, 429, f"Too many wrong passwords: try again in {seconds} s.")
    answer.headers["Retry-After"] = str(seconds)
    return answer


def is_same_site(request: Request) -> bool:
    """Tell whether a request that changes something comes from this page or from a program, by what browsers add."""
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    # The scheme is not compared: a server before this one speaks HTTPS with the browser.
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _csrf(request: Request, body: bytes | None) -> str:
    if body is None:
        return request.headers.get("x-csrf-token", "")
    return parse_qs(body.decode("utf-8", "replace"), max_num_fields=1000).get("csrf", [""])[0]


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more, then what follows it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give

"""The HTTP API: what programs ask for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from maskinfer.control.drift.words import drift_dict
from maskinfer.control.publish.metrics import CONTENT_TYPE, render
from maskinfer.control.report.page import embed_pictures, report_html
from maskinfer.control.report.report import make_report
from maskinfer.control.report.table import visit_rows
from maskinfer.control.report.to_json import report_dict, visit_dict
from maskinfer.control.room.state import CameraState, Room
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.web.api.asked import asked_visits
from maskinfer.control.web.api.blurred import blurred_pictures
from maskinfer.control.web.api.bodies import Pause, Shapes
from maskinfer.control.web.api.feed import EventFeed
from maskinfer.control.web.api.openapi import description
from maskinfer.engine.errors import MaskinferError, RequestError
from maskinfer.engine.schema import from_plain, parse_json

IMAGES = "/v1/images"
_MOST_IMAGES = 32
_MOST_WAITING = 64
_MOST_VISITS = 1000
_KEEP_ALIVE_S = 15.0
_LONGEST_WAIT_S = 30.0


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/v1/openapi.json", lambda request: JSONResponse(description())),
        Route("/v1/cameras", cameras),
        Route("/v1/cameras/zones", save_zones, methods=["PUT"]),
        Route("/v1/cameras/pause", pause, methods=["PUT"]),
        Route("/v1/cameras/reference", renew, methods=["PUT"]),
        Route("/v1/visits", visits),
        Route("/v1/visits/{id:path}", visit),
        Route("/v1/report", report),
        Route("/v1/events", events),
        Route(IMAGES, images, methods=["POST"]),
        Route("/healthz", lambda request: JSONResponse({"healthy": True})),
        Route("/readyz", ready),
        Route("/metrics", metrics),
    ]


def cameras(request: Request) -> Response:
    """Return all cameras as they are now."""
    return JSONResponse({"cameras": [camera_dict(state) for state in _room(request).cameras()]})


def camera_dict(state: CameraState) -> dict[str, Any]:
    """Return a camera as plain data."""
    return {
        "name": state.name,
        "state": state.state,
        "mode": state.mode,
        "reason": state.reason,
        "fps": round(state.fps, 2),
        "dropped": state.dropped,
        "age_s": None if state.age_s is None else round(state.age_s, 3),
        "width": state.size_wh[0] if state.size_wh else None,
        "height": state.size_wh[1] if state.size_wh else None,
        "faces": dict(state.faces),
        "zones": [
            {
                "name": zone.name,
                "polygon": [list(corner) for corner in zone.polygon],
                "allowed": list(zone.allowed),
                "hold_s": zone.hold_s,
                "cooldown_s": zone.cooldown_s,
                "faces": dict(state.zone_faces.get(zone.name, {})),
            }
            for zone in state.zones
        ],
        "lines": [{"name": line.name, "ends": [list(end) for end in line.ends]} for line in state.lines],
        "drift": drift_dict(state.drift),
    }


async def save_zones(request: Request) -> Response:
    """Save the zones and lines of a camera."""
    _refuse_who_may_not_change(request)
    shapes = await _body(request, Shapes)
    await run_in_threadpool(_room(request).save_zones, _camera(request), shapes.zones, shapes.lines)
    return cameras(request)


async def pause(request: Request) -> Response:
    """Pause a camera, or watch it again."""
    _refuse_who_may_not_change(request)
    wanted = await _body(request, Pause)
    await run_in_threadpool(_room(request).pause, _camera(request), wanted.paused)
    return cameras(request)


async def renew(request: Request) -> Response:
    """Let the reference of a camera begin anew."""
    _refuse_who_may_not_change(request)
    await run_in_threadpool(_room(request).renew_looks, _camera(request))
    return cameras(request)


def visits(request: Request) -> Response:
    """Return visits, newest first."""
    asked = dict(request.query_params)
    limit = asked.pop("limit", "100")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= _MOST_VISITS):
        raise RequestError(f"limit is {limit!r:.40}, expected a whole number from 1 to {_MOST_VISITS}")
    query = _query(request, asked)
    found = _room(request).store.visits(replace(query, limit=int(limit) + 1))
    shown = found[: int(limit)]
    older = shown[-1].cursor if len(found) > len(shown) else None
    return JSONResponse({"visits": [visit_dict(stored) for stored in shown], "before": older})


def visit(request: Request) -> Response:
    """Return a visit."""
    stored = _room(request).store.visit(request.path_params["id"], request.app.state.site.zone())
    if stored is None:
        raise HTTPException(404, "This visit is not kept any more.")
    return JSONResponse(visit_dict(stored))


def report(request: Request) -> Response:
    """Return the report of a period, as JSON, CSV or a page of its own."""
    asked = dict(request.query_params)
    kind = asked.pop("format", "json")
    store, query = _room(request).store, _query(request, asked)
    if kind == "json":
        return JSONResponse(report_dict(make_report(store, query)))
    if kind == "csv":
        # In a thread, line by line: a table may have a million of them.
        lines = (f"{line}\r\n" for line in visit_rows(store, query))
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=_taken("visits.csv"))
    if kind == "html":
        shown = embed_pictures(store) if request.state.visitor.sees_faces else blurred_pictures(store)
        # A page of its own, whose style lies within: it is taken along, and never shown as a part of this site.
        html = report_html(make_report(store, query), shown)
        return Response(html, media_type="text/html; charset=utf-8", headers=_taken("report.html"))
    raise RequestError(f"format is {kind!r:.40}, expected json, csv or html")


async def events(request: Request) -> Response:
    """Return events after one, or a stream of server-sent events."""
    feed: EventFeed = request.app.state.feed
    after = request.query_params.get("after") or request.headers.get("last-event-id", "")
    if "text/event-stream" in request.headers.get("accept", ""):
        begin = feed.number_of(after) if after else feed.last
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(feed, begin), media_type="text/event-stream", headers=headers)
    number, wait = feed.number_of(after), request.query_params.get("wait_s", "0")
    try:
        await feed.wait(number, min(_LONGEST_WAIT_S, max(0.0, float(wait))))
    except ValueError as error:
        raise RequestError(f"wait_s is {wait!r:.40}, expected a number of seconds") from error
    told = ", ".join(event.text for event in feed.after(number))
    return Response(f'{{"events": [{told}]}}', media_type="application/json")


async def _stream(feed: EventFeed, number: int) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    while True:
        for event in feed.after(number):
            number = event.number
            yield f"id: {event.id}\nevent: {event.kind}\ndata: {event.text}\n\n"
        await feed.wait(number, _KEEP_ALIVE_S)
        if feed.last == number:
            yield ": nothing new\n\n"  # so that whoever stands between keeps the connection


async def images(request: Request) -> Response:
    """Return the results of images; one that cannot be read spoils no other."""
    named = await _images(request)
    waiting: asyncio.Semaphore = _semaphore(request)
    if waiting.locked():
        raise HTTPException(503, "Too many images are waiting: try again in a second.", {"Retry-After": "1"})
    async with waiting:
        found = await asyncio.gather(*(run_in_threadpool(_infer, _room(request), *pair) for pair in named))
    status = 422 if all("error" in result for result in found) else 200
    if "application/x-ndjson" in request.headers.get("accept", ""):
        lines = "".join(json.dumps(result) + "\n" for result in found)
        return Response(lines, status, media_type="application/x-ndjson")
    return JSONResponse({"results": found}, status)


async def _images(request: Request) -> list[tuple[str, bytes]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind == "multipart/form-data":
        async with request.form(max_files=_MOST_IMAGES, max_fields=_MOST_IMAGES) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            named = [(file.filename or "", await file.read()) for file in files]
    elif kind.startswith("image/") or kind == "application/octet-stream":
        named = [("", await request.body())]
    else:
        text = "Send an image as the body with its type, such as image/jpeg, or several as multipart/form-data."
        raise HTTPException(415, text)
    if not named or not all(data for _, data in named):
        raise HTTPException(422, "There is no image in this request.")
    return named


def _infer(room: Room, name: str, data: bytes) -> dict[str, Any]:
    try:
        (result,) = room.infer([data])
    except MaskinferError as error:
        return {"source": name, "error": str(error)}
    return dict(replace(result, source=name).to_dict())


def _semaphore(request: Request) -> asyncio.Semaphore:
    state = request.app.state
    if not hasattr(state, "waiting"):
        state.waiting = asyncio.Semaphore(_MOST_WAITING)
    found: asyncio.Semaphore = state.waiting
    return found


def ready(request: Request) -> Response:
    """Tell whether the store answers; one that does not raises ``SourceError``, which is answered with 503."""
    _room(request).store.visit("")
    return JSONResponse({"ready": True})


def metrics(request: Request) -> Response:
    """Return the figures for Prometheus."""
    return Response(render(_room(request)), headers={"Content-Type": CONTENT_TYPE})


def _query(request: Request, asked: dict[str, str]) -> VisitQuery:
    site = request.app.state.site
    return asked_visits(asked, site.now(), site.zone(), site.labels)


def _taken(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="maskinfer-{name}"'}


def _room(request: Request) -> Room:
    room: Room = request.app.state.site.room
    return room


def _camera(request: Request) -> str:
    name = request.query_params.get("camera", "")
    if all(state.name != name for state in _room(request).cameras()):
        raise HTTPException(404, "There is no such camera.")
    return name


def _refuse_who_may_not_change(request: Request) -> None:
    if not request.state.visitor.may_change:
        raise HTTPException(403, "Only an admin may change this.")


async def _body(request: Request, kind: type[Any]) -> Any:
    try:
        return from_plain(parse_json(await request.body()), kind)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, str(error)) from error

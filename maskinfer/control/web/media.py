"""Pictures: of visits, live, and to draw zones on; faces are blurred for who may not see them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from maskinfer.control.room.state import SMALL_FPS
from maskinfer.control.web.api.blurred import blurred_jpeg
from maskinfer.control.web.site import Site, site_of, visitor_of
from maskinfer.engine.errors import SourceError

_WAIT_S = 10.0
# After that the page asks anew, and whether it still may is looked at.
_STREAM_S = 20.0
_BOUNDARY = "maskinfer-frame"
# A visit's picture never changes under its id.
_KEEP = {"Cache-Control": "private, max-age=86400"}


def picture(request: Request) -> Response:
    """Return a picture of a visit."""
    path = site_of(request).room.store.picture(request.path_params["id"])
    if path is None:
        raise HTTPException(404, "This picture is not kept any more.")
    if visitor_of(request).sees_faces:
        return FileResponse(path, media_type="image/jpeg", headers=_KEEP)
    try:
        return Response(blurred_jpeg(path), media_type="image/jpeg", headers={"Cache-Control": "no-store"})
    except SourceError as error:
        raise HTTPException(404, "This picture is not kept any more.") from error


async def live_jpeg(request: Request) -> Response:
    """Return the newest picture of a camera; with ``after``, wait for one that is newer than that."""
    site, camera = site_of(request), request.query_params.get("camera", "")
    look = _look(request)
    _refuse_unknown(site, camera)
    after = request.query_params.get("after", "")
    ends_s, pause_s = time.monotonic() + (_WAIT_S if after else 0), _pause_s(site)
    while True:
        found = await run_in_threadpool(look)
        if found is not None and str(found[0]) != after:
            number, data = found
            return Response(data, media_type="image/jpeg", headers={"X-Sequence": str(number)})
        if time.monotonic() >= ends_s or await request.is_disconnected():
            return Response(status_code=204)
        await asyncio.sleep(pause_s)


async def live_mjpeg(request: Request) -> Response:
    """Return the pictures of a camera one after the other, as ``multipart/x-mixed-replace``, for other programs."""
    site, camera = site_of(request), request.query_params.get("camera", "")
    _refuse_unknown(site, camera)
    look = _look(request)

    async def parts() -> AsyncIterator[bytes]:
        shown = None
        while not await request.is_disconnected():
            found = await run_in_threadpool(look)
            if found is not None and found[0] != shown:
                shown, data = found
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                yield head.encode() + data + b"\r\n"
            await asyncio.sleep(_pause_s(site))

    return StreamingResponse(parts(), media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}")


async def live_pictures(request: Request) -> Response:
    """Return the new pictures of all cameras as they come, each after a line of JSON: ``camera`` and its ``bytes``.

    Those of the cameras ``large`` are large. It ends after a while, when a page asks again.
    """
    site, larges = site_of(request), request.query_params.getlist("large")
    blurred, shown = not visitor_of(request).sees_faces, dict[str, int]()

    def take() -> bytes:
        news = b""
        for camera in [state.name for state in site.room.cameras()]:
            found = site.room.live_jpeg(camera, blurred=blurred, small=camera not in larges)
            if found is not None and shown.get(camera) != found[0]:
                shown[camera], data = found
                news += json.dumps({"camera": camera, "bytes": len(data)}).encode() + b"\n" + data
        return news

    async def parts() -> AsyncIterator[bytes]:
        ends_s = time.monotonic() + _STREAM_S
        while time.monotonic() < ends_s and not await request.is_disconnected():
            if news := await run_in_threadpool(take):
                yield news
            most_fps = site.room.settings.page.live_fps
            await asyncio.sleep(1 / (most_fps if larges else min(most_fps, SMALL_FPS)))

    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(parts(), media_type="application/octet-stream", headers=headers)


def snapshot(request: Request) -> Response:
    """Return a camera's picture as it is, to draw zones on."""
    site, camera = site_of(request), request.query_params.get("camera", "")
    _refuse_unknown(site, camera)
    if not visitor_of(request).may_change:
        raise HTTPException(403, "Only an admin may draw zones.")
    data = site.room.snapshot(camera)
    return Response(status_code=204) if data is None else Response(data, media_type="image/jpeg")


def recording(request: Request) -> Response:
    """Return a recording; it shows faces as they are."""
    if not visitor_of(request).sees_faces:
        raise HTTPException(403, "Recordings show faces, which you may not see.")
    path = site_of(request).room.store.recording(request.path_params["id"])
    if path is None:
        raise HTTPException(404, "This recording is not kept any more.")
    return FileResponse(path, filename=path.name, content_disposition_type="inline")


def _look(request: Request) -> Callable[[], tuple[int, bytes] | None]:
    asked, sees_faces = request.query_params, visitor_of(request).sees_faces
    look = site_of(request).room.live_jpeg
    return partial(look, asked.get("camera", ""), blurred=not sees_faces, small=asked.get("size") == "small")


def _refuse_unknown(site: Site, camera: str) -> None:
    if all(state.name != camera for state in site.room.cameras()):
        raise HTTPException(404, "There is no such camera.")


def _pause_s(site: Site) -> float:
    return max(0.02, min(1.0, 0.5 / site.room.settings.page.live_fps))

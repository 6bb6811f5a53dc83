"""The cameras: their state, their zones and lines, and the page to draw these on."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from maskinfer.control.drift.words import drift_words
from maskinfer.control.room.state import camera_labels
from maskinfer.control.web.live import camera_words
from maskinfer.control.web.site import site_of, visitor_of
from maskinfer.control.web.words import short


def cameras(request: Request) -> Response:
    """Show all cameras."""
    site = site_of(request)
    states = site.room.cameras()
    said = {state.name: camera_words(state) for state in states}
    drifts = {state.name: drift_words(state.drift) for state in states}
    return site.page(request, "cameras.html", cameras=states, said=said, drifts=drifts, usage=site.room.store.usage())


def zones(request: Request) -> Response:
    """Show the page on which the zones of a camera are drawn."""
    site, name = site_of(request), request.query_params.get("camera", "")
    camera = next((state for state in site.room.cameras() if state.name == name), None)
    if camera is None:
        raise HTTPException(404, "There is no such camera.")
    if not visitor_of(request).may_change:
        raise HTTPException(403, "Only an admin may draw zones.")
    shapes = {
        "zones": [
            {
                "name": zone.name,
                "polygon": zone.polygon,
                "allowed": zone.allowed,
                "hold_s": zone.hold_s,
                "cooldown_s": zone.cooldown_s,
            }
            for zone in camera.zones
        ],
        "lines": [{"name": line.name, "ends": line.ends} for line in camera.lines],
    }
    kinds = {label: short(label) for label in camera_labels([camera])}
    size_wh = camera.size_wh or (1280, 720)
    return site.page(request, "zones.html", camera=camera, shapes=shapes, size_wh=size_wh, kind_words=kinds)

"""The first page: all cameras as they are now, and who came last without a mask."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from maskinfer.control.room.state import CameraState
from maskinfer.control.store.questions import VisitQuery
from maskinfer.control.web import words
from maskinfer.control.web.days import counted_by_label
from maskinfer.control.web.site import Site, site_of

_RECENT = 12
_LATE_S = 5.0


def live(request: Request) -> Response:
    """Show the page."""
    site = site_of(request)
    cameras = [camera_words(camera) for camera in site.room.cameras()]
    return site.page(request, "live.html", cameras=cameras, **_news(site))


def live_now(request: Request) -> Response:
    """Return what the page asks for each second: states, and the latest violations as a piece of HTML."""
    site = site_of(request)
    news = _news(site)
    html = site.templates.get_template("recent.html").render(now=site.now(), **news)
    newest = news["recent"][0] if news["recent"] else None
    said = "" if newest is None else f"{words.short(newest.visit.label, newest.visit.bare)}: {newest.visit.camera}"
    return JSONResponse(
        {
            "cameras": [camera_words(camera) for camera in site.room.cameras()],
            "recent": html,
            "newest": "" if newest is None else newest.visit.id,
            "said": said,
        }
    )


def _news(site: Site) -> dict[str, Any]:
    query = VisitQuery(
        from_at=site.day("today")[0], only_violations=True, limit=_RECENT, time_zone=site.zone(), newest_first=True
    )
    return {"recent": site.room.store.visits(query), "totals": counted_by_label(site.room.store, query)}


def camera_words(camera: CameraState) -> dict[str, str]:
    """Return what is shown of a camera, in words."""
    is_late = camera.state == "running" and camera.age_s is not None and camera.age_s > _LATE_S
    age = "" if camera.age_s is None else words.lasting(camera.age_s)
    if is_late or (camera.state == "lost" and age):
        about = f"last picture {age} ago"
    elif camera.state == "running":
        about = f"{camera.fps:.0f} pictures a second"
    else:
        about = ""
    return {
        "name": camera.name,
        "state": "late" if is_late else camera.state.replace(" ", "-"),
        "word": "Late" if is_late else words.state(camera.state),
        "about": about,
        "reason": camera.reason,
        "people": words.people_now(camera.faces) if camera.state == "running" else "",
    }

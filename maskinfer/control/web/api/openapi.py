"""The API's description, as OpenAPI 3.1: made of the types that the answers are made of."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import msgspec

from maskinfer import __version__
from maskinfer.control.web.api.bodies import Pause, Shapes
from maskinfer.engine.decoders import json_decoder
from maskinfer.engine.drift.compare import DriftState
from maskinfer.engine.records import FrameRecord

_SCHEMAS = "#/components/schemas/"
_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_LABEL = {"type": "string", "description": "a label that the classifier knows, or uncertain"}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}
_ANY = {"type": "object"}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"{_SCHEMAS}{name}"}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields)}


def _asked(name: str, text: str, schema: dict[str, Any] | None = None, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema or _TEXT, "required": required}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _answers(content: dict[str, Any], *more: tuple[int, str]) -> dict[str, Any]:
    refused = ((401, "Nobody is logged in, or the token is wrong."), (429, "Too many requests."), *more)
    told = {str(status): {"description": text, "content": _json(_ref("Problem"))} for status, text in refused}
    return {"200": {"description": "Done.", "content": content}, **told}


def _get(summary: str, content: dict[str, Any], *asked: dict[str, Any]) -> dict[str, Any]:
    more = [(400, "A field holds what it cannot.")] if asked else []
    return {"get": {"summary": summary, "parameters": list(asked), "responses": _answers(content, *more)}}


_PERIOD = (
    _asked("day", "today, yesterday or a date such as 2026-11-25"),
    _asked("from", "a date or a time, instead of day"),
    _asked("to", "a date, which is included, or a time"),
    _asked("camera", "of one camera alone"),
    _asked("zone", "in one zone alone"),
)
_CAMERA = _asked("camera", "name of the camera", required=True)


@cache
def description() -> dict[str, Any]:
    """Return the description; nothing in it depends on the settings."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "maskinfer, the control room",
            "version": __version__,
            "description": "What is seen at the entrances: cameras, visits, reports and events. A visit is one person "
            "before one camera. Who sends no session of the page sends a token or a name and a password.",
        },
        "security": [{"token": []}, {"password": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
            "schemas": _schemas(),
        },
    }


def _paths() -> dict[str, Any]:
    event_stream = {"text/event-stream": {"schema": _TEXT}}
    jpeg = {"image/jpeg": {"schema": {"type": "string", "contentMediaType": "image/jpeg"}}}
    return {
        "/v1/images": {"post": _images()},
        "/v1/cameras": _get("All cameras as they are now.", _json(_ref("Cameras"))),
        "/v1/cameras/zones": {"put": _put("Save the zones and lines of a camera; they count at once.", "Shapes")},
        "/v1/cameras/pause": {"put": _put("Pause a camera, or watch it again.", "Pause")},
        "/v1/cameras/reference": {
            "put": _put("Let the reference of a camera, against which its looks are compared, begin anew.")
        },
        "/v1/visits": _get(
            "Visits, newest first.",
            _json(_object(visits=_list(_ref("Visit")), before=_maybe(_TEXT))),
            *_PERIOD,
            _asked("label", "the label that is settled", _LABEL),
            _asked("violations", "anything: only visits against the rules"),
            _asked("limit", "most of them", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
            _asked("before", "to go on after the last visit: the answer's before"),
        ),
        "/v1/visits/{id}": {
            "get": {
                "summary": "One visit.",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": _TEXT}],
                "responses": _answers(_json(_ref("Visit")), (404, "It is not kept any more.")),
            }
        },
        "/v1/report": _get(
            "The report of a period.",
            {**_json(_ref("Report")), "text/csv": {"schema": _TEXT}, "text/html": {"schema": _TEXT}},
            *_PERIOD,
            _asked("format", "of the answer", {"type": "string", "enum": ["json", "csv", "html"], "default": "json"}),
        ),
        "/v1/events": _get(
            "What happened to visits: the latest 1,000 events since the start, or with Accept: text/event-stream those "
            "that come, as server-sent events.",
            {**_json(_object(events=_list(_ref("Event")))), **event_stream},
            _asked("after", "id of the last event that is known; of a stream the header Last-Event-ID does the same"),
            _asked("wait_s", "wait so long for one, at most 30 s", {"type": "number", "minimum": 0}),
        ),
        "/live.jpg": _get(
            "The newest picture of a camera, with its number in the header X-Sequence; 204 if there is none.",
            jpeg,
            _CAMERA,
            _asked("after", "wait up to 10 s for another one than that with this number"),
        ),
        "/live.mjpeg": _get(
            "The pictures of a camera one after the other.", {"multipart/x-mixed-replace": {"schema": _TEXT}}, _CAMERA
        ),
        "/healthz": {"get": {**_get("The server answers.", _json(_ANY))["get"], "security": []}},
        "/readyz": {"get": {**_get("The store answers too.", _json(_ANY))["get"], "security": []}},
        "/metrics": _get("Figures for Prometheus.", {"text/plain": {"schema": _TEXT}}),
    }


def _images() -> dict[str, Any]:
    image = {"schema": {"type": "string", "contentMediaType": "image/*"}}
    files = {"schema": {"type": "object", "additionalProperties": {"type": "string", "format": "binary"}}}
    result = {"anyOf": [_ref("FrameRecord"), _ref("Unread")]}
    content = {**_json(_object(results=_list(result))), "application/x-ndjson": {"schema": result}}
    return {
        "summary": "Faces and their labels in up to 32 images; one that cannot be read spoils no other.",
        "requestBody": {"required": True, "content": {"image/*": image, "multipart/form-data": files}},
        "responses": _answers(
            content,
            (413, "The request is too large: see page.max_upload_mb."),
            (415, "It is neither an image nor a form."),
            (422, "None of the images can be read."),
            (503, "Too many images are waiting: see the header Retry-After."),
        ),
    }


def _put(summary: str, body: str = "") -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": [_CAMERA],
        **({"requestBody": {"required": True, "content": _json(_ref(body))}} if body else {}),
        "responses": _answers(
            _json(_ref("Cameras")), (403, "Only an admin may."), (404, "No such camera."), (422, "It cannot be so.")
        ),
    }


def _schemas() -> dict[str, Any]:
    kinds = (FrameRecord, Shapes, Pause)
    for kind in kinds:
        json_decoder(kind)  # which builds it, for all threads
    _, made = msgspec.json.schema_components(kinds, ref_template=_SCHEMAS + "{name}")
    span = _object(label=_LABEL, bare=_maybe(_TEXT), score={"type": "number"}, from_at=_TIME, to_at=_TIME)
    violation = _object(zone=_maybe(_TEXT), label=_LABEL, bare=_maybe(_TEXT), from_at=_TIME, to_at=_TIME)
    counted = _object(key=_TEXT, people=_COUNTS, violations=_COUNT)
    share = {"type": "number", "minimum": 0, "maximum": 1}
    number = {"type": "number"}
    return {
        **made,
        "Problem": _object(error=_TEXT),
        "Unread": _object(source=_TEXT, error=_TEXT),
        "Cameras": _object(cameras=_list(_ref("Camera"))),
        "Camera": _object(
            name=_TEXT,
            state=_TEXT,
            mode=_TEXT,
            reason=_TEXT,
            fps={"type": "number"},
            dropped=_COUNT,
            age_s=_maybe({"type": "number"}),
            width=_maybe(_COUNT),
            height=_maybe(_COUNT),
            faces=_COUNTS,
            zones=_list(_ANY),
            lines=_list(_ANY),
            drift=_maybe(_ref("Drift")),
        ),
        "Drift": _object(
            state={"type": "string", "enum": list(get_args(DriftState))},
            since=_TIME,
            people=_COUNT,
            words=_TEXT,
            shifts=_list(_object(what=_TEXT, psi=number, before=number, now=number, which=_maybe(_TEXT))),
        ),
        "Visit": _object(
            id=_TEXT,
            camera=_TEXT,
            first_at=_TIME,
            last_at=_TIME,
            label=_LABEL,
            bare=_maybe(_TEXT),
            ended=_maybe(_TEXT),
            zones=_list(_TEXT),
            spans=_list(span),
            passages=_list(_object(line=_TEXT, direction=_TEXT, at=_TIME)),
            violations=_list(violation),
            pictures=_list(_object(id=_TEXT, label=_LABEL, at=_TIME)),
        ),
        "Event": _object(id=_TEXT, event=_TEXT, at=_TIME, visit=_ref("Visit")),
        "Report": _object(
            from_at=_TIME,
            to_at=_TIME,
            made_at=_TIME,
            camera=_maybe(_TEXT),
            zone=_maybe(_TEXT),
            people=_COUNT,
            unknown=_COUNT,
            violations=_COUNT,
            labels=_list(_object(label=_TEXT, people=_COUNT, share=share, low=share, high=share)),
            unit={"type": "string", "enum": ["hour", "day"]},
            by_time=_list(counted),
            by_zone=_list(counted),
            by_camera=_list(counted),
            passages=_list(_object(camera=_TEXT, line=_TEXT, direction=_TEXT, passages=_COUNT)),
            newest_violations=_list(_ref("Visit")),
            watched=_list(_ANY),
            looks=_ANY,
        ),
    }

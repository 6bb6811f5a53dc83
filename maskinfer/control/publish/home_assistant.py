"""What Home Assistant is told so that it finds the cameras by itself.

A device for each camera, by one message: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload,
which Home Assistant has known since 2024.11.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, get_args

from maskinfer import __version__
from maskinfer.control.publish.topics import Topics
from maskinfer.control.room.state import CameraMode, CameraState, CameraStatus
from maskinfer.engine.results import INCORRECT_MASK, LABELS, WITH_MASK, WITHOUT_MASK
from maskinfer.engine.visits.visit import ChangeKind

Component = dict[str, Any]
_ORIGIN = {"name": "maskinfer", "sw": __version__, "url": "https://github.com/maskinfer/maskinfer"}
_NOW = (
    ("all", "People in view", "mdi:account-multiple"),
    (WITH_MASK, "With a mask in view", "mdi:face-mask"),
    (WITHOUT_MASK, "Without a mask in view", "mdi:face-mask-outline"),
    (INCORRECT_MASK, "Mask worn incorrectly in view", "mdi:alert-circle-outline"),
)
_TODAY = (
    ("people", "People today", "mdi:account-multiple"),
    (WITH_MASK, "With a mask today", "mdi:face-mask"),
    (WITHOUT_MASK, "Without a mask today", "mdi:face-mask-outline"),
    (INCORRECT_MASK, "Mask worn incorrectly today", "mdi:alert-circle-outline"),
    ("violations", "Violations today", "mdi:alert"),
)


def discovery_topic(prefix: str, topics: Topics, camera: str) -> str:
    """Return the topic at which Home Assistant looks for a camera; it may hold ASCII letters, digits, _ and - only."""
    return f"{prefix}/device/{_id(topics, camera)}/config"


def discovery_payload(topics: Topics, camera: CameraState, *, picture: bool) -> dict[str, Any]:
    """Return what Home Assistant is to know of a camera.

    Args:
        topics: that the camera is told at.
        camera: the camera, with its zones.
        picture: the picture of the latest violation is sent.
    """
    node = _id(topics, camera.name)
    components = {**_camera(topics, camera.name), **_own_labels(topics, camera), **_zones(topics, camera)}
    if picture:
        components["picture"] = {
            "platform": "image",
            "name": "Latest violation",
            "image_topic": topics.picture(camera.name),
            "content_type": "image/jpeg",
        }
    for key, component in components.items():
        component["unique_id"] = f"{node}_{key}"
    device = {"ids": [node], "name": camera.name, "mf": "maskinfer", "mdl": "Mask watch", "sw": __version__}
    return {"dev": device, "o": _ORIGIN, "availability_topic": topics.status, "cmps": components}


def _camera(topics: Topics, name: str) -> dict[str, Component]:
    state, today = topics.state(name), topics.today(name)
    wrong = f"value_json.faces.{WITHOUT_MASK} + value_json.faces.{INCORRECT_MASK}"
    return {
        "state": {
            "platform": "sensor",
            "name": "State",
            "device_class": "enum",
            "options": list(get_args(CameraStatus)),
            "entity_category": "diagnostic",
            "state_topic": state,
            "value_template": "{{ value_json.state }}",
        },
        "fps": {
            "platform": "sensor",
            "name": "Frames a second",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "state_topic": state,
            "value_template": "{{ value_json.fps }}",
        },
        "wrong": {
            "platform": "binary_sensor",
            "name": "Somebody without a mask",
            "device_class": "problem",
            "state_topic": state,
            "value_template": "{{ 'ON' if " + wrong + " > 0 else 'OFF' }}",
        },
        "mode": {
            "platform": "select",
            "name": "Mode",
            "options": list(get_args(CameraMode)),
            "state_topic": state,
            "value_template": "{{ value_json.mode }}",
            "command_topic": topics.set_mode(name),
        },
        "paused": {
            "platform": "switch",
            "name": "Paused",
            "icon": "mdi:pause-circle",
            "state_topic": state,
            "value_template": "{{ value_json.paused }}",
            "command_topic": topics.set_paused(name),
        },
        "event": {
            "platform": "event",
            "name": "Event",
            "event_types": [*get_args(ChangeKind), "camera"],
            "state_topic": topics.event(name),
            "value_template": "{{ dict(value_json, event_type=value_json.event) | tojson }}",
        },
        **{f"now_{key}": _sensor(words, icon, state, f"faces.{key}") for key, words, icon in _NOW},
        **{f"today_{key}": _sensor(words, icon, today, key, is_total=True) for key, words, icon in _TODAY},
    }


def _own_labels(topics: Topics, camera: CameraState) -> dict[str, Component]:
    """Return sensors of the labels that the shipped models do not know."""
    state, today, icon = topics.state(camera.name), topics.today(camera.name), "mdi:account-question"
    made: dict[str, Component] = {}
    for label in camera.labels:
        if label not in LABELS:
            key, words = _ascii(label), label.replace("_", " ").capitalize()
            made[f"now_{key}"] = _sensor(f"{words} in view", icon, state, f"faces.get('{label}', 0)")
            made[f"today_{key}"] = _sensor(f"{words} today", icon, today, f"get('{label}', 0)", is_total=True)
    return made


def _zones(topics: Topics, camera: CameraState) -> dict[str, Component]:
    state, today = topics.state(camera.name), topics.today(camera.name)
    made: dict[str, Component] = {}
    for zone in camera.zones:
        key, place = f"zone_{_ascii(zone.name)}", f"zones['{zone.name}']"
        made[f"{key}_all"] = _sensor(f"{zone.name}: people in view", _NOW[0][2], state, f"{place}.all")
        made[f"{key}_{WITHOUT_MASK}"] = _sensor(
            f"{zone.name}: without a mask in view", _NOW[2][2], state, f"{place}.{WITHOUT_MASK}"
        )
        made[f"{key}_violations"] = _sensor(
            f"{zone.name}: violations today", _TODAY[4][2], today, f"{place}.violations", is_total=True
        )
    return made


def _sensor(name: str, icon: str, topic: str, path: str, *, is_total: bool = False) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "icon": icon,
        "state_class": "total_increasing" if is_total else "measurement",
        "state_topic": topic,
        "value_template": "{{ value_json." + path + " }}",
    }


def _id(topics: Topics, camera: str) -> str:
    return f"{_ascii(topics.base)}_{_ascii(camera)}"


def _ascii(text: str) -> str:
    """Return a name in ASCII letters, digits and _; two names that would become one get a digest."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()
    return plain if plain == text else f"{plain}_{hashlib.sha256(text.encode()).hexdigest()[:8]}".strip("_")

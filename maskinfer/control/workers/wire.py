"""What the processes of one watch tell one another, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import numpy as np

from maskinfer.control.room.state import CameraCounters, CameraMode, CameraState, Distribution
from maskinfer.control.settings.types import Settings
from maskinfer.control.store.questions import CameraEventKind
from maskinfer.control.watch.watching import Counted
from maskinfer.engine.decoders import json_decoder
from maskinfer.engine.drift.counts import What
from maskinfer.engine.visits.visit import VisitChange

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is to do.

    Attributes:
        settings: of the whole watch.
        cameras: names of those that the worker looks at.
        modes: of cameras that people paused, or let watch always.
    """

    settings: Settings
    cameras: tuple[str, ...]
    modes: dict[str, CameraMode]

    def mine(self) -> Settings:
        """Return the settings with the worker's cameras alone."""
        return replace(self.settings, cameras=tuple(one for one in self.settings.cameras if one.name in self.cameras))


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker reads from its standard input when it begins.

    Attributes:
        token: without which it answers nobody.
        task: its first one.
    """

    token: str
    task: Task


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker writes to its standard output when its models are loaded, or cannot be.

    Attributes:
        port: of 127.0.0.1, at which it answers.
        error: why it cannot begin; empty if it can.
        kind: the name of the error's class.
    """

    port: int = 0
    error: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class CameraHappened:
    """What happened to a camera; see ``Store.camera_event``."""

    camera: str
    kind: CameraEventKind
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """There is a recording, or it is longer; see ``Store.add_recording``."""

    camera: str
    path: str
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class Looked:
    """How what a camera sees looked; see ``Store.add_looks``."""

    camera: str
    models: str
    at: datetime
    counts: dict[What, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened: the one that is not None.

    Attributes:
        change: of a visit.
        camera: to a camera.
        recorded: of a recording.
        line: news or a fault, for people.
        looked: of a camera.
    """

    change: VisitChange | None = None
    camera: CameraHappened | None = None
    recorded: Recorded | None = None
    line: str | None = None
    looked: Looked | None = None


@dataclass(frozen=True, slots=True)
class ViolationCount:
    """How many violations of one kind began before a camera."""

    camera: str
    zone: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class News:
    """What a worker answers when it is asked what happened.

    Attributes:
        number: of the last thing that happened, by which the next question says that it was heard.
        happened: everything after the number that was asked for, or the first part of it.
        cameras: as they are now.
        counted: since the worker began, without the violations.
        violations: since the worker began.
        models: time of the models for each batch.
        is_over: the worker has ended its watch, and nothing will happen after this.
    """

    number: int
    happened: tuple[Happened, ...]
    cameras: tuple[CameraState, ...]
    counted: dict[str, CameraCounters]
    violations: tuple[ViolationCount, ...]
    models: Distribution
    is_over: bool


@dataclass(frozen=True, slots=True)
class Images:
    """Encoded images to look at."""

    images: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Mode:
    """Another mode of a camera."""

    camera: str
    mode: CameraMode


def encode(data: Any) -> bytes:
    """Return data of the types above as JSON."""
    return msgspec.json.encode(data, enc_hook=_plain)


def decode(data: bytes, kind: type[_T]) -> _T:
    """Return what ``encode`` made of a type.

    Raises:
        ValueError: it is something else.
    """
    return json_decoder(kind, _array).decode(data)


def news_of(
    number: int, happened: Sequence[Happened], cameras: Sequence[CameraState], counted: Counted, *, is_over: bool
) -> News:
    """Return news; JSON has no names of two parts, so violations go beside the other figures."""
    violations = tuple(
        ViolationCount(camera, *key, count)
        for camera, one in counted.cameras.items()
        for key, count in one.violations.items()
    )
    figures = {name: replace(one, violations={}) for name, one in counted.cameras.items()}
    return News(number, tuple(happened), tuple(cameras), figures, violations, counted.models, is_over)


def counted_of(news: News) -> Counted:
    """Return the figures of news."""
    violations: dict[str, dict[tuple[str, str], int]] = {}
    for one in news.violations:
        violations.setdefault(one.camera, {})[one.zone, one.label] = one.count
    cameras = {name: replace(one, violations=violations.get(name, {})) for name, one in news.counted.items()}
    return Counted(cameras, news.models)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [list(value.shape), value.tobytes()]
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not told between processes")


def _array(_kind: type, value: Any) -> Any:
    shape, data = value
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(shape)

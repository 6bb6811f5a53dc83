"""A control room over recorded pictures: a second implementation of ``Room``, for tests of what shows one."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import cv2
import numpy as np

import maskinfer
from maskinfer.control.room.state import CameraMode, CameraState, Distribution, RoomCounters
from maskinfer.control.settings.types import CameraSettings, LineSettings, Settings, ZoneSettings
from maskinfer.control.store.store import Store
from maskinfer.control.watch.view import View
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError, SourceError
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import BGRFrame, FrameResult
from maskinfer.engine.visits.visit import BestPicture, Ended, LabelSpan, Passage, Violation, Visit, VisitChange

DEMO = Path(__file__).resolve().parent.parent.parent / "samples" / "demo.mp4"
FPS = 10.0
RECORDED_FRAMES = 30
NAMES = {"with_mask": 0, "without_mask": 1, "incorrect_mask": 2}


@dataclass(frozen=True)
class Recording:
    """Frames with their results."""

    frames: tuple[tuple[BGRFrame, FrameResult], ...]

    def faces(self, label: str) -> list[BestPicture]:
        """Pictures of faces with a label, the surroundings included."""
        found = []
        for bgr, result in self.frames:
            for face in result.faces:
                if face.label == label:
                    left, top, right, bottom = face.xyxy
                    half = 0.9 * max(right - left, bottom - top)
                    x, y = (left + right) / 2, (top + bottom) / 2
                    cut = bgr[max(0, int(y - half)) : int(y + half), max(0, int(x - half)) : int(x + half)]
                    found.append(BestPicture(label, datetime.now(UTC), face.score, face.xyxy, cut.copy()))
        return found


@cache
def engine() -> Engine:
    return maskinfer.load()


@cache
def demo() -> Recording:
    """Some frames of the demo clip, with what the engine finds in them."""
    capture, frames = cv2.VideoCapture(str(DEMO)), []
    every = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // RECORDED_FRAMES)
    for number in range(every * RECORDED_FRAMES):
        done, bgr = capture.read()
        if done and number % every == 0:
            frames.append(np.asarray(bgr, np.uint8))
    capture.release()
    found = engine()(frames)
    return Recording(tuple(zip(frames, found, strict=True)))


class RecordedRoom:
    """Shows a recording again and again as each of its cameras."""

    def __init__(self, store: Store, settings: Settings, recording: Recording) -> None:
        self._store, self._settings, self._recording = store, settings, recording
        self._modes: dict[str, CameraMode] = {}
        self.states: dict[str, CameraState] = {}
        """Of cameras that are to look other than running."""
        self.looked: list[tuple[str, bool]] = []
        self.still: int | None = None
        """The frame that is shown all the time; None to show them in turn."""
        self._began_s, self._began_at = time.monotonic(), datetime.now(UTC)

    @property
    def store(self) -> Store:
        return self._store

    @property
    def settings(self) -> Settings:
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def counters(self) -> RoomCounters:
        return RoomCounters(self._began_at, {}, Distribution((), (0,), 0.0))

    def cameras(self) -> Sequence[CameraState]:
        return [self._state(camera) for camera in self._settings.cameras]

    def _state(self, camera: CameraSettings) -> CameraState:
        bgr, result = self._now()[1]
        mode = self._modes.get(camera.name, "auto")
        state = self.states.get(camera.name) or CameraState(
            camera.name,
            "paused" if mode == "paused" else "running",
            fps=FPS,
            age_s=0.1,
            size_wh=(bgr.shape[1], bgr.shape[0]),
            faces=result.counts(),
        )
        return replace(state, zones=camera.zones, lines=camera.lines, mode=mode)

    def live_jpeg(self, camera: str, *, blurred: bool, small: bool = False) -> tuple[int, bytes] | None:
        self.looked.append((camera, blurred))
        if not self._is_there(camera) or camera in self.states or self._modes.get(camera) == "paused":
            return None
        number, (bgr, result) = self._now()
        view = View()
        view.show(Picture(bgr), result)
        _, jpeg = view.live(blurred=blurred, most_fps=1, small=small) or (0, b"")
        return number, jpeg

    def snapshot(self, camera: str) -> bytes | None:
        return None if camera in self.states or not self._is_there(camera) else _jpeg(self._recording.frames[0][0])

    def save_zones(self, camera: str, zones: Sequence[ZoneSettings], lines: Sequence[LineSettings]) -> None:
        self._refuse_unknown(camera)
        names = [*(zone.name for zone in zones), *(line.name for line in lines)]
        if len(set(names)) < len(names):
            raise RequestError("two zones or lines have one name, expected a name of its own for each")
        self._settings = replace(
            self._settings,
            cameras=tuple(
                replace(one, zones=tuple(zones), lines=tuple(lines)) if one.name == camera else one
                for one in self._settings.cameras
            ),
        )

    def set_mode(self, camera: str, mode: CameraMode) -> None:
        self._refuse_unknown(camera)
        self._modes[camera] = mode

    def pause(self, camera: str, paused: bool) -> None:
        self.set_mode(camera, "paused" if paused else "auto")

    def renew_looks(self, camera: str) -> None:
        self._refuse_unknown(camera)

    def infer(self, images: list[bytes]) -> list[FrameResult]:
        decoded = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in images]
        if any(bgr is None for bgr in decoded):
            raise SourceError("this is not an image that can be read, or it is broken")
        return engine()([np.asarray(bgr, np.uint8) for bgr in decoded])

    def _is_there(self, camera: str) -> bool:
        return any(one.name == camera for one in self._settings.cameras)

    def _refuse_unknown(self, camera: str) -> None:
        if not self._is_there(camera):
            raise RequestError(f"there is no camera {camera!r}")

    def _now(self) -> tuple[int, tuple[BGRFrame, FrameResult]]:
        number = self.still if self.still is not None else int((time.monotonic() - self._began_s) * FPS)
        return number, self._recording.frames[number % len(self._recording.frames)]


def _jpeg(bgr: BGRFrame) -> bytes:
    return bytes(cv2.imencode(".jpg", bgr)[1].tobytes())


def come(
    store: Store,
    recording: Recording,
    camera: str,
    at: datetime,
    label: str,
    *,
    number: int,
    zone: str | None = None,
    seconds: float = 20.0,
    ended: Ended | None = "left",
    then: str | None = None,
    line: str | None = None,
) -> str:
    """Let a person come before a camera, and return the visit's id."""
    last = at + timedelta(seconds=seconds)
    labels = [label] if then is None else [label, then]
    each = (last - at) / len(labels)
    spans = tuple(
        LabelSpan(one, at + i * each, at + (i + 1) * each, 0.97, "nose" if one == "incorrect_mask" else None)
        for i, one in enumerate(labels)
    )
    wrong = [span for span in spans if span.label in ("without_mask", "incorrect_mask")]
    violations = tuple(Violation(zone, span.label, span.from_at, span.to_at, span.bare) for span in wrong)
    passages = (Passage(line, "in" if number % 3 else "out", at + each / 2),) if line else ()
    visit = Visit(
        f"r1-{camera}-{number}", camera, at, last, labels[-1], spans[-1].bare, spans,
        (zone,) if zone else (), passages, violations, ended,
    )  # fmt: skip
    if label == "uncertain":
        store.add(VisitChange("began", visit, at))
    for one in labels:
        if faces := recording.faces(one):
            picture = replace(faces[number % len(faces)], at=at + each * labels.index(one) + each / 2)
            kind = "violation" if one in ("without_mask", "incorrect_mask") else "settled"
            store.add(VisitChange(kind, visit, at, picture))
    if ended:
        store.add(VisitChange("ended", visit, last))
    return visit.id


def fill_day(
    store: Store, recording: Recording, now: datetime, *, people: int = 60, camera: str = "Main entrance"
) -> None:
    """Let people come in the hours before now, most of them with a mask."""
    chance = random.Random(17)
    labels = ["with_mask"] * 16 + ["without_mask", "without_mask", "incorrect_mask", "uncertain"]
    begin = now.replace(hour=0, minute=5, second=0, microsecond=0)
    length = (now - begin).total_seconds() * 0.97
    for number in range(people):
        # Few at night, most in the morning and the afternoon.
        share = min(0.999, max(0.0, chance.choice((chance.gauss(0.38, 0.06), chance.gauss(0.68, 0.12)))))
        label = chance.choice(labels)
        then = "without_mask" if label == "with_mask" and chance.random() < 0.06 else None
        zone = chance.choice(["Reception", "Reception", "Hall"])
        come(
            store, recording, camera, begin + timedelta(seconds=share * length), label,
            number=number + 1, zone=zone, seconds=chance.uniform(4, 90), then=then,
            line="Door" if chance.random() < 0.7 else None,
        )  # fmt: skip

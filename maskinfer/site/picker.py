"""Picks the frames of one camera's visits that teach something, and encodes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import cv2
import numpy as np

from maskinfer.engine.contract import CropRule
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from maskinfer.site.choose import WHYS, Doubt, Kept, Visit, fingerprint, part_of
from maskinfer.site.pool import PoolFace, PoolPicture, Why

_LONGEST_PX = 1280
_JPEG_QUALITY = 92
_GONE_S = 3.0
_AROUND = CropRule(square=True, margin=0.3, border="replicate")
_FINGERPRINT_PX = 64


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """What is collected.

    Attributes:
        per_visit: most pictures of one visit.
        per_day: most pictures of one day, of all cameras.
        test_share: of the visits that only test: one random frame of each is taken, whatever it shows.
        min_face_px: smaller faces are no reason to take a picture.
        seed: decides on everything random.
        reasons: for which pictures of the pool are taken.
    """

    per_visit: int = 3
    per_day: int = 200
    test_share: float = 0.2
    min_face_px: float = 24
    seed: int = 0
    reasons: tuple[Why, ...] = WHYS

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0 <= self.test_share <= 1 or min(self.per_visit, self.per_day) < 1:
            raise RequestError("expected a test share of 0 to 1, and at least one picture a visit and a day")


def threshold_of(engine: Engine) -> float:
    """Return the score from which on a detection is a face."""
    if engine.face_check:
        return engine.face_check.threshold
    return engine.detector.contract.det_threshold if isinstance(engine.detector, OnnxDetector) else 0.5


class Picker:
    """Picks frames of one camera.

    Args:
        name: of the camera.
        det_threshold: see ``threshold_of``.
        options: what is collected.
        rng: decides which frame of a visit only tests.
        finished: called with each visit that is over, whose ``chosen`` frames may be kept.
    """

    def __init__(
        self,
        name: str,
        det_threshold: float,
        options: CollectOptions,
        rng: np.random.Generator,
        finished: Callable[[Visit], None],
    ) -> None:
        self._name, self._threshold, self._options, self._rng = name, det_threshold, options, rng
        self._finished = finished
        self._visits: dict[int, Visit] = {}

    def see(self, frame: Frame, result: FrameResult, taken: datetime) -> None:
        """Take a frame with its result, taken at a time, into account."""
        for number, face in enumerate(result.faces):
            if min(face.xyxy[2] - face.xyxy[0], face.xyxy[3] - face.xyxy[1]) < self._options.min_face_px:
                continue
            track = face.track_id
            if track is None:  # a picture is a visit of its own, and so is each face in it
                visit = self._new(f"{self._name} {frame.source} {frame.index}.{number}", frame)
            else:
                name = f"{self._name} {taken:%Y-%m-%d %H:%M:%S} {track}"
                visit = self._visits.get(track) or self._new(name, frame, track)
                self._visits[track] = visit
            visit.last_s = frame.time_s
            make = partial(_keep, self._name, frame, result, face, taken, visit)
            visit.look(face, self._threshold, make, self._rng, self._options.reasons)
            if track is None:
                self._finished(visit)
        for track in [t for t, visit in self._visits.items() if frame.time_s - visit.last_s > _GONE_S]:
            self._finished(self._visits.pop(track))

    def close(self) -> None:
        """Finish the visits that are going on: the camera ends, or its clock begins anew."""
        visits, self._visits = self._visits, {}
        for visit in visits.values():
            self._finished(visit)

    def _new(self, name: str, first: Frame, track: int = 0) -> Visit:
        # Drawn by what is seen, not by names or times: a folder that was moved, or a recording that was copied, keeps
        # its parts, and so does every face of one picture.
        seen = f"{hashlib.sha256(np.ascontiguousarray(first.bgr).data).hexdigest()} {track}"
        return Visit(name, part_of(seen, self._options.test_share, self._options.seed))


def _keep(
    name: str, frame: Frame, result: FrameResult, face: Face, taken: datetime, visit: Visit, doubt: Doubt
) -> Kept:
    small, scale = _smaller(frame.bgr)
    height, width = small.shape[:2]
    others = [other for other in result.faces if other is not face]
    record = PoolPicture(
        id="0" * 16,
        camera=name,
        taken=taken.isoformat(timespec="milliseconds"),
        visit=visit.name,
        part=visit.part,
        why=doubt.why,
        size_wh=(width, height),
        faces=tuple(_face(one, scale, (width, height)) for one in (face, *others)),
    )
    jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
    box = np.asarray([face.xyxy], np.float32) * np.float32(scale)
    around = cut_crops(small, box, _AROUND, (_FINGERPRINT_PX, _FINGERPRINT_PX))[0]
    found = fingerprint(around)
    record = replace(record, id=hashlib.sha256(jpeg).hexdigest()[:16], fingerprint=f"{found:016x}")
    return Kept(doubt, record, jpeg, found)


def _smaller(bgr: BGRFrame) -> tuple[BGRFrame, float]:
    height, width = bgr.shape[:2]
    scale = min(1.0, _LONGEST_PX / max(height, width))
    if scale == 1.0:
        return bgr, 1.0
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _face(face: Face, scale: float, size_wh: tuple[int, int]) -> PoolFace:
    left, top, right, bottom = (v * scale for v in face.xyxy)
    box = (max(0.0, left), max(0.0, top), min(float(size_wh[0]), right), min(float(size_wh[1]), bottom))
    rounded = (round(box[0], 1), round(box[1], 1), round(box[2], 1), round(box[3], 1))
    return PoolFace(rounded, face.label, round(face.score, 4), round(face.det_score, 4))

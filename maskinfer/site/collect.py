"""Collects pictures of a place: of each visit a few that teach something, and a random share to test on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from maskinfer.engine.contract import CropRule
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError, OutputError, RequestError
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.faces.tracker import TrackOptions
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from maskinfer.engine.sources.camera import is_live
from maskinfer.engine.sources.open import open_source
from maskinfer.engine.sources.pictures import holds_images
from maskinfer.site.choose import Doubt, Kept, SeenBefore, Visit, fingerprint, part_of
from maskinfer.site.pool import POOL_FILE, PoolFace, PoolPicture, add_picture, read_pool

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
    """

    per_visit: int = 3
    per_day: int = 200
    test_share: float = 0.2
    min_face_px: float = 24
    seed: int = 0


@dataclass(slots=True)
class CollectSummary:
    """What was collected.

    Attributes:
        out: the folder.
        visits: how many people, or pictures, were looked at.
        taken: pictures by the reason for which they were taken.
        left_out: pictures that were not taken, by the reason.
        problems: a line for each source that could not be read to its end.
    """

    out: Path
    visits: int = 0
    taken: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return it as a few lines for the reader."""
        lines = [f"{self.taken.total()} pictures of {self.visits} visits: {self.out}"]
        for name, counts in (("taken for", self.taken), ("left out", self.left_out)):
            if counts:
                lines.append(f"  {name}: " + ", ".join(f"{what} {count}" for what, count in counts.most_common()))
        return "\n".join(lines)


def collect(
    engine: Engine,
    sources: Sequence[tuple[str, str]],
    out: Path,
    options: CollectOptions | None = None,
    *,
    stopped: Callable[[], int] = lambda: 0,
    progress: Progress = SILENT,
) -> CollectSummary:
    """Collect pictures into a folder, which may hold some already.

    Args:
        engine: finds and labels.
        sources: names and addresses of images, folders of images, videos, cameras and streams.
        out: the folder of the place.
        options: what is collected; None for the defaults.
        stopped: asked at every frame; a signal's number ends it.
        progress: told of each picture taken.

    Raises:
        OutputError: the folder cannot be written. SourceError: its list cannot be read.
        RequestError: an option is out of range.
    """
    options = options or CollectOptions()
    if not 0 <= options.test_share <= 1 or min(options.per_visit, options.per_day) < 1:
        raise RequestError("expected a test share of 0 to 1, and at least one picture a visit and a day")
    before = read_pool(out) if (out / POOL_FILE).is_file() else []
    collector = _Collector(engine, out, options, before, progress)
    for name, address in sources:
        try:
            collector.source(name, address, stopped)
        except MaskinferError as error:
            if isinstance(error, OutputError):
                raise
            collector.summary.problems.append(f"{name}: {error}")
            progress.say(f"{name}: {error}")
        if stopped():
            break
    return collector.summary


class _Collector:
    def __init__(
        self, engine: Engine, out: Path, options: CollectOptions, before: Sequence[PoolPicture], progress: Progress
    ) -> None:
        self._engine, self._out, self._options, self._progress = engine, out, options, progress
        self._rng = np.random.default_rng(options.seed)
        self._known = {picture.id for picture in before}
        self._by_day = Counter(picture.taken[:10] for picture in before)
        self._before = SeenBefore([int(picture.fingerprint, 16) for picture in before if picture.part == "pool"])
        detector = engine.detector.contract if isinstance(engine.detector, OnnxDetector) else None
        check = engine.face_check
        self._threshold = check.threshold if check else detector.det_threshold if detector else 0.5
        self.summary = CollectSummary(out)

    def source(self, name: str, address: str, stopped: Callable[[], int]) -> None:
        """Look at one source to its end."""
        live, began = is_live(address), _begin(address)
        visits: dict[int, Visit] = {}
        with open_source(address) as frames:
            for frame, result in self._results(frames, address, live=live):
                if stopped():
                    break
                taken = datetime.now().astimezone() if live else began + timedelta(seconds=frame.time_s)
                self._see(name, frame, result, taken, visits)
        for visit in visits.values():
            self._finish(visit)

    def _results(self, frames: Iterable[Frame], address: str, *, live: bool) -> Iterator[tuple[Frame, FrameResult]]:
        if holds_images(address):
            for frame in frames:
                yield frame, self._engine.infer([frame])[0]
        elif live:
            tracker = self._engine.tracker(TrackOptions())
            for frame in frames:
                yield frame, self._engine.infer([frame], [tracker])[0]
        else:
            for batch in self._engine.follow(frames, TrackOptions()):
                yield from batch

    def _see(self, name: str, frame: Frame, result: FrameResult, taken: datetime, visits: dict[int, Visit]) -> None:
        for number, face in enumerate(result.faces):
            if min(face.xyxy[2] - face.xyxy[0], face.xyxy[3] - face.xyxy[1]) < self._options.min_face_px:
                continue
            track = face.track_id
            if track is None:  # a picture is a visit of its own, and so is each face in it
                visit = self._new(f"{name} {frame.source} {frame.index}.{number}")
            else:
                visit = visits.get(track) or self._new(f"{name} {taken:%Y-%m-%d %H:%M:%S} {track}")
                visits[track] = visit
            visit.last_s = frame.time_s
            make = partial(self._keep, name, frame, result, face, taken, visit)
            visit.look(face, self._threshold, make, self._rng)
            if track is None:
                self._finish(visit)
        for track in [t for t, visit in visits.items() if frame.time_s - visit.last_s > _GONE_S]:
            self._finish(visits.pop(track))

    def _new(self, name: str) -> Visit:
        return Visit(name, part_of(name, self._options.test_share, self._options.seed))

    def _keep(
        self, name: str, frame: Frame, result: FrameResult, face: Face, taken: datetime, visit: Visit, doubt: Doubt
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

    def _finish(self, visit: Visit) -> None:
        """Write the frames of a visit that is over."""
        self.summary.visits += 1
        for kept in visit.chosen(1 if visit.part == "test" else self._options.per_visit):
            picture = kept.record
            reason = self._why_not(picture, kept)
            if reason:
                self.summary.left_out[reason] += 1
                continue
            add_picture(self._out, picture, kept.jpeg)
            self._known.add(picture.id)
            self._by_day[picture.taken[:10]] += 1
            self.summary.taken[picture.why] += 1
            self._progress.advance()

    def _why_not(self, picture: PoolPicture, kept: Kept) -> str:
        if picture.id in self._known:
            return "was there already"
        if self._by_day[picture.taken[:10]] >= self._options.per_day:
            return "the day's budget is spent"
        # A test part without the alike would no longer be what the camera sees.
        if picture.part == "pool" and not self._before.is_new(kept.fingerprint):
            return "nearly the same as another"
        return ""


def _begin(address: str) -> datetime:
    """Return when a recording began, as far as its file says; now for what is no file."""
    try:
        stamp = Path(address).stat().st_mtime
    except (OSError, ValueError):
        return datetime.now().astimezone()
    return datetime.fromtimestamp(stamp).astimezone()


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

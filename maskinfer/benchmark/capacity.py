"""How many cameras this machine holds: found by watching so many, not by division."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskinfer.benchmark.fake_camera import served
from maskinfer.benchmark.synthetic_video import write_film
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.jobs.watch import SourceReport, run_watch
from maskinfer.engine.results import FrameResult

MAX_CAMERAS = 64
# Less than this share of a camera's frames got a result: it is not held. The rest is for what else the machine does.
LEAST_SHARE = 0.97
_WARM_UP_S = 2.0


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """Cameras, and what is asked of them.

    Attributes:
        rate: frames a second.
        size_wh: of a frame, in pixels.
        faces: in each frame.
        latency_ms: 95 % of the results have to be there so soon after their frame was.
        seconds: that each number of cameras is watched.

    Raises:
        RequestError: a number is not over 0.
    """

    rate: int = 15
    size_wh: tuple[int, int] = (1920, 1080)
    faces: int = 5
    latency_ms: float = 200.0
    seconds: float = 10.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.faces < 0 or not min(self.rate, *self.size_wh, self.latency_ms, self.seconds) > 0:
            raise RequestError(f"{self} cannot be: expected numbers over 0")


@dataclass(frozen=True, slots=True)
class Trial:
    """So many cameras, watched for a while.

    Attributes:
        cameras: how many.
        per_second: results a second of the camera that got fewest.
        share: of that camera's frames, that got a result.
        p50_ms, p95_ms: age of results, over all cameras.
        faces: found in a frame, in the mean.
        cores: that were busy for them, in the mean.
        too_much: why the machine did not keep up with so many; empty if it did.
    """

    cameras: int
    per_second: float
    share: float
    p50_ms: float
    p95_ms: float
    faces: float
    cores: float
    too_much: str

    @property
    def is_held(self) -> bool:
        """Whether the machine kept up with so many."""
        return not self.too_much

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        return (
            f"{count_cameras(self.cameras):>10}: {self.per_second:.1f} results/s each ({self.share:.0%} of the "
            f"frames), {self.faces:.1f} faces in each, after {self.p50_ms:.0f} ms (median; 95 % within "
            f"{self.p95_ms:.0f} ms), {self.cores:.1f} cores busy: {self.too_much or 'held'}"
        )


def count_cameras(count: int) -> str:
    """Return ``1 camera`` or ``2 cameras``."""
    return f"{count} camera" if count == 1 else f"{count} cameras"


def find_capacity(engine: Engine, load: CameraLoad, progress: Progress = SILENT) -> tuple[int, list[Trial]]:
    """Watch 1, 2, 4 ... cameras until it is too much, then halve the gap.

    The cameras are films with so many faces, sent over HTTP at their speed by another process of this machine; they are
    decoded, detected, classified and followed as ``maskinfer stream`` does. Nothing is recorded or shown.

    Returns:
        The largest number that was held, 0 when not even one was, and every trial.
    """
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "camera.ts"
        write_film(film, load.size_wh, load.rate, load.faces)
        with served(film) as address:

            def is_held(cameras: int) -> bool:
                trials.append(_try(engine, address, cameras, load))
                progress.say(str(trials[-1]))
                return trials[-1].is_held

            max_cameras, too_many = 0, 1
            while too_many <= MAX_CAMERAS and is_held(too_many):
                max_cameras, too_many = too_many, 2 * too_many
            while too_many - max_cameras > 1 and max_cameras:
                middle = (max_cameras + too_many) // 2
                max_cameras, too_many = (middle, too_many) if is_held(middle) else (max_cameras, middle)
    return max_cameras, trials


def _try(engine: Engine, address: str, cameras: int, load: CameraLoad) -> Trial:
    names = [f"camera-{i}" for i in range(cameras)]
    sources = [f"{name}={address}?{name}" for name in names]
    first_s: dict[str, float] = {}
    faces: list[int] = []

    def on_result(result: FrameResult) -> None:
        first_s.setdefault(result.source, time.monotonic())
        faces.append(len(result.faces))

    def stopped() -> int:
        began_s = max(first_s.values()) if len(first_s) == cameras else time.monotonic()
        return int(time.monotonic() - began_s > load.seconds or time.monotonic() - started_s > 4 * load.seconds)

    started_s, busy_s = time.monotonic(), time.process_time()
    _, reports = run_watch(engine, sources, track=TrackOptions(), on_result=on_result, stopped=stopped)
    ended_s = time.monotonic()
    cores = (time.process_time() - busy_s) / (ended_s - started_s)
    rates = [
        (report.frames - 1) / (ended_s - first_s[name]) if name in first_s else 0.0
        for name, report in zip(names, reports, strict=True)
    ]
    ages = np.concatenate([_ages(report, load) for report in reports])
    middle, high = (float(age) for age in np.percentile(ages, [50, 95])) if len(ages) else (float("inf"),) * 2
    share = min(rates) / load.rate
    too_much = (
        f"too many, a camera got results for less than {LEAST_SHARE:.0%} of its frames" if share < LEAST_SHARE
        else f"too many, results came later than {load.latency_ms:g} ms" if high > load.latency_ms
        else ""
    )  # fmt: skip
    return Trial(cameras, min(rates), min(1.0, share), middle, high, float(np.mean(faces or [0])), cores, too_much)


def _ages(report: SourceReport, load: CameraLoad) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a camera's ages in ms, without those of the first seconds, in which every model is warmed."""
    return np.array(list(report.ages_ms)[round(_WARM_UP_S * load.rate) :], np.float64)

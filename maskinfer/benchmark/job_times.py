"""A whole job, stage by stage: where its time goes, and what its limit is."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.flow.stages import record_stages
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.runtime.cpu import available_threads
from maskinfer.engine.sources.video import open_video

MODEL_STAGES = ("detect", "classify")
_STAGES = ("decode", "letterbox", "detect", "boxes", "track", "crop", "classify", "results", "draw", "encode")
# So many frames tell what the models alone take; 6 MB each at 1080p.
_FRAMES_ALONE = 48
_BUSY_FROM = 0.9


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a job.

    Attributes:
        name: what it does.
        thread: where it ran; ``lane``, so many times, for what runs on several frames at the same time.
        threads: how many there are of that thread.
        busy_ms: that it took for a frame, in the mean, waiting for a core included.
        share: of the busy time of all stages.
    """

    name: str
    thread: str
    threads: int
    busy_ms: float
    share: float


@dataclass(frozen=True, slots=True)
class JobTimes:
    """A whole job.

    Attributes:
        clip: what was annotated.
        frames: of it.
        faces: in all frames.
        per_second: frames a second, from the first frame read to the last one written.
        stages: in their order.
        models_share: of the busy time of all stages.
        models_per_second: frames a second that the models alone would do with the same threads.
        cpu_ms: of all cores' time that the process used for a frame.
        cpu_share: of all cores' time that the process used.
        limit: what bounds the speed, in words.
    """

    clip: str
    frames: int
    faces: int
    per_second: float
    stages: tuple[Stage, ...]
    models_share: float
    models_per_second: float
    cpu_ms: float
    cpu_share: float
    limit: str


def time_job(engine: Engine, clip: str, progress: Progress = SILENT) -> JobTimes:
    """Annotate a clip as ``maskinfer video`` does, and measure every stage.

    Raises:
        SourceError: the clip cannot be read, or not to its end.
    """
    models_per_second = _models_alone(engine, clip)
    with tempfile.TemporaryDirectory() as folder, record_stages() as times:
        began_s, cpu_s = time.perf_counter(), time.process_time()
        summary = run_video(engine, clip, Path(folder) / "out.mp4", track=TrackOptions(), progress=progress)
        seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    total_s = sum(times.seconds.values())
    stages = tuple(
        Stage(
            name,
            min(times.threads[name]).partition("_")[0],
            len(times.threads[name]),
            times.seconds[name] / summary.frames * 1e3,
            times.seconds[name] / total_s,
        )
        for name in sorted(times.seconds, key=_STAGES.index)
    )
    cpu_share = cpu_s / seconds / available_threads()
    return JobTimes(
        clip,
        summary.frames,
        sum(summary.faces.values()),
        summary.frames / seconds,
        stages,
        sum(stage.share for stage in stages if stage.name in MODEL_STAGES),
        models_per_second,
        cpu_s / summary.frames * 1e3,
        cpu_share,
        _limit(stages, summary.frames / seconds, cpu_share),
    )


def _models_alone(engine: Engine, clip: str) -> float:
    """Return the frames a second that the sessions would do if nothing else had to be done."""
    with open_video(clip) as video:
        frames = list(islice(video, _FRAMES_ALONE))
    for _ in engine.follow(frames[: 2 * engine.lanes]):  # warm
        pass
    with record_stages() as times:
        for _ in engine.follow(frames, TrackOptions()):
            pass
    return len(frames) * engine.lanes / max(1e-9, sum(times.seconds.get(name, 0.0) for name in MODEL_STAGES))


def _limit(stages: tuple[Stage, ...], per_second: float, cpu_share: float) -> str:
    """Say what bounds the speed: the cores, or one thread that is never idle."""
    largest = max(stages, key=lambda stage: stage.busy_ms)
    if cpu_share >= _BUSY_FROM:
        return f"the cores: {cpu_share:.0%} busy; the dearest stage is {largest.name}"
    busy: dict[str, float] = {}
    for one in stages:
        busy[one.thread] = busy.get(one.thread, 0.0) + one.busy_ms * per_second / 1e3 / one.threads
    thread = max(busy, key=busy.__getitem__)
    names = ", ".join(one.name for one in stages if one.thread == thread)
    return f"one thread, {busy[thread]:.0%} busy: {names}; the cores are {cpu_share:.0%} busy"

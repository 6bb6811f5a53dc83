"""The search for the fastest way: providers first, then one setting after the other, each against the best so far."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from maskinfer.benchmark.tune.alone import TASKS, Alone, time_alone
from maskinfer.benchmark.tune.moves import LEAST_AGREEMENT, entrants, moves
from maskinfer.benchmark.tune.race import Race, race
from maskinfer.benchmark.tune.work import (
    agreement,
    frames_for,
    look_at,
    open_way,
    pictures,
    run_job,
    shorten,
    source_clip,
    warm,
)
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError, RequestError
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.results import BGRFrame, FrameResult
from maskinfer.engine.runtime.providers import AUTO, runs_on_cpu
from maskinfer.engine.tuned.way import Asked, Way, usual_way

# Until then providers are opened, and their models timed alone.
_ALONE_SHARE = 0.35
# For the last race, between the best way and the usual one.
_LAST_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Tried:
    """A way that was tried.

    Attributes:
        what: differs from the best way until then.
        way: itself.
        said: what came of it, in words.
        frames_per_second: of whole jobs, by the median; None if none was run.
        spread: the slowest and the fastest run, in frames a second.
        speedup: so many times as fast as the best way until then, by the median of neighbouring runs.
        interval: of that, with 95 %.
        agreement: share of faces found and labelled as by the float models on the CPU; None if that was not asked.
    """

    what: str
    way: Way
    said: str
    frames_per_second: float | None = None
    spread: tuple[float, float] | None = None
    speedup: float | None = None
    interval: tuple[float, float] | None = None
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class Tuned:
    """What ``run_tune`` found.

    Attributes:
        asked: the models.
        usual: the way without a profile.
        best: the fastest way; the usual one if no other was faster beyond the noise.
        last: the usual way against the best one; None if they are the same.
        frames: of a run.
        faces: that the ways had to agree on.
        agreement: of the best way.
        tried: all, in their order.
        alone: the models alone.
        failed: why a provider was left out, by its short name.
        seconds: that it took.
        is_complete: nothing was left out because the time was up.
    """

    asked: Asked
    usual: Way
    best: Way
    last: Race | None
    frames: int
    faces: int
    agreement: float
    tried: tuple[Tried, ...]
    alone: tuple[Alone, ...]
    failed: dict[str, str]
    seconds: float
    is_complete: bool


def run_tune(
    asked: Asked,
    *,
    clip: Path | None = None,
    providers: Sequence[str] = (),
    seconds: float = 100.0,
    progress: Progress = SILENT,
) -> Tuned:
    """Find the way in which whole jobs run fastest here, with the answers of the float models on the CPU.

    Args:
        asked: the models.
        clip: to work on; None for a film of 1080p with five faces in each frame.
        providers: by their short names; empty for all that the installed onnxruntime has.
        seconds: after which nothing new is begun.
        progress: told what is tried.

    Raises:
        SourceError: the clip cannot be read. RequestError: no provider runs the models, or one is unknown.
        ModelError, ProviderError: the usual way does not run.
    """
    if not seconds > 0:
        raise RequestError(f"seconds is {seconds}, expected more than 0")
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="maskinfer-tune-") as name:
        search = _Search(asked, _usual(asked), Path(name), began_s + seconds, progress)
        search.prepare(clip)
        alone, failed = time_alone(asked, providers, search.usual.threads, began_s + _ALONE_SHARE * seconds)
        for what, way in entrants(alone, search.usual):
            search.try_way(what, way)
        for setting in ("lanes", "batch", "codecs", "threads", "precision"):
            for what, way in moves(setting, search.best, alone):
                search.try_way(what, way)
        last = search.finish()
    late = any("the time was up" in reason for reason in failed.values())
    return Tuned(
        asked, search.usual, search.best, last, search.frames, search.faces, search.agreements[search.best],
        tuple(search.tried), tuple(alone), failed, time.monotonic() - began_s, search.is_complete and not late,
    )  # fmt: skip


def _usual(asked: Asked) -> Way:
    """Return the way without a profile, by its own name where ``auto`` can be nothing else."""
    way = usual_way(asked)
    return replace(way, provider="cpu") if runs_on_cpu(AUTO) else way


@dataclass(slots=True)
class _Search:
    """A search under way: the best so far, and what was tried."""

    asked: Asked
    usual: Way
    folder: Path
    until_s: float
    progress: Progress
    tried: list[Tried] = field(default_factory=list)
    agreements: dict[Way, float] = field(default_factory=dict)
    frames: int = 0
    faces: int = 0
    is_complete: bool = True
    best: Way = field(init=False)
    _engines: dict[Way, Engine] = field(default_factory=dict)
    _pictures: list[BGRFrame] = field(default_factory=list)
    _truth: list[FrameResult] = field(default_factory=list)
    _last_s: float = 0.0

    def prepare(self, clip: Path | None) -> None:
        """Open the usual way, find how long a run has to be, and what the float models say on the CPU."""
        self.best = self.usual
        self._last_s = self.until_s - _LAST_SHARE * (self.until_s - time.monotonic())
        self.progress.describe("preparing")
        source, first = source_clip(clip, self.folder), self.folder / "first.mkv"
        engine = open_way(self.usual, self.asked)
        shorten(source, first, frames_for(0))
        run_job(engine, first, self.folder)
        began_s = time.perf_counter()
        frames = run_job(engine, first, self.folder)
        shorten(source, self._clip, frames_for(frames / (time.perf_counter() - began_s)))
        self.frames = run_job(engine, self._clip, self.folder)
        self._engines[self.usual] = engine
        self._pictures = pictures(source)
        floats = (self.asked.candidates(task)[0] for task in TASKS)
        on_cpu = replace(self.usual, provider="cpu", detector=next(floats), classifier=next(floats))
        self._truth = look_at(open_way(on_cpu, self.asked), self._pictures)
        self.faces = sum(len(one.faces) for one in self._truth)
        self.agreements[self.usual] = agreement(look_at(engine, self._pictures), self._truth)

    def try_way(self, what: str, way: Way) -> None:
        """Race a way against the best so far, unless it gives other answers, cannot run, or the time is up."""
        if way in (self.best, *(one.way for one in self.tried)):
            return
        if time.monotonic() >= self._last_s:
            self.is_complete = False
            self.tried.append(Tried(what, way, "not tried: the time was up"))
            return
        self.progress.describe(what)
        try:
            engine = open_way(way, self.asked)
            agrees = agreement(look_at(engine, self._pictures), self._truth)
            if agrees < LEAST_AGREEMENT:
                self.tried.append(Tried(what, way, "other labels", agreement=agrees))
                return
            warm(engine, self._clip)
            found = self._race(self._engines[self.best], engine, self._last_s)
        except MaskinferError as error:
            self.tried.append(Tried(what, way, f"fails: {error}"))
            return
        self.tried.append(self._tried(what, way, found, agrees))
        self.agreements[way] = agrees
        if found.is_faster:
            self._engines = {self.usual: self._engines[self.usual], way: engine}
            self.best = way

    def finish(self) -> Race | None:
        """Race the best way against the usual one once more; a gain that was chance ends here."""
        if self.best == self.usual:
            return None
        self.progress.describe("the best against the usual way")
        last = self._race(self._engines[self.usual], self._engines[self.best], self.until_s + 1)
        if last.is_faster:
            return last
        self.tried.append(self._tried("the best once more", self.best, last, self.agreements[self.best]))
        self.best = self.usual
        return None

    @property
    def _clip(self) -> Path:
        return self.folder / "clip.mkv"

    def _race(self, base: Engine, other: Engine, until_s: float) -> Race:
        return race(
            lambda: run_job(base, self._clip, self.folder), lambda: run_job(other, self._clip, self.folder), until_s
        )

    def _tried(self, what: str, way: Way, found: Race, agrees: float) -> Tried:
        rates = self.frames / np.array(found.other_s or [float("inf")])
        said = (
            "faster" if found.is_faster
            else "slower" if found.is_slower
            else "no difference beyond the noise" if found.is_over
            else "not clear when the time was up"
        )  # fmt: skip
        return Tried(
            what, way, said, float(np.median(rates)), (float(rates.min()), float(rates.max())), found.speedup,
            found.interval, agrees,
        )  # fmt: skip

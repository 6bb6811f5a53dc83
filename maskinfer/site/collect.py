"""Collects pictures of a place: of each visit a few that teach something, and a random share to test on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError, OutputError
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sources.camera import is_live
from maskinfer.engine.sources.open import open_source
from maskinfer.engine.sources.pictures import holds_images
from maskinfer.site.choose import Visit
from maskinfer.site.keep import PoolWriter
from maskinfer.site.picker import CollectOptions, Picker, threshold_of


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
    collector = _Collector(engine, out, options, progress)
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
    def __init__(self, engine: Engine, out: Path, options: CollectOptions, progress: Progress) -> None:
        self._engine, self._options, self._progress = engine, options, progress
        self._rng = np.random.default_rng(options.seed)
        self._pool = PoolWriter(out, options)
        self.summary = CollectSummary(out)

    def source(self, name: str, address: str, stopped: Callable[[], int]) -> None:
        """Look at one source to its end."""
        live, began = is_live(address), _begin(address)
        picker = Picker(name, threshold_of(self._engine), self._options, self._rng, self._finish)
        with open_source(address) as frames:
            for frame, result in self._results(frames, address, live=live):
                if stopped():
                    break
                taken = datetime.now().astimezone() if live else began + timedelta(seconds=frame.time_s)
                picker.see(frame, result, taken)
        picker.close()

    def _results(self, frames: Iterable[Frame], address: str, *, live: bool) -> Iterator[tuple[Frame, FrameResult]]:
        if holds_images(address):
            for frame in frames:
                yield frame, self._engine.infer([frame])[0]
        elif live:
            tracker = self._engine.tracker(TrackOptions())
            for frame in frames:
                yield frame, self._engine.infer([frame], [tracker])[0]
        else:
            for batch in self._engine.follow(frames, TrackOptions(detect_every=1)):
                yield from batch

    def _finish(self, visit: Visit) -> None:
        """Write the frames of a visit that is over."""
        self.summary.visits += 1
        for kept in visit.chosen(1 if visit.part == "test" else self._options.per_visit):
            reason = self._pool.add(kept)
            if reason:
                self.summary.left_out[reason] += 1
            else:
                self.summary.taken[kept.record.why] += 1
                self._progress.advance()


def _begin(address: str) -> datetime:
    """Return when a recording began, as far as its file says; now for what is no file."""
    try:
        stamp = Path(address).stat().st_mtime
    except (OSError, ValueError):
        return datetime.now().astimezone()
    return datetime.fromtimestamp(stamp).astimezone()

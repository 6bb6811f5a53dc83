"""What an event needs: hits and false alarms by score bar and hold, on clips looped as a camera would show them.

python -m benchmarks.event_rules CLIP... --out docs/events.png [--classifier FILE]

Each clip is looped and looked at with every frame, and with every 2nd, 3rd, 5th and 8th one, as a slow machine sees a
live camera; as it is, mirrored, darker, brighter, blurred and at half its size. `benchmarks/clips.toml` says what is
true of each clip: which labels may be settled, and in which frame the mask goes down. A hit is exactly one `changed` to
the new label for each time it does. A false alarm is a label that was settled or changed and is not true. Prints a row
for each bar and hold, and draws them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.classifier import DEFAULT_CLASSIFIER
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.load import load
from maskinfer.engine.results import BGRFrame, FrameResult
from maskinfer.engine.sinks.events import Event, EventOptions, events_for, find_events
from maskinfer.engine.sources.open import open_source

TRUTH = Path(__file__).with_name("clips.toml")
STRIDES = (1, 2, 3, 5, 8)
BARS = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98)
HOLDS_S = (0.3, 0.5, 0.8)
# A change that is noticed so long after the next loop has begun still belongs to the one before.
_LATE_S = 0.5
LOOKS: dict[str, Callable[[BGRFrame], BGRFrame]] = {
    "plain": lambda bgr: bgr,
    "mirrored": lambda bgr: np.ascontiguousarray(bgr[:, ::-1]),
    "dark": lambda bgr: (bgr * 0.5).astype(np.uint8),
    "bright": lambda bgr: np.clip(bgr * 1.4 + 15, 0, 255).astype(np.uint8),
    "blurred": lambda bgr: np.asarray(cv2.GaussianBlur(bgr, (0, 0), 1.5), np.uint8),
    "half": lambda bgr: np.asarray(cv2.resize(bgr, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8),
}


@dataclass(frozen=True, slots=True)
class Looped:
    """The results of one clip, looped, at one stride and look.

    Attributes:
        truth: its table in ``clips.toml``.
        stride: every so many frames was looked at.
        loop_s: length of a loop.
        loops: how often it was shown.
        results: with the times of the looped clip.
    """

    truth: dict[str, Any]
    stride: int
    loop_s: float
    loops: int
    results: list[FrameResult]


@dataclass(slots=True)
class Tally:
    """What a rule did on all clips."""

    hits: dict[int, int] = field(default_factory=lambda: dict.fromkeys(STRIDES, 0))
    wanted: dict[int, int] = field(default_factory=lambda: dict.fromkeys(STRIDES, 0))
    delays_s: list[float] = field(default_factory=list)
    settled: int = 0
    false: int = 0
    hours: float = 0.0

    def add(self, run: Looped, events: Sequence[Event]) -> None:
        """Count what the events of a looped clip hit and what they did not."""
        self.hours += run.loops * run.loop_s / 3600
        self.settled += sum(event.kind == "settled" for event in events)
        allowed = run.truth.get("labels")
        said = [event for event in events if event.kind in ("settled", "changed")]
        turns = run.truth.get("turns", [])
        used: set[int] = set()
        for turn in turns:
            for loop in range(run.loops):
                due_s = loop * run.loop_s + turn["time_s"]
                end_s = (loop + 1) * run.loop_s + _LATE_S
                found = [i for i, e in enumerate(said) if e.label == turn["label"] and due_s <= e.time_s < end_s]
                if loop == run.loops - 1 and run.stride > 1 and not found:
                    continue  # the end of the recording came first
                used.update(found[:1])
                self.wanted[run.stride] += 1
                self.hits[run.stride] += len(found) == 1
                self.delays_s += [said[i].time_s - due_s for i in found[:1]]
        turn_labels = {turn["label"] for turn in turns}
        for i, event in enumerate(said):
            is_wrong = allowed is not None and event.label not in allowed
            is_extra = event.kind == "changed" and (not turns or (event.label in turn_labels and i not in used))
            self.false += is_wrong or is_extra


@click.command(help=__doc__)
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--classifier", default=DEFAULT_CLASSIFIER, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Picture of the curves.")
def main(clips: tuple[Path, ...], classifier: str, out: Path | None) -> None:
    engine = load(classifier=classifier)
    runs = [run for clip in clips for run in looped(engine, clip)]
    chosen = events_for(engine.classifier.contract)
    tallies = {(bar, hold): tally(runs, EventOptions(bar, hold_s=hold)) for hold in HOLDS_S for bar in BARS}
    click.echo("hold_s  bar  hits by stride                                   false/h  settled  delay_s (median)")
    for (bar, hold_s), counted in tallies.items():
        click.echo(row(bar, hold_s, counted))
    click.echo("the default:")
    click.echo(row(chosen.least_score, chosen.hold_s, tally(runs, chosen)))
    if out is not None:
        plot(tallies, chosen, out)


def looped(engine: Engine, clip: Path) -> Iterator[Looped]:
    """Yield the results of a clip for each look and stride."""
    truth = tomllib.loads(TRUTH.read_text(encoding="utf-8")).get(clip.name, {})
    with open_source(str(clip)) as frames:
        shown = [(frame.time_s, frame.bgr.copy()) for frame in frames]
    loop_s, loops = shown[-1][0] + shown[1][0] - shown[0][0], truth.get("loops", 2)
    for look in truth.get("looks", LOOKS):
        seen = [LOOKS[look](bgr) for _, bgr in shown]
        for stride in STRIDES:
            tracker, results = engine.tracker(TrackOptions()), []
            for n in range(0, loops * len(shown), stride):
                loop, i = divmod(n, len(shown))
                frame = Frame(clip.name, n, loop * loop_s + shown[i][0], Picture(seen[i].copy()))
                results += engine.infer([frame], [tracker])
            click.echo(f"{clip.name} {look} 1/{stride}: {len(results)} frames", err=True)
            yield Looped(truth, stride, loop_s, loops, results)


def tally(runs: Sequence[Looped], options: EventOptions) -> Tally:
    """Count what the options do on all clips."""
    counted = Tally()
    for run in runs:
        counted.add(run, list(find_events(run.results, options)))
    return counted


def row(bar: float, hold_s: float, counted: Tally) -> str:
    hits = "  ".join(f"1/{k}: {counted.hits[k]}/{counted.wanted[k]}" for k in STRIDES if counted.wanted[k])
    delay = f"{np.median(counted.delays_s):.2f}" if counted.delays_s else "-"
    return f"{hold_s:5.1f}  {bar:.3f}  {hits}  {counted.false / counted.hours:7.1f}  {counted.settled:6d}  {delay}"


def plot(tallies: dict[tuple[float, float], Tally], chosen: EventOptions, file: Path) -> None:
    """Draw hits, false alarms and people who never got a label against the bar, a line for each hold."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.9), layout="constrained")
    first, second, third = figure.subplots(1, 3, sharex=True)
    most = max(counted.settled for counted in tallies.values())
    for hold_s, colour in zip(HOLDS_S, ("#56B4E9", "#0072B2", "#D55E00"), strict=True):
        line = [tallies[bar, hold_s] for bar in BARS]
        first.plot(BARS, [100 * _share(t, (1, 2, 3, 5)) for t in line], "o-", color=colour, label=f"held {hold_s} s")
        first.plot(BARS, [100 * _share(t, (8,)) for t in line], "o--", color=colour, alpha=0.5, markersize=3)
        second.plot(BARS, [t.false / t.hours for t in line], "o-", color=colour)
        third.plot(BARS, [100 * t.settled / most for t in line], "o-", color=colour)
    first.set_ylabel("masks pulled down that gave exactly one event, %")
    first.set_title("Hits (dashed: 3 frames a second)", fontsize=10)
    second.set_ylabel("wrong labels and changes an hour, all clips")
    second.set_title("False alarms", fontsize=10)
    third.set_ylabel("tracks whose label was settled, % of the most")
    third.set_title("Labels that are settled", fontsize=10)
    for axes in (first, second, third):
        axes.axvline(chosen.least_score, color="#555555", linewidth=1, linestyle=":")
        axes.set_xlabel("least score (dotted: the default)")
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    first.legend(frameon=False, loc="lower left", fontsize=9)
    figure.savefig(file, dpi=130, facecolor="white")


def _share(counted: Tally, strides: Sequence[int]) -> float:
    return sum(counted.hits[k] for k in strides) / max(1, sum(counted.wanted[k] for k in strides))


if __name__ == "__main__":
    main()

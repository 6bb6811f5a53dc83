"""What it gives not to look again at a picture in which nothing changes, and whether an event is lost by it.

python -m benchmarks.still_camera SCENES [--seconds 120] [--keep FOLDER]

A fixed camera at an entrance is made of the people of real scenes (SCENES is a scenes.jsonl; only those with a large
face and nobody beside them): they come in, stand, and leave, one after the other, so that somebody is there for 5, 20
and 80 % of the time. The picture, 1280x720 at 15 frames a second, has a sensor's noise and a light that flickers, and
that somebody switches off in the middle for a while; in a fourth clip leaves move before a window all the time. It is
encoded as cameras do (H.264, a key frame every 3 s). Each clip is watched with every frame looked at, and with frames
left out in which nothing has changed. Printed are the frames looked at, processor time for a frame (decoding, models
and tracking; median of the rounds, in turn) with the cameras of 15 frames/s that one core holds by it, and events: how
many there are with every frame, and how many of them are missing or more with frames left out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import click
import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.stillness import LOOK_AFTER_S
from maskinfer.engine.load import load
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sinks.events import Event, events_for, find_events
from maskinfer.engine.sources.open import open_source

SIZE_WH = (1280, 720)
RATE = 15
WALK_S, STAND_S = 2.0, 4.0
# An event is the same one when it comes so much earlier or later at most.
_SAME_S = 1.0
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Person:
    """A cut-out, float32 (height, width, 3) with its opacity (height, width, 1), and the label it was given."""

    bgr: Floats
    opacity: Floats
    label: str


@dataclass(frozen=True, slots=True)
class Visit:
    """Who is there, from when, on which way."""

    person: Person
    begins_s: float
    from_right: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A clip that is made.

    Attributes:
        name: as it is printed.
        busy: share of the time in which somebody is there.
        leaves: whether something moves all the time.
    """

    name: str
    busy: float
    leaves: bool = False


SETTINGS = (Setting("5 %", 0.05), Setting("20 %", 0.2), Setting("80 %", 0.8), Setting("20 %, leaves", 0.2, True))


@click.command(help=__doc__)
@click.argument("scenes", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--seconds", default=120.0, show_default=True, help="Length of each clip.")
@click.option("--rounds", default=3, show_default=True, help="How often each is watched, in turn.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder that the clips are left in.")
def main(scenes: Path, seconds: float, rounds: int, keep: Path | None) -> None:
    people = list(cut_out(scenes, count=40))
    engine = load(threads=1)
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for i, setting in enumerate(SETTINGS):
            clip = folder / f"entrance-{i}.mp4"
            visits = schedule(setting.busy, seconds, people, np.random.default_rng(i))
            write(clip, setting, visits, seconds)
            click.echo(f"somebody there {setting.name} of the time, {len(visits)} people in {seconds:g} s")
            compare(engine, clip, rounds)


def cut_out(scenes: Path, count: int) -> Iterator[Person]:
    """Yield people with a large face and nobody beside them, from the scenes of the file."""
    for line in scenes.read_text(encoding="utf-8").splitlines():
        scene = json.loads(line)
        if len(scene["faces"]) != 1 or not count:
            continue
        x0, y0, x1, y1 = scene["faces"][0]["bbox"]
        side = x1 - x0
        if side < 80 or x0 < side / 2 or y0 < side / 3 or scene["width"] - x1 < side / 2 or scene["height"] - y1 < side:
            continue
        bgr = cv2.imread(str(scenes.parent / scene["image"]))
        if bgr is not None:
            count -= 1
            part = bgr[round(y0 - side / 3) : round(y1 + side), round(x0 - side / 2) : round(x1 + side / 2)]
            yield _person(part, 90 / side, scene["faces"][0]["label"])


def _person(part: cv2.typing.MatLike, scale: float, label: str) -> Person:
    small = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32)
    height, width = small.shape[:2]
    opacity = np.zeros((height, width), np.float32)
    cv2.rectangle(opacity, (8, 8), (width - 8, height), 1.0, -1)
    return Person(small, np.asarray(cv2.GaussianBlur(opacity, (0, 0), 4), np.float32)[..., None], label)


def schedule(busy: float, seconds: float, people: Sequence[Person], rng: np.random.Generator) -> list[Visit]:
    """Return who comes when, one after the other, so that somebody is there for a share of the time."""
    visit_s = 2 * WALK_S + STAND_S
    count = max(1, round(busy * seconds / visit_s))
    step_s = (seconds - visit_s - 1) / max(1, count - 1)
    starts = [1 + i * step_s for i in range(count)]
    chosen = rng.permutation(len(people))
    return [Visit(people[chosen[i % len(people)]], s, bool(rng.integers(2))) for i, s in enumerate(starts)]


def write(clip: Path, setting: Setting, visits: Sequence[Visit], seconds: float) -> None:
    """Encode a clip as a camera would."""
    rng = np.random.default_rng(1)
    wall, noises = _wall(rng), [rng.normal(0, 2.5, (*SIZE_WH[::-1], 1)).astype(np.float32) for _ in range(5)]
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", RATE, options={"crf": "26", "preset": "veryfast", "g": str(3 * RATE)})
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        for n in range(round(seconds * RATE)):
            now_s = n / RATE
            canvas = wall.copy()
            if setting.leaves:
                _leaves(canvas, now_s)
            for visit in visits:
                _paste(canvas, visit, now_s - visit.begins_s)
            is_dark = 0.5 * seconds <= now_s < 0.6 * seconds
            light = (0.6 if is_dark else 1.0) * (1 + 0.015 * (-1) ** n)
            shown = canvas * light + noises[rng.integers(len(noises))] * (1 if n % 2 else -1)
            frame = av.VideoFrame.from_ndarray(np.clip(shown, 0, 255).astype(np.uint8), format="bgr24")
            frame.pts = n
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _wall(rng: np.random.Generator) -> Floats:
    coarse = rng.normal(0, 18, (9, 16, 3)).astype(np.float32)
    wall = 125 + np.asarray(cv2.resize(coarse, SIZE_WH, interpolation=cv2.INTER_CUBIC), np.float32)
    wall += np.linspace(20, -30, SIZE_WH[1], dtype=np.float32)[:, None, None]
    cv2.rectangle(wall, (90, 160), (330, 720), (70, 80, 96), -1)
    cv2.rectangle(wall, (960, 120), (1180, 330), (190, 180, 170), -1)
    return np.asarray(wall, np.float32)


def _leaves(canvas: Floats, now_s: float) -> None:
    for i in range(12):
        x, y = 980 + 15 * i + 6 * np.sin(3 * now_s + i), 200 + 40 * np.sin(i) + 5 * np.sin(4 * now_s + 2 * i)
        cv2.ellipse(canvas, (round(x), round(y)), (18, 7), 30 * i, 0, 360, (60, 120, 70), -1)


def _paste(canvas: Floats, visit: Visit, since_s: float) -> None:
    if not 0 <= since_s < 2 * WALK_S + STAND_S:
        return
    height, width = visit.person.bgr.shape[:2]
    inwards = min(since_s / WALK_S, 1.0, (2 * WALK_S + STAND_S - since_s) / WALK_S)
    x = -width + inwards * (SIZE_WH[0] / 2 + width / 2)
    x = SIZE_WH[0] - x - width if visit.from_right else x
    # Who stands sways a little, and stands quite still in the second half.
    sways = since_s < WALK_S + STAND_S / 2
    left, top = round(x + (3 * np.sin(2 * since_s) if sways else 0)), 260
    x0, x1 = max(0, left), min(SIZE_WH[0], left + width)
    if x0 < x1:
        part = np.s_[:, x0 - left : x1 - left]
        place = np.s_[top : top + height, x0:x1]
        opacity = visit.person.opacity[part]
        canvas[place] = opacity * visit.person.bgr[part] + (1 - opacity) * canvas[place]


def compare(engine: Engine, clip: Path, rounds: int) -> None:
    """Watch a clip both ways, in turn, and print what differs."""
    times_ms: dict[float | None, list[float]] = {None: [], LOOK_AFTER_S: []}
    events: dict[float | None, list[Event]] = {}
    for _ in range(rounds):
        for still_s, taken_ms in times_ms.items():
            began_s = time.process_time()
            results, looked = watched(engine, clip, still_s)
            taken_ms.append(1e3 * (time.process_time() - began_s) / len(results))
            events[still_s] = list(find_events(results, events_for(engine.classifier.contract)))
            if len(taken_ms) == 1:
                click.echo(f"  {'every frame' if still_s is None else 'frames left out'}: looked at {looked:.1%}")
    every_ms, less_ms = (float(np.median(taken_ms)) for taken_ms in times_ms.values())
    cameras = [1e3 / ms / RATE for ms in (every_ms, less_ms)]
    click.echo(f"  {every_ms:.2f} -> {less_ms:.2f} ms a frame, {cameras[0]:.1f} -> {cameras[1]:.1f} cameras a core")
    missing, more = differences(*events.values())
    click.echo(f"  {len(events[None])} events, missing {len(missing)}, more {len(more)}")
    for what, some in (("missing", missing), ("more", more)):
        for event in some:
            click.echo(f"    {what}: {event.kind} {event.label} at {event.time_s:.1f} s")


def watched(engine: Engine, clip: Path, still_s: float | None) -> tuple[list[FrameResult], float]:
    """Return the results of all frames as a live camera's, one after the other, and the share that was looked at."""
    tracker = engine.tracker(TrackOptions(still_s=still_s))
    with open_source(str(clip), threads=1) as frames:
        results = [engine.infer([frame], [tracker])[0] for frame in frames]
    return results, 1 - tracker.unchanged / len(results)


def differences(every: Sequence[Event], less: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """Return the events that only the first has, and those that only the second has."""
    left, missing = list(less), []
    for event in every:
        same = [one for one in left if (one.kind, one.label) == (event.kind, event.label)]
        nearest = min(same, key=lambda one: abs(one.time_s - event.time_s), default=None)
        if nearest is None or abs(nearest.time_s - event.time_s) > _SAME_S:
            missing.append(event)
        else:
            left.remove(nearest)
    return missing, left


if __name__ == "__main__":
    main()

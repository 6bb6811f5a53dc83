"""Whether `serve` cries when a camera looks as it did, and whether it does when it was dimmed, blurred or turned.

Each set of annotated scenes plays a camera. Its people are drawn from the pictures, alone or in twos, and its empty
picture is one of five of them, by the time of day. A week is seven days, each with a weather: all as it is, duller
(0.8) or brighter (1.25). Faces are what the shipped models find.

    python -m benchmarks.drift DATA [--pictures N] [--weeks N] [--out FILE]
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import cv2
import numpy as np

from maskinfer.engine.drift.compare import find_shifts
from maskinfer.engine.drift.counts import OF_PICTURES, Counts, added, no_counts
from maskinfer.engine.drift.observe import Observer
from maskinfer.engine.engine import Engine
from maskinfer.engine.files.images import read_image
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.load import load
from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.scenes import read_scenes

DAYS, A_DAY, VIEW = 7, 144, 5
PEOPLE = (100, 200, 500)
WEATHER = ("as it is", "duller", "brighter")
Change = Callable[[BGRFrame], BGRFrame]


def gain(factor: float) -> Change:
    """Return what multiplies the brightness."""
    return lambda bgr: np.clip(bgr.astype(np.float32) * factor, 0, 255).astype(np.uint8)


def blurred(bgr: BGRFrame) -> BGRFrame:
    """Return a picture out of focus: a Gaussian of a two hundredth of its longer side."""
    return np.asarray(cv2.GaussianBlur(bgr, (0, 0), max(bgr.shape) / 200), np.uint8)


def turned(bgr: BGRFrame) -> BGRFrame:
    """Return what a camera sees that was knocked to the side and down: three fifths of the picture, larger."""
    height, width = bgr.shape[:2]
    part = bgr[: round(0.6 * height), round(0.4 * width) :]
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


CHANGES: dict[str, Change] = {
    "as it is": lambda bgr: bgr,
    "duller": gain(0.8),
    "brighter": gain(1.25),
    "dimmed": gain(0.35),
    "blurred": blurred,
    "turned": turned,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one picture shows: histograms of each of its faces, and of the picture."""

    people: tuple[Counts, ...]
    picture: Counts


def looks_of(engine: Engine, bgr: BGRFrame) -> Seen:
    """Look at a picture, whose faces are a person each."""
    (result,) = engine([bgr])
    counted = []
    for faces in (*((face,) for face in result.faces), ()):
        observer = Observer()
        for time_s in (0.0, 1.0):
            one = replace(result, faces=tuple(replace(face, track_id=1) for face in faces), time_s=time_s)
            observer.saw(Picture(bgr), one)
        observer.begin_anew()
        counted.append(observer.take())
    people, picture = counted[:-1], counted[-1]
    for person in people:
        for what in OF_PICTURES:
            person[what] = Counter()
    return Seen(tuple(person for person in people if person["label"]), picture)


def week(
    pictures: list[dict[str, Seen]], view: list[int], people: int, rng: np.random.Generator, change: str = ""
) -> list[Counts]:
    """Return the histograms of seven days before a camera.

    Args:
        pictures: each in all versions.
        view: those that the empty camera shows, at five times of day.
        people: of the week; each third one comes with another one of the same picture.
        rng: draws them.
        change: of the camera; none, and each day has a weather of its own.
    """
    days = []
    for _ in range(DAYS):
        version, counts = change or str(rng.choice(WEATHER)), no_counts()
        while counts["label"].total() < people / DAYS:
            seen = pictures[int(rng.integers(len(pictures)))][version].people
            for i in rng.permutation(len(seen))[: 1 + (rng.random() < 1 / 3)]:
                counts = added(counts, seen[int(i)])
        for i in view:
            for what in OF_PICTURES:
                (key,) = pictures[i][version].picture[what]
                counts[what][key] += A_DAY // len(view)
        days.append(counts)
    return days


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--pictures", default=160, help="Of each set.")
@click.option("--weeks", default=300, help="Pairs of weeks of each kind.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def main(data: Path, pictures: int, weeks: int, out: Path | None) -> None:
    """Measure how often a camera is said not to look as it did."""
    engine, rng = load(threads=1, lanes=1), np.random.default_rng(0)
    cameras: dict[str, list[dict[str, Seen]]] = {}
    scenes = read_scenes(data)
    for name in sorted({scene.set for scene in scenes}):
        chosen = [scene for scene in scenes if scene.set == name]
        some = [chosen[i] for i in rng.permutation(len(chosen))[:pictures]]
        images = [read_image(scene.path) for scene in some]
        cameras[name] = [{how: looks_of(engine, do(bgr)) for how, do in CHANGES.items()} for bgr in images]
        click.echo(f"{name}: {sum(len(one['as it is'].people) for one in cameras[name])} people")
    rows = []
    for people in PEOPLE:
        for change in ("", "dimmed", "blurred", "turned"):
            said, what = 0, Counter[str]()
            for seen in cameras.values():
                for _ in range(weeks):
                    view = [int(i) for i in rng.permutation(len(seen))[:VIEW]]
                    before, now = (week(seen, view, people, rng, how) for how in ("", change))
                    shifts = find_shifts(before, now)
                    said += bool(shifts)
                    what.update(shift.what for shift in shifts)
            total = weeks * len(cameras)
            rows.append({"people": people, "change": change or "none", "said": said / total, "what": dict(what)})
            often = ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in what.most_common(4))
            click.echo(f"{people} people a week, {change or 'none'}: {100 * said / total:.1f} % said ({often})")
    if out is not None:
        out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

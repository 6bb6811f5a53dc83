"""What the labels do over time on clips, frame by frame, without any smoothing.

python -m benchmarks.clips CLIP... [--classifier FILE]

Prints how many faces with a shorter side over 32 px carry each label, and how the label of each frame's largest face
runs: with_mask x59, incorrect_mask x45 is one change in 104 frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import click

from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.classifier import DEFAULT_CLASSIFIER
from maskinfer.engine.faces.detector import DEFAULT_DETECTOR
from maskinfer.engine.load import load
from maskinfer.engine.results import Face

MIN_SIDE_PX = 32


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--detector", default=DEFAULT_DETECTOR, show_default=True)
@click.option("--classifier", default=DEFAULT_CLASSIFIER, show_default=True)
def main(clips: tuple[Path, ...], detector: str, classifier: str) -> None:
    """Print what the labels do on each clip."""
    engine = load(detector, classifier)
    for clip in clips:
        click.echo(describe(engine, clip))


def describe(engine: Engine, clip: Path) -> str:
    counts: Counter[str] = Counter()
    largest = []
    for result in engine.iterate(clip):
        faces = [face for face in result.faces if shorter_side(face) > MIN_SIDE_PX]
        counts.update(face.label for face in faces)
        if faces:
            largest.append(max(faces, key=shorter_side).label)
    shares = ", ".join(f"{label} {n} ({n / counts.total():.1%})" for label, n in counts.most_common())
    return f"{clip.name}: {counts.total()} faces over {MIN_SIDE_PX} px: {shares}\n  largest: {runs(largest)}"


def shorter_side(face: Face) -> float:
    left, top, right, bottom = face.xyxy
    return min(right - left, bottom - top)


def runs(labels: Iterable[str]) -> str:
    return ", ".join(f"{label} x{len(list(group))}" for label, group in groupby(labels))


if __name__ == "__main__":
    main()

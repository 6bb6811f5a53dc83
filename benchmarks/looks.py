"""What it changes that the detector does not look at every frame of a recording.

    python -m benchmarks.looks crowd.mp4 office.mp4

Each clip is looked at as `maskinfer video` does, and once more in every frame. Faces of both are paired, the best
overlaps first, from an IoU of 0.5 on. Printed are, as shares of the faces of every frame: those without a partner, and
partners that nobody has in every frame; the share of pairs with the same label; the overlap of pairs in frames that
were not looked at; and how many tracks there are.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.boxes import best_first, iou_matrix
from maskinfer.engine.faces.track import TrackOptions, frames_a_look
from maskinfer.engine.results import FrameResult
from maskinfer.engine.sources.video import open_video

MIN_IOU = 0.5


def pairs(every: FrameResult, some: FrameResult) -> list[tuple[int, int, float]]:
    """Return indices of faces that are the same, and their overlap."""
    overlaps = iou_matrix(every.xyxy, some.xyxy)
    rows, columns = np.nonzero(overlaps >= MIN_IOU)
    return [(i, j, float(overlaps[i, j])) for i, j in best_first(overlaps[rows, columns], rows, columns)]


def compare(engine: Engine, clip: Path) -> str:
    """Return a line of Markdown."""
    with open_video(str(clip)) as video:
        each = frames_a_look(TrackOptions(), engine.recorded_looks_per_s, float(video.info.frame_rate or 0))
    every, some = (list(engine.iterate(clip, track=TrackOptions(detect_every=n))) for n in (1, None))
    found = [pairs(*both) for both in zip(every, some, strict=True)]
    faces, shown = (sum(len(one.faces) for one in all_) for all_ in (every, some))
    alike = [
        one.faces[i].label == other.faces[j].label
        for one, other, of in zip(every, some, found, strict=True)
        for i, j, _ in of
    ]
    between = [overlap for k, of in enumerate(found) if k % each for _, _, overlap in of]
    tracks = " and ".join(str(len({face.track_id for one in all_ for face in one.faces})) for all_ in (every, some))
    ious = f"{np.median(between):.2f}, {np.quantile(between, 0.05):.2f}" if between else ""
    missing, more = ((count - len(alike)) / max(1, faces) for count in (faces, shown))
    cells = [clip.name, str(each), str(faces), f"{missing:.1%}", f"{more:.1%}", f"{np.mean(alike):.1%}", ious, tracks]
    return f"| {' | '.join(cells)} |"


@click.command(help=__doc__)
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(clips: tuple[Path, ...]) -> None:
    engine = maskinfer.load()
    head = ["clip", "looked at every Nth frame", "faces", "missing", "more", "same label",
            "IoU in between: median, worst 5 %", "tracks"]  # fmt: skip
    print(f"| {' | '.join(head)} |", "|---" * len(head) + "|", sep="\n")
    for clip in clips:
        print(compare(engine, clip), flush=True)


if __name__ == "__main__":
    main()

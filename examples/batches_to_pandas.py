"""Look at frames in batches, and put all results into one pandas table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import maskinfer

DEMO = Path(__file__).parent.parent / "samples" / "demo.mp4"
BATCH = 16
EVERY = 5


def results_of(engine: maskinfer.Engine, video: str) -> Iterator[maskinfer.FrameResult]:
    """Yield a result for every fifth frame; the faces of a batch go through the classifier together."""
    with maskinfer.open_source(video) as frames:
        chosen = islice(frames, 0, None, EVERY)
        while batch := list(islice(chosen, BATCH)):
            results = engine([frame.picture.bgr for frame in batch])
            for frame, result in zip(batch, results, strict=True):
                # An array does not know where it came from, so the place of the frame is filled in here.
                yield replace(result, source=video, frame=frame.index, time_s=frame.time_s)


def main(video: str) -> None:
    """Write ``faces.csv`` into the current folder, and print how sure the labels are."""
    table = maskinfer.to_pandas(results_of(maskinfer.load(), video))
    table.to_csv("faces.csv", index=False)
    print(table.groupby("label")["score"].agg(["count", "min", "median"]).round(3))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(DEMO))

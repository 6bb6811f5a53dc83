"""Count people per minute and label. Events count each person once, where frames would count them over and over."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import maskinfer

DEMO = Path(__file__).parent.parent / "samples" / "demo.mp4"


def main(video: str) -> None:
    """Print a line for each minute and label: how many people were seen with that label for the first time."""
    engine = maskinfer.load()
    results = engine.iterate(video, track=maskinfer.TrackOptions())
    counts: Counter[tuple[int, str]] = Counter()
    for event in maskinfer.find_events(results, classifier=engine.classifier):
        if event.kind in ("settled", "changed"):
            counts[int(event.time_s // 60), event.label] += 1
    for (minute, label), count in sorted(counts.items()):
        print(f"minute {minute}: {label} {count}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(DEMO))

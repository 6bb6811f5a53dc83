"""Put a classifier of your own behind the shipped detector.

This one only compares the colours of the upper and the lower half of a face: it shows the interface, and is no good
as a classifier. A real one would run a network on the crops.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import maskinfer

DEMO = Path(__file__).parent.parent / "samples" / "demo.mp4"


class HalvesClassifier:
    """Calls a face covered when its lower half has another colour than its upper half."""

    labels = ("covered", "bare")
    size_wh = (64, 64)
    crop = maskinfer.CropRule(square=True, margin=0.0)

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of each label, float32 (N, 2), for uint8 crops (N, 64, 64, 3), BGR."""
        inner = crops[:, :, 16:48].astype(np.float32)
        upper, lower = inner[:, 16:32].mean((1, 2)), inner[:, 40:56].mean((1, 2))
        distance = np.linalg.norm(upper - lower, axis=1)
        covered = 1 / (1 + np.exp(-(distance - 40) / 10))
        return np.stack([covered, 1 - covered], axis=1).astype(np.float32)


def main(video: str) -> None:
    """Print how many faces got each label."""
    classifier = HalvesClassifier()
    maskinfer.check_classifier(classifier)  # says in one line what is wrong with it, if anything is
    engine = maskinfer.load(classifier=classifier)
    counts: Counter[str] = Counter()
    for result in engine.iterate(video):
        counts.update(result.counts())
    for label, count in counts.most_common():
        print(f"{label}: {count} faces")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(DEMO))

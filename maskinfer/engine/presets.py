"""Presets: which models look, and how often, for speed or for accuracy.

``docs/figures.md`` has what each costs and what it gets right. Whoever changes the table measures both again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class View(NamedTuple):
    """One of several looks at a frame.

    Attributes:
        scale: size in which the detector sees it, as a share of the detector's own.
        mirrored: whether it sees it as in a mirror.
    """

    scale: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Preset:
    """What stands for ``auto``, and how often and how it looks.

    Attributes:
        detector, classifier: names of shipped models, which are in int8 where that is as right and faster.
        mirrored: the classifier looks at each face twice, as it is and as in a mirror, and the mean of both counts.
        views: the detector looks at each frame in all of these ways; empty for one look.
        proposals_from: least score of several looks for the classifier to be asked whether something is a face; None
            for what its contract says of one look.
        looks_per_s: at live sources whose faces are followed the detector looks about so often a second; None for every
            frame.
        recorded_looks_per_s: the same of recordings, where a face in between is put between where it was seen before
            and after.
    """

    detector: str
    classifier: str
    mirrored: bool = False
    views: tuple[View, ...] = ()
    proposals_from: float | None = None
    looks_per_s: float | None = None
    recorded_looks_per_s: float | None = None


BALANCED = "balanced"
PRESETS: Mapping[str, Preset] = {
    "fast": Preset("retinaface-mask", "mobilenetv2-small-112", looks_per_s=15, recorded_looks_per_s=15),
    BALANCED: Preset("retinaface-mask", "mobilenetv2-128", recorded_looks_per_s=15),
    "accurate": Preset(
        "retinaface-mask",
        "mobilenetv2-128",
        mirrored=True,
        views=(View(0.7, mirrored=False), View(1, mirrored=False), View(1.5, mirrored=True)),
        proposals_from=0.2,
    ),
}

"""Presets: which models look, and how often, for speed or for accuracy.

``docs/figures.md`` has what each costs and what it gets right. Whoever changes the table measures both again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """What stands for ``auto``.

    Attributes:
        detector, classifier: names of shipped models, in float.
        in_float: the models in float everywhere; otherwise in int8 where that is faster.
        looks_per_s: at live sources whose faces are followed the detector looks about so often a second; None for every
            frame.
        recorded_looks_per_s: the same of recordings, where a face in between is put between where it was seen before
            and after.
    """

    detector: str
    classifier: str
    in_float: bool = False
    looks_per_s: float | None = None
    recorded_looks_per_s: float | None = None


BALANCED = "balanced"
PRESETS: Mapping[str, Preset] = {
    "fast": Preset("retinaface-mask", "mobilenetv2-small-112", looks_per_s=15, recorded_looks_per_s=15),
    BALANCED: Preset("retinaface-mask", "mobilenetv2-128", recorded_looks_per_s=15),
    "accurate": Preset("retinaface-mask", "mobilenetv2-160", in_float=True),
}

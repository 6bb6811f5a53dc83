"""Presets: which models look, and how many pixels the detector sees, for speed or for accuracy.

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
        det_side: frames are scaled to fit into a square of so many pixels for the detector; None for its own size.
        in_float: the models in float everywhere; otherwise in int8 where that is faster.
    """

    detector: str
    classifier: str
    det_side: int | None = None
    in_float: bool = False

    def size_for(self, detector: object, size_wh: tuple[int, int] | None) -> tuple[int, int] | None:
        """Return the size for the detector: that which was asked for, or else the preset's.

        Args:
            detector: as it was asked for; the preset's size is for its own detector alone.
            size_wh: as it was asked for; None if it was not.
        """
        if size_wh is not None or self.det_side is None or not (isinstance(detector, str) and detector == _AUTO):
            return size_wh
        return self.det_side, self.det_side


_AUTO = "auto"
BALANCED = "balanced"
PRESETS: Mapping[str, Preset] = {
    "fast": Preset("retinaface-mask", "mobilenetv2-small-112", det_side=480),
    BALANCED: Preset("retinaface-mask", "mobilenetv2-128"),
    "accurate": Preset("retinaface-mask", "mobilenetv2-160", in_float=True),
}

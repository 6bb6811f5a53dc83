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
        det_threshold: least score of a face; None for the models' own.
        in_float: the models in float everywhere; otherwise in int8 where that is faster.
    """

    detector: str
    classifier: str
    det_side: int | None = None
    det_threshold: float | None = None
    in_float: bool = False

    def detecting(
        self, detector: object, classifier: object, size_wh: tuple[int, int] | None, threshold: float | None
    ) -> tuple[tuple[int, int] | None, float | None]:
        """Return size and least score for the detector: those that were asked for, or else the preset's.

        Args:
            detector, classifier: as they were asked for. The size is the preset's detector's, and the score is that of
                its two models together; both are left alone for others.
            size_wh, threshold: as they were asked for; None if they were not.
        """
        own_detector = isinstance(detector, str) and detector == _AUTO
        if size_wh is None and own_detector and self.det_side is not None:
            size_wh = self.det_side, self.det_side
        if threshold is None and own_detector and isinstance(classifier, str) and classifier == _AUTO:
            threshold = self.det_threshold
        return size_wh, threshold


_AUTO = "auto"
BALANCED = "balanced"
PRESETS: Mapping[str, Preset] = {
    "fast": Preset("retinaface-mask", "mobilenetv2-small-112", det_side=480, det_threshold=0.5),
    BALANCED: Preset("retinaface-mask", "mobilenetv2-128"),
    "accurate": Preset("retinaface-mask", "mobilenetv2-160", in_float=True),
}

"""Whether a picture shows anything that the last one looked at did not: a fixed camera before an empty entrance.

The brightness of both is averaged over cells of a grid, which takes out most of a sensor's noise, and compared cell by
cell. A light that flickers changes all cells alike, which is taken out, too. The picture to compare with is the last
one that was *looked at*, not the last one, so that what changes slowly adds up.
"""

from __future__ import annotations

import cv2
import numpy as np

from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.results import FloatArray

# A picture in which nothing changes is looked at again after so many seconds: what came in too slowly, or too much
# like the wall behind it, is found then.
LOOK_AFTER_S = 1.0
# Cells along the longer side. The detector sees this side as 640 pixels, so a cell is 4 of them, and the smallest
# faces that it finds cover nine.
_CELLS = 160
# Grey levels, of 256, by which a cell changes. Skin before a wall of the same brightness still differs by as much at
# its hair, eyes and shoulders.
_LEAST_CHANGE = 6.0
# A dark camera's noise changes cells by more: so many times the usual difference of a cell counts as a change.
_NOISE_FACTOR = 8.0
# More than this is no noise: the whole picture is another one.
_MOST_NOISE = 3.0
# Two cells: the smallest faces cover more, one alone is a compression artefact or a hot pixel.
_LEAST_CELLS = 2


class Stillness:
    """Tells for each frame of one source, in their order, whether it may be left out.

    Args:
        look_after_s: a picture is looked at after so many seconds even if nothing has changed.
    """

    def __init__(self, look_after_s: float) -> None:
        self._look_after_s = look_after_s
        self._seen: FloatArray | None = None
        self._seen_s = 0.0

    def is_still(self, picture: Picture, time_s: float) -> bool:
        """Tell whether nothing has changed since the last frame of which this was False; that one is looked at."""
        cells = _cells(picture)
        seen, is_due = self._seen, not 0 <= time_s - self._seen_s < self._look_after_s
        if not is_due and seen is not None and seen.shape == cells.shape and not _differs(cells, seen):
            return True
        self._seen, self._seen_s = cells, time_s
        return False


def _cells(picture: Picture) -> FloatArray:
    """Return the brightness of a picture's cells, float32 (rows, columns), 0 to 255."""
    width, height = picture.size_wh
    side = max(1, round(max(width, height) / _CELLS))
    size_wh = (max(1, width // side), max(1, height // side))
    return picture.brightness(size_wh)


def _differs(cells: FloatArray, seen: FloatArray) -> bool:
    change = cells - seen
    change -= np.median(change)
    np.abs(change, out=change)
    noise = float(np.median(change))
    if noise > _MOST_NOISE:
        return True
    changed = (change > max(_LEAST_CHANGE, _NOISE_FACTOR * noise)).astype(np.uint8)
    # Neighbours: cells that change alone, here and there, are noise.
    return bool((cv2.boxFilter(changed, -1, (2, 2), normalize=False) >= _LEAST_CELLS).any())

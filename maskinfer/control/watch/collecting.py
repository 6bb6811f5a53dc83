"""Pictures that a watch keeps to be labelled: chosen as ``maskinfer collect`` chooses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from maskinfer.control.settings.types import CollectSettings
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import MaskinferError
from maskinfer.site.choose import Visit
from maskinfer.site.keep import PoolWriter
from maskinfer.site.picker import CollectOptions, Picker, threshold_of


class Collecting:
    """Keeps the pictures of all cameras of this process.

    Args:
        settings: what is kept, and where.
        engine: that looks.
        say: told when pictures cannot be kept, and when they can again.
    """

    def __init__(self, settings: CollectSettings, engine: Engine, say: Callable[[str], None]) -> None:
        self.settings, self._engine, self._say = settings, engine, say
        self._options = CollectOptions(
            per_visit=settings.per_visit,
            per_day=settings.per_day,
            test_share=settings.test_share,
            min_face_px=settings.min_face_px,
            reasons=settings.reasons,
        )
        self._pool: PoolWriter | None = None
        self._problem = ""

    def picker(self, camera: str) -> Picker | None:
        """Return what picks the frames of a camera; None if none of its pictures are kept."""
        if self.settings.cameras and camera not in self.settings.cameras:
            return None
        # Another frame of a visit may only test at each start, or nobody could say that it is random.
        return Picker(camera, threshold_of(self._engine), self._options, np.random.default_rng(), self._finish)

    def _finish(self, visit: Visit) -> None:
        try:
            self._pool = self._pool or PoolWriter(Path(self.settings.folder), self._options)
            for kept in visit.chosen(1 if visit.part == "test" else self._options.per_visit):
                self._pool.add(kept)
        except MaskinferError as error:
            if not self._problem:
                self._say(f"no pictures are collected: {error}")
            self._problem = str(error)
        else:
            if self._problem:
                self._say(f"pictures are collected in {self.settings.folder} again")
            self._problem = ""

"""A classifier whose crops several threads share: what a frame's faces are decides who is classified in the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from maskinfer.engine.faces.protocols import AroundClassifier, ContractClassifier, Look
from maskinfer.engine.flow.stages import stage
from maskinfer.engine.results import BGRBatch, FloatArray

# Fewer crops at a time take longer each.
_LEAST_CROPS = 4


@contextmanager
def shared(classifier: ContractClassifier, lanes: int) -> Iterator[ContractClassifier]:
    """Let as many threads as there are lanes share the crops of a call, where there are enough of them.

    While one thread classifies a crowd, the lanes run out of frames that they may look at.
    """
    if lanes == 1:
        yield classifier
        return
    # They count as the thread that calls, where a job is timed.
    with ThreadPoolExecutor(lanes - 1, "engine") as pool:
        yield _Shared(classifier, pool, lanes)


@dataclass(frozen=True, slots=True)
class _Shared(AroundClassifier):
    pool: Executor
    lanes: int

    def look(self, crops: BGRBatch, /) -> Look:
        """Return all that the model says of each crop."""
        first, *others = np.array_split(crops, max(1, min(self.lanes, len(crops) // _LEAST_CROPS)))
        waiting = [self.pool.submit(self._part, part) for part in others]
        return _joined([self.model.look(first), *(part.result() for part in waiting)])

    def _part(self, crops: BGRBatch) -> Look:
        with stage("classify"):
            return self.model.look(crops)


def _joined(looks: Sequence[Look]) -> Look:
    def column(values: Sequence[FloatArray | None]) -> FloatArray | None:
        there = [value for value in values if value is not None]
        return np.concatenate(there) if there else None

    probabilities, faces, bares = zip(*looks, strict=True)
    return Look(np.concatenate(probabilities), column(faces), column(bares))

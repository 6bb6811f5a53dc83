"""How far a graph is from what it was made of: pictures to run both on, and the largest difference of their outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from maskinfer.engine.results import BGRBatch, FloatArray
from maskinfer.engine.runtime.memory import limit_memory
from maskinfer.engine.runtime.providers import CPU, import_onnxruntime

if TYPE_CHECKING:
    import onnxruntime as ort


def open_graph(graph: bytes) -> ort.InferenceSession:
    """Open a graph on the CPU; what it may allocate is limited, and it says nothing by itself."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    limit_memory(ort, options)
    return ort.InferenceSession(graph, options, providers=[CPU])


def sample_pictures(count: int, size_wh: tuple[int, int]) -> BGRBatch:
    """Return noise, colour gradients, flat black and flat white in turn, the same for the same count and size."""
    width, height = size_wh
    down, across = np.linspace(0, 255, height)[:, None], np.linspace(0, 255, width)[None]
    gradient = np.stack(np.broadcast_arrays(down, across, 255 - (down + across) / 2), 2)
    noise = np.random.default_rng(count).integers(0, 256, (count, height, width, 3))
    kinds = [gradient, np.zeros_like(gradient), np.full_like(gradient, 255)]
    pictures = [noise[n] if n % 4 == 0 else kinds[n % 4 - 1] for n in range(count)]
    return np.stack(pictures).astype(np.uint8)


def largest_difference(runs: Iterable[tuple[Sequence[FloatArray], Sequence[FloatArray]]]) -> float:
    """Return the largest absolute difference of any output; not a number if one is not.

    Args:
        runs: the outputs of one model and those of the other, for each batch.
    """
    differences = [np.abs(a - b).max() for found, expected in runs for a, b in zip(found, expected, strict=True)]
    return float(np.max(differences))

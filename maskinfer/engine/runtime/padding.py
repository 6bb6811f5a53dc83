"""Batches of few sizes, for providers that prepare themselves for each shape that they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime as ort

# The number of faces changes with nearly every frame, and for each new shape cuDNN has to plan the convolutions anew.
# That is the likely reason for the 0.4 s a frame that a classifier took on an H100, where the detector, whose shape
# stays, took 1 ms. Larger batches than the last one run as they are.
CUDA_SIZES = (1, 4, 16, 32)


def sizes_for(session: ort.InferenceSession) -> tuple[int, ...]:
    """Return the batch sizes that a session should be run with, ascending; none if any will do."""
    fixed = isinstance(session.get_inputs()[0].shape[0], int)
    return CUDA_SIZES if session.get_providers()[0] == "CUDAExecutionProvider" and not fixed else ()


def padded(batch: NDArray[Any], sizes: tuple[int, ...]) -> NDArray[Any]:
    """Return a batch with its last item repeated, up to the next of the sizes; as it is if there is none."""
    target = next((size for size in sizes if size >= len(batch)), len(batch))
    if target == len(batch) or not len(batch):
        return batch
    return np.concatenate([batch, np.repeat(batch[-1:], target - len(batch), axis=0)])


def without_padding(output: NDArray[Any], count: int, padded_to: int) -> NDArray[Any]:
    """Return what an output says of the ``count`` items that were asked about, of ``padded_to``.

    An output whose first axis is not that of the items is returned as it is.
    """
    return output[:count] if len(output) == padded_to else output

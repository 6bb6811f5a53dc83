"""From a batch of BGR uint8 pictures to what a graph takes, as its contract says."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.contract import InputSpec
from maskinfer.engine.results import BGRBatch


def to_input(batch: BGRBatch, spec: InputSpec) -> NDArray[Any]:
    """Return the graph's input.

    Args:
        batch: uint8 (N, height, width, 3), BGR.
        spec: from the model's contract.

    Returns:
        uint8 or float32, (N, height, width, 3) or (N, 3, height, width).
    """
    if spec == InputSpec():
        return batch
    if spec.layout == "NCHW" and spec.dtype == "float32" and len(set(spec.std)) == 1:
        return _blob(batch, spec)
    values: NDArray[Any] = batch if spec.colour_order == "BGR" else batch[..., ::-1]
    if spec.dtype == "float32":
        values = (values.astype(np.float32) - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    return np.ascontiguousarray(values if spec.layout == "NHWC" else values.transpose(0, 3, 1, 2))


def _blob(batch: BGRBatch, spec: InputSpec) -> NDArray[np.float32]:
    """Do the common case in one pass; several times faster than numpy on a full frame."""
    swap = spec.colour_order == "RGB"
    return np.asarray(cv2.dnn.blobFromImages(list(batch), 1 / spec.std[0], mean=spec.mean, swapRB=swap), np.float32)

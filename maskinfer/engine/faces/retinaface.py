"""Decoding of RetinaFace's outputs.

Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", CVPR 2020; the box encoding is that
of SSD (Liu et al., ECCV 2016): centres are offset by variance 0.1 of the anchor, sizes scale by exp(0.2 t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from maskinfer.engine.contract import DetectorContract
from maskinfer.engine.errors import ContractError
from maskinfer.engine.faces.boxes import Candidates
from maskinfer.engine.results import FloatArray


@lru_cache(maxsize=16)
def anchor_grid(
    canvas_wh: tuple[int, int], strides: tuple[int, ...], anchors: tuple[tuple[float, ...], ...]
) -> FloatArray:
    """Return every anchor, float32 (A, 3): centre x, centre y, side; in input pixels.

    Ordered by stride, then row, then column, then anchor, as the graph's outputs are.
    """
    grids = []
    for stride, sides in zip(strides, anchors, strict=True):
        columns, rows = (math.ceil(length / stride) for length in canvas_wh)
        y, x, side = np.meshgrid(
            (np.arange(rows) + 0.5) * stride, (np.arange(columns) + 0.5) * stride, sides, indexing="ij"
        )
        grids.append(np.stack([x, y, side], axis=-1).reshape(-1, 3))
    return np.concatenate(grids).astype(np.float32)


def decode(outputs: Sequence[FloatArray], canvas_wh: tuple[int, int], contract: DetectorContract) -> list[Candidates]:
    """Return the candidates of each frame that score at least the threshold, in input pixels.

    Args:
        outputs: boxes (N, A, 4), class probabilities (N, A, 2; column 1 is "face"), landmarks (N, A, 10).
        canvas_wh: the input's size in pixels.
        contract: gives strides, anchors, variances and threshold.
    """
    boxes, probabilities, points = outputs
    grid = anchor_grid(canvas_wh, contract.strides, contract.anchors)
    if boxes.shape[1] != len(grid):
        raise ContractError(f"{contract.name} gives {boxes.shape[1]} boxes, its contract has {len(grid)} anchors")
    scores = probabilities[..., 1]
    candidates: list[Candidates] = []
    for frame in range(len(scores)):
        keep = np.flatnonzero(scores[frame] >= contract.det_threshold)
        anchors = grid[keep]
        candidates.append(
            (
                _decode_boxes(boxes[frame, keep], anchors, contract.variances),
                scores[frame, keep],
                _decode_points(points[frame, keep], anchors, contract.variances[0]),
            )
        )
    return candidates


def _decode_boxes(encoded: FloatArray, anchors: FloatArray, variances: tuple[float, float]) -> FloatArray:
    centres = anchors[:, :2] + encoded[:, :2] * variances[0] * anchors[:, 2:]
    half = anchors[:, 2:] * np.exp(encoded[:, 2:] * variances[1]) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def _decode_points(encoded: FloatArray, anchors: FloatArray, variance: float) -> FloatArray:
    offsets = encoded.reshape(-1, 5, 2) * variance * anchors[:, None, 2:]
    return np.asarray(anchors[:, None, :2] + offsets, np.float32)

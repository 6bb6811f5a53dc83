"""Decoding of SCRFD's outputs, and the contract that insightface's own files imply.

Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022: a box is given by
its distances, in strides, from a cell's corner point to its four sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from maskinfer.engine.contract import DetectorContract, InputSpec
from maskinfer.engine.errors import ContractError, ModelError
from maskinfer.engine.faces.boxes import Candidates
from maskinfer.engine.results import FloatArray

if TYPE_CHECKING:
    import onnxruntime as ort

# insightface/python-package/insightface/model_zoo/scrfd.py: (strides, anchors a cell, landmarks) by outputs
_FORMS = {
    6: ((8, 16, 32), 2, False),
    9: ((8, 16, 32), 2, True),
    10: ((8, 16, 32, 64, 128), 1, False),
    15: ((8, 16, 32, 64, 128), 1, True),
}


def insightface_contract(session: ort.InferenceSession, name: str) -> DetectorContract:
    """Return the contract of an SCRFD file as insightface exports it, which says nothing of itself.

    The user has said that the file is an SCRFD; its outputs and its input's size are read, and checked.

    Raises:
        ModelError: the graph does not have an SCRFD's input and outputs.
    """
    outputs = session.get_outputs()
    shape = session.get_inputs()[0].shape
    if len(outputs) not in _FORMS or len(shape) != 4:
        raise ModelError(
            f"{name} has {len(outputs)} outputs and an input of rank {len(shape)}, an SCRFD has "
            f"{', '.join(map(str, _FORMS))} and 4"
        )
    strides, anchors_per_cell, landmarks = _FORMS[len(outputs)]
    widths = [output.shape[-1] for output in outputs]
    expected = [width for width in (1, 4, 10)[: 2 + landmarks] for _ in strides]
    if any(isinstance(w, int) and w != e for w, e in zip(widths, expected, strict=True)):
        raise ModelError(f"{name} has outputs of widths {widths}, an SCRFD has {expected}")
    fixed = isinstance(shape[2], int) and isinstance(shape[3], int)
    return DetectorContract(
        name=name,
        version="",
        licence="not stated in the file; insightface's own models are for non-commercial research only",
        kind="scrfd",
        size_wh=(shape[3], shape[2]) if fixed else (640, 640),
        fixed_size=fixed,
        # The rows of the several images of a batch lie interleaved in these files' outputs.
        batch=False,
        input=InputSpec("NCHW", "float32", "RGB", (127.5,) * 3, (128.0,) * 3),
        strides=strides,
        anchors_per_cell=anchors_per_cell,
        landmarks=landmarks,
    )


@lru_cache(maxsize=64)
def cell_points(canvas_wh: tuple[int, int], stride: int, anchors_per_cell: int) -> FloatArray:
    """Return the corner point of every prediction's cell, float32 (cells x anchors, 2), in input pixels."""
    columns, rows = canvas_wh[0] // stride, canvas_wh[1] // stride
    y, x = np.mgrid[:rows, :columns]
    points = np.stack([x, y], axis=-1).reshape(-1, 2) * stride
    return np.repeat(points, anchors_per_cell, axis=0).astype(np.float32)


def decode(outputs: Sequence[FloatArray], canvas_wh: tuple[int, int], contract: DetectorContract) -> list[Candidates]:
    """Return the candidates of each frame that score at least the threshold, in input pixels.

    Args:
        outputs: for every stride the scores, then for every stride the distances, then the landmarks; each
            (N, cells x anchors, 1 / 4 / 10), or without the first axis for a single frame.
        canvas_wh: the input's size in pixels.
        contract: gives strides, anchors a cell, landmarks and threshold.
    """
    levels = len(contract.strides)
    widths = (1, 4, 10)
    batched = [
        output if output.ndim == 3 else output.reshape(1, -1, widths[i // levels]) for i, output in enumerate(outputs)
    ]
    return [
        _decode_frame([output[frame] for output in batched], canvas_wh, contract) for frame in range(len(batched[0]))
    ]


def _decode_frame(outputs: Sequence[FloatArray], canvas_wh: tuple[int, int], contract: DetectorContract) -> Candidates:
    levels = len(contract.strides)
    boxes, scores, landmarks = [], [], []
    for level, stride in enumerate(contract.strides):
        score = outputs[level][:, 0]
        keep = np.flatnonzero(score >= contract.det_threshold)
        points = cell_points(canvas_wh, stride, contract.anchors_per_cell)
        if len(points) != len(score):
            raise ContractError(f"{contract.name} gives {len(score)} boxes at stride {stride}, expected {len(points)}")
        points = points[keep]
        distances = outputs[levels + level][keep] * stride
        scores.append(score[keep])
        boxes.append(np.concatenate([points - distances[:, :2], points + distances[:, 2:]], axis=1))
        if contract.landmarks:
            offsets = outputs[2 * levels + level][keep].reshape(-1, 5, 2) * stride
            landmarks.append(points[:, None] + offsets)
    return (
        np.concatenate(boxes),
        np.concatenate(scores),
        np.concatenate(landmarks) if contract.landmarks else None,
    )

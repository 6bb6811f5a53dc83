"""Checks that an object does what a detector or a classifier has to: the contract suite of both protocols."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskinfer.engine.errors import ModelError
from maskinfer.engine.faces.protocols import Classifier, Detector, own_classifier, own_detector
from maskinfer.engine.results import BGRFrame, Detections, FloatArray

# What a batch may change: pixels of a box, and a score or a probability, in int8 too.
_BOX_TOLERANCE_PX = 1.0
_SCORE_TOLERANCE = 0.01
_CROPS = 5


def check_detector(detector: Detector, frames: Sequence[BGRFrame] = ()) -> None:
    """Check that an object is a detector, by running it.

    It must return one ``Detections`` for each frame, in order, for frames of any size. The faces of a frame must not
    depend on other frames or on earlier calls, and the frames must not be changed.

    Args:
        detector: the object.
        frames: uint8 (height, width, 3), BGR, with faces, so that there is something to compare; plain and noisy
            frames are tried as well.

    Raises:
        RequestError: it cannot be called.
        ModelError: it does something else; the message says what.
    """
    checked = own_detector(detector)
    tried = [*(np.ascontiguousarray(frame) for frame in frames), *_made_frames()]
    before = [frame.copy() for frame in tried]
    together = checked(tried)
    alone = [checked([frame])[0] for frame in tried]
    if not all(np.array_equal(*pair) for pair in zip(tried, before, strict=True)):
        raise ModelError("the detector changed the frames: expected that it draws on a copy")
    for i, (one, other) in enumerate(zip(together, alone, strict=True)):
        _check_faces(one)
        if not _agree(one, other):
            raise ModelError(
                f"the detector found {len(one)} faces in frame {i} among others and {len(other)} in the same frame "
                "alone, or boxes that differ by more than a pixel: expected the same"
            )


def check_classifier(classifier: Classifier) -> None:
    """Check that an object is a classifier, by running it on noise.

    It must have ``labels``, ``size_wh`` and ``crop``, and return a row of probabilities for each crop, for any number
    of crops. A row must not depend on other crops or on earlier calls, and the crops must not be changed.

    Raises:
        RequestError: it cannot be called, or lacks one of these attributes.
        ModelError: it does something else; the message says what.
    """
    checked = own_classifier(classifier)
    width, height = checked.contract.size_wh
    crops = np.random.default_rng(0).integers(0, 256, (_CROPS, height, width, 3), dtype=np.uint8)
    before = crops.copy()
    together = checked(crops)
    alone = np.concatenate([checked(crop[None]) for crop in crops])
    if not np.array_equal(crops, before):
        raise ModelError("the classifier changed the crops: expected that it works on a copy")
    if together.min() < 0:
        raise ModelError(f"the classifier returned a probability of {together.min():g}, expected 0 to 1")
    if not _close(together, alone, _SCORE_TOLERANCE):
        raise ModelError(
            "the classifier gave a crop other probabilities among others than alone, by up to "
            f"{np.abs(together - alone).max():.3f}: expected the same"
        )


def _made_frames() -> list[BGRFrame]:
    noise = np.random.default_rng(0)
    return [
        np.full((120, 200, 3), 127, np.uint8),
        noise.integers(0, 256, (240, 320, 3), dtype=np.uint8),
        np.zeros((33, 47, 3), np.uint8),
    ]


def _check_faces(found: Detections) -> None:
    if len(found) and not (found.scores.min() >= 0 and found.scores.max() <= 1):
        raise ModelError(
            f"the detector returned scores from {found.scores.min():g} to {found.scores.max():g}, expected 0 to 1"
        )
    if (found.xyxy[:, 2:] <= found.xyxy[:, :2]).any():
        raise ModelError(
            "the detector returned a box whose right or lower side is not past its left or upper one: "
            "expected left, top, right, bottom, not widths and heights"
        )


def _agree(one: Detections, other: Detections) -> bool:
    return (
        len(one) == len(other)
        and _close(one.xyxy, other.xyxy, _BOX_TOLERANCE_PX)
        and _close(one.scores, other.scores, _SCORE_TOLERANCE)
    )


def _close(one: FloatArray, other: FloatArray, tolerance: float) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=tolerance))

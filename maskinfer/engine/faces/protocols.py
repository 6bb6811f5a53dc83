"""What a detector and a classifier are, and how somebody's own become those of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from maskinfer.engine.contract import ClassifierContract, CropRule
from maskinfer.engine.errors import ModelError, RequestError
from maskinfer.engine.frames.picture import AnyPicture, as_picture
from maskinfer.engine.results import UNCERTAIN, BGRBatch, BGRFrame, Detections, FloatArray


class Detector(Protocol):
    """Finds the faces of frames; ``check_detector`` checks an object of yours."""

    def __call__(self, frames: Sequence[BGRFrame], /) -> Sequence[Detections]:
        """Return the faces of each frame, in the frames' order.

        Several threads may call it at the same time.

        Args:
            frames: uint8 (height, width, 3), BGR, of any sizes, at least one; they must not be changed.
        """
        ...


class Classifier(Protocol):
    """Returns the probability of every label; ``check_classifier`` checks an object of yours.

    Attributes:
        labels: the names of the output's columns, in order; at least two.
        size_wh: width and height of a crop in pixels.
        crop: how a face is cut from its frame; ``CropRule()`` is a square with a margin of 15 %.
    """

    @property
    def labels(self) -> Sequence[str]: ...  # noqa: D102 - described above

    @property
    def size_wh(self) -> tuple[int, int]: ...  # noqa: D102

    @property
    def crop(self) -> CropRule: ...  # noqa: D102

    def __call__(self, crops: BGRBatch, /) -> FloatArray:
        """Return float32 (N, labels), whose rows sum to 1.

        Several threads may call it at the same time.

        Args:
            crops: uint8 (N, height, width, 3), BGR, at least one; they must not be changed.
        """
        ...


class PictureDetector(Protocol):
    """A detector that also takes frames as they were decoded, which spares their conversion to BGR."""

    def __call__(self, frames: Sequence[AnyPicture], /) -> list[Detections]:
        """Return the faces of each frame; see ``Detector``."""
        ...


class Look(NamedTuple):
    """What a classifier says of crops.

    Attributes:
        probabilities: float32 (N, labels), of each label.
        face: float32 (N,), the probability that a crop shows a face; None if the model does not say that.
        bare: float32 (N,), the probability that a badly worn mask leaves nose and mouth uncovered, and not the nose
            alone; None if the model does not say that.
    """

    probabilities: FloatArray
    face: FloatArray | None = None
    bare: FloatArray | None = None


class ContractClassifier(Protocol):
    """A classifier with all that its contract says."""

    @property
    def contract(self) -> ClassifierContract: ...  # noqa: D102

    def __call__(self, crops: BGRBatch, /) -> FloatArray:
        """Return the probabilities of each crop; see ``Classifier``."""
        ...

    def look(self, crops: BGRBatch, /) -> Look:
        """Return all that the model says of each crop."""
        ...


@dataclass(frozen=True, slots=True)
class AroundClassifier:
    """A classifier that asks another one in a way of its own, which ``look`` says.

    Attributes:
        model: that it asks.
    """

    model: ContractClassifier

    @property
    def contract(self) -> ClassifierContract:
        """The model's."""
        return self.model.contract

    def __call__(self, crops: BGRBatch, /) -> FloatArray:
        """Return the probabilities of each crop; see ``ContractClassifier``."""
        return self.look(crops).probabilities

    def look(self, crops: BGRBatch, /) -> Look:
        """Return all that the model says of each crop."""
        return self.model.look(crops)


@dataclass(frozen=True, slots=True)
class OwnDetector:
    """Somebody's own detector, whose answers are checked."""

    model: Detector

    def __call__(self, frames: Sequence[AnyPicture], /) -> list[Detections]:
        """Return the faces of each frame, the best score first.

        Raises:
            ModelError: the answer is not what a detector returns.
        """
        if not frames:
            return []
        found = self.model([as_picture(frame).bgr for frame in frames])
        if not isinstance(found, Sequence) or len(found) != len(frames):
            said = f"{len(found)} results" if isinstance(found, Sequence) else f"a {type(found).__name__}"
            raise ModelError(
                f"the detector returned {said}, expected a list with one Detections for each of {len(frames)} frames"
            )
        return [_checked_detections(one) for one in found]


@dataclass(frozen=True, slots=True)
class OwnClassifier:
    """Somebody's own classifier, whose answers are checked."""

    model: Classifier
    contract: ClassifierContract

    def __call__(self, crops: BGRBatch, /) -> FloatArray:
        """Return the probabilities of each crop; see ``Classifier``.

        Raises:
            ModelError: the answer is not what a classifier returns.
        """
        if not len(crops):
            return np.zeros((0, len(self.contract.labels)), np.float32)
        scores = np.asarray(self.model(crops), np.float32)
        expected = len(crops), len(self.contract.labels)
        if scores.shape != expected:
            raise ModelError(
                f"the classifier returned shape {scores.shape}, expected {expected}: a probability for "
                f"each of {expected[0]} crops and {expected[1]} labels"
            )
        if not np.isfinite(scores).all() or (scores.size and not np.allclose(scores.sum(1), 1, atol=1e-2)):
            raise ModelError(
                "the classifier returned rows that are not probabilities: expected numbers from 0 to 1 "
                "that sum to 1 in each row, as softmax gives them"
            )
        return scores

    def look(self, crops: BGRBatch, /) -> Look:
        """Return the probabilities of each crop; somebody's own says nothing else."""
        return Look(self(crops))


def own_detector(model: object) -> OwnDetector:
    """Return an object as a detector of the engine.

    Raises:
        RequestError: it cannot be called.
    """
    if not callable(model):
        raise RequestError(
            f"the detector is a {type(model).__name__}, expected a name, a path, or an object that is "
            "called with a list of frames and returns a list of Detections"
        )
    return OwnDetector(model)


def own_classifier(model: Classifier) -> OwnClassifier:
    """Return an object as a classifier of the engine.

    Raises:
        RequestError: it cannot be called, or lacks what a classifier has to say of itself.
    """
    missing = [name for name in ("labels", "size_wh", "crop") if not hasattr(model, name)]
    if not callable(model) or missing:
        raise RequestError(
            f"the classifier is a {type(model).__name__}, expected a name, a path, or an object that is "
            "called with crops and has labels, size_wh and crop"
            + (f"; it has no {', '.join(missing)}" if missing else "")
        )
    labels, size_wh = tuple(model.labels), tuple(model.size_wh)
    if len(set(labels)) != len(labels) or len(labels) < 2 or UNCERTAIN in labels:
        raise RequestError(
            f"the classifier's labels are {list(labels)}, expected two or more different ones, none of them {UNCERTAIN}"
        )
    if len(size_wh) != 2 or not all(isinstance(side, int) and side > 0 for side in size_wh):
        raise RequestError(f"the classifier's size_wh is {size_wh}, expected its crops' width and height in pixels")
    if not isinstance(model.crop, CropRule):
        raise RequestError(f"the classifier's crop is a {type(model.crop).__name__}, expected a CropRule")
    contract = ClassifierContract(type(model).__name__, "", "", labels, (size_wh[0], size_wh[1]), crop=model.crop)
    return OwnClassifier(model, contract)


def label_of(contract: ClassifierContract, scores: FloatArray, index: int | None = None) -> tuple[str, float]:
    """Return the label of one row of probabilities, and its score; the best one, unless another is named."""
    best = int(scores.argmax()) if index is None else index
    score = float(scores[best])
    return (contract.labels[best] if score >= contract.uncertain_below else UNCERTAIN), score


def _checked_detections(found: Detections) -> Detections:
    if not isinstance(found, Detections):
        raise ModelError(f"the detector returned a {type(found).__name__} for a frame, expected Detections")
    xyxy, scores = np.asarray(found.xyxy, np.float32), np.asarray(found.scores, np.float32)
    points = None if found.landmarks is None else np.asarray(found.landmarks, np.float32)
    count = len(xyxy)
    if xyxy.shape != (count, 4) or scores.shape != (count,) or (points is not None and points.shape != (count, 5, 2)):
        raise ModelError(
            f"the detector returned xyxy {xyxy.shape}, scores {scores.shape} and landmarks "
            f"{None if points is None else points.shape}, expected (N, 4), (N,) and None or (N, 5, 2)"
        )
    if not all(np.isfinite(values).all() for values in (xyxy, scores) if values.size):
        raise ModelError("the detector returned boxes or scores that are not finite numbers")
    order = np.argsort(-scores, kind="stable")
    return Detections(xyxy[order], scores[order], None if points is None else points[order])

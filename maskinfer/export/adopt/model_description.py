"""What a YAML file may say of a foreign model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from maskinfer.engine.contract import DetectorKind, Label
from maskinfer.engine.schema import Count, Line, NotNegative, Pixels, Positive

# Bounded tuples of any length: msgspec 0.22 crashes on a union of a bounded number and a tuple of fixed length.
_Three = Meta(min_length=3, max_length=3)
Threshold = Annotated[float, Meta(gt=0, lt=1)]
_TEXTS = ("name", "version", "licence")
_LISTS = ("labels", "trained_on")


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What the owner of a foreign model says of it; nothing of it is guessed.

    Attributes:
        task: what it does.
        layout: of the input.
        dtype: of the input.
        colour_order: of the input's channels.
        mean: subtracted from 0 to 255; one number or three, in the colour order above.
        std: divided by after that.
        name, version, licence: for the contract.
        trained_on: names of the data sets.
        metrics: figures, for the contract.
        labels: of a classifier, one for each column of the output; of a sigmoid of one column, that of 0 and that of 1.
        output: of a classifier: probabilities, logits, or sigmoid, one column, the probability of the second label.
        size: of a crop in pixels, where the graph takes any; one number, or width and height.
        margin: around a face's box, as a share of its sides.
        square: widen the shorter side of the box to the longer one; otherwise it is stretched.
        border: what lies outside the frame.
        kind: of a detector: how its outputs are read.
        strides: of a RetinaFace.
        anchors: of a RetinaFace: sides in pixels of each stride's anchors.
        det_threshold: of a detector: least score of a face.
        nms_threshold: of a detector: largest overlap of two faces.
    """

    task: Literal["classifier", "detector"] = "classifier"
    layout: Literal["NCHW", "NHWC"] | None = None
    dtype: Literal["float32", "uint8"] | None = None
    colour_order: Literal["RGB", "BGR"] | None = None
    mean: float | Annotated[tuple[float, ...], _Three] | None = None
    std: Positive | Annotated[tuple[Positive, ...], _Three] | None = None
    name: Line = "adopted"
    version: Line = "1"
    licence: Line = "not stated"
    trained_on: tuple[Line, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    labels: tuple[Label, ...] | None = None
    output: Literal["probabilities", "logits", "sigmoid"] | None = None
    size: Pixels | Annotated[tuple[Pixels, ...], Meta(min_length=1, max_length=2)] | None = None
    margin: NotNegative | None = None
    square: bool | None = None
    border: Literal["replicate", "black"] | None = None
    kind: DetectorKind | None = None
    strides: Annotated[tuple[Count, ...], Meta(min_length=1)] | None = None
    anchors: tuple[Annotated[tuple[Positive, ...], Meta(min_length=1)], ...] | None = None
    det_threshold: Threshold | None = None
    nms_threshold: Threshold | None = None


def as_meant(key: str, value: Any) -> Any:
    """Return what YAML read as a number, as in ``version: 2``, as the text that was meant."""
    if key in _LISTS and isinstance(value, list):
        return [_as_text(part) for part in value]
    return _as_text(value) if key in _TEXTS else value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

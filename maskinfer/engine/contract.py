"""The contract: what a model file says of itself, as JSON under one key of its ONNX metadata.

Nothing about a model is guessed from its graph's shape or its file's name. A classifier without a contract is
refused; a detector without one is taken only when the user names its kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from maskinfer.engine.errors import ContractError
from maskinfer.engine.schema import Count, Line, NotNegative, Pixels, Positive, Share, from_plain, parse_json

# Outputs of a classifier's graph beside the first, each float32 (N,) from 0 to 1.
FACE_OUTPUT, BARE_OUTPUT = "face", "bare"
METADATA_KEY = "maskinfer.contract"
CONTRACT_VERSION = 1
DetectorKind = Literal["retinaface", "scrfd"]
DETECTOR_KINDS: tuple[DetectorKind, ...] = ("retinaface", "scrfd")
# A label is shown on terminals and in pages, and is part of files' names.
Label = Annotated[
    str,
    Meta(pattern=r"^(?=.*\w)[\w .-]{1,64}(?!\n)$", title="1 to 64 letters, digits, spaces and any of _ - ."),
]
ErrorRate = Annotated[float, Meta(gt=0, lt=1)]
_Sha256OrEmpty = Annotated[
    str, Meta(pattern=r"^([0-9a-f]{64})?(?!\n)$", title="64 hexadecimal digits in lower case, or nothing")
]
_Size = tuple[Pixels, Pixels]
_MOST_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How a batch of BGR uint8 pictures becomes the graph's input.

    Attributes:
        layout: ``NHWC`` or ``NCHW``.
        dtype: ``uint8`` or ``float32``.
        colour_order: ``BGR`` or ``RGB``.
        mean: subtracted from each channel, in the colour order above, on the 0-255 scale.
        std: each channel is divided by it after that. A graph that does its own preprocessing has mean 0 and
            std 1 here, and takes uint8 BGR.
    """

    layout: Literal["NHWC", "NCHW"] = "NHWC"
    dtype: Literal["uint8", "float32"] = "uint8"
    colour_order: Literal["BGR", "RGB"] = "BGR"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class CropRule:
    """How a face is cut from its frame for the classifier.

    Attributes:
        square: extend the shorter side of the detector's box to the longer one; otherwise the box is stretched.
        margin: added on each of the four sides, as a fraction of the side's length.
        border: how the part outside the frame is filled: ``replicate`` repeats the edge pixels, ``black`` is black.
    """

    square: bool = True
    margin: NotNegative = 0.15
    border: Literal["replicate", "black"] = "replicate"


@dataclass(frozen=True, slots=True)
class FaceCheck:
    """How a classifier and the detector before it decide together whether a detection is a face.

    The graph's output ``face`` is the probability that a crop shows a face. The score of a face is the logistic
    function of ``weight`` times that probability's logit, plus ``detector_weight`` times the logit of the detector's
    score, plus ``bias``.

    Attributes:
        detectors: names of the detectors behind which it was measured; behind others the detector's score decides.
        proposals_from: the detector's least score of what the classifier is asked about.
        threshold: least score of a face.
    """

    detectors: tuple[Line, ...]
    proposals_from: Share
    threshold: Share
    weight: float
    detector_weight: float
    bias: float


@dataclass(frozen=True, slots=True)
class SecondLook:
    """How a face is looked at again when its label is doubtful.

    Its probabilities are then the mean of three looks: at the crop as it is, at the crop as in a mirror, and, as in a
    mirror, at one with another margin. A face that is followed is looked at in these ways in turn, one at a time.

    Attributes:
        below: faces whose best label has a lower probability are looked at again.
        margin: of the third crop; see ``CropRule``.
    """

    below: Share
    margin: NotNegative


@dataclass(frozen=True, slots=True)
class ClassifierContract:
    """What a mask classifier says of itself.

    Attributes:
        name, version: of the model.
        licence: of the weights.
        labels: one for each column of the output, in its order.
        size_wh: width and height of a crop in pixels.
        input: what the graph takes.
        crop: how a face is cut from its frame.
        output: ``probabilities`` (rows sum to 1) or ``logits`` (the engine applies softmax).
        uncertain_below: a face whose best probability lies under this gets the label ``uncertain``; 0 is off.
        error_thresholds: pairs of a share of wrong labels and the least probability from which on a label is wrong at
            most so often, as measured on held-out faces (``maskinfer calibrate``); empty if not measured.
        temperature: the logits were divided by it, in the graph, so that the probabilities mean what they say
            (Guo et al., ICML 2017); for the reader.
        priors: how often each label is taken to occur where the model is used, in the graph, if it was trained on
            other shares (Saerens et al., Neural Computation 14, 2002); for the reader, empty if it was not.
        face_check: how it helps to decide what is a face, if its graph has an output for that.
        second_look: how it looks at faces again whose label is doubtful; None if it does not.
        tells_bare: its graph has an output ``bare``: the probability that an incorrectly worn mask leaves nose and
            mouth uncovered, and not the nose alone.
        training_data: names of the data sets, for the reader.
        parity: largest absolute difference from the source model, as measured at export; None if not measured.
        source_sha256: checksum of the weights that the graph was made of; empty if unknown.
        metrics: figures measured on held-out data, for the reader.
    """

    name: Line
    version: Line
    licence: Line
    labels: Annotated[tuple[Label, ...], Meta(min_length=2)]
    size_wh: _Size
    input: InputSpec = field(default_factory=InputSpec)
    crop: CropRule = field(default_factory=CropRule)
    output: Literal["probabilities", "logits"] = "probabilities"
    uncertain_below: Share = 0.0
    error_thresholds: tuple[tuple[ErrorRate, Share], ...] = ()
    temperature: Positive = 1.0
    priors: Mapping[str, Positive] = field(default_factory=dict)
    face_check: FaceCheck | None = None
    second_look: SecondLook | None = None
    tells_bare: bool = False
    training_data: tuple[Line, ...] = ()
    parity: NotNegative | None = None
    source_sha256: _Sha256OrEmpty = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DetectorContract:
    """What a face detector says of itself.

    Attributes:
        name, version: of the model.
        licence: of the weights.
        kind: how its outputs are decoded.
        size_wh: frames are scaled to fit into this, keeping their aspect.
        fixed_size: the graph takes this size only; otherwise any multiple of ``size_divisor``.
        batch: the graph takes several frames of one size in a run.
        size_divisor: both sides of the input are multiples of it, in pixels.
        input: what the graph takes.
        strides: of the feature maps, in the order of the outputs.
        anchors: side lengths of the square anchors of one cell in pixels, for each stride (RetinaFace).
        anchors_per_cell: predictions of one cell (SCRFD).
        variances: of centre and size in the box encoding (RetinaFace).
        landmarks: five points are predicted: the eyes, the nose tip, the corners of the mouth.
        det_threshold: least score of a face.
        nms_threshold: of two boxes whose IoU is over this, the one with the lower score is dropped.
        box_margin: boxes are reported larger by this share of their sides, on each side. Detectors learn WIDER FACE's
            boxes, which are tight; others draw the whole head, larger by twice this.
        parity: largest difference of any output from the source model, over the larger of 1 and its value, as
            measured when the file was made; None if not measured.
        training_data: names of the data sets, for the reader.
        source_sha256: checksum of the weights that the graph was made of; empty if unknown.
        metrics: figures measured on held-out data, for the reader.
    """

    name: Line
    version: Line
    licence: Line
    kind: DetectorKind
    size_wh: _Size = (640, 640)
    fixed_size: bool = False
    batch: bool = True
    size_divisor: Count = 32
    input: InputSpec = field(default_factory=InputSpec)
    strides: Annotated[tuple[Count, ...], Meta(min_length=1)] = (8, 16, 32)
    anchors: tuple[Annotated[tuple[Positive, ...], Meta(min_length=1)], ...] = ()
    anchors_per_cell: Count = 2
    variances: tuple[Positive, Positive] = (0.1, 0.2)
    landmarks: bool = True
    det_threshold: Share = 0.5
    nms_threshold: Share = 0.4
    box_margin: NotNegative = 0.0
    training_data: tuple[Line, ...] = ()
    parity: NotNegative | None = None
    source_sha256: _Sha256OrEmpty = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


Contract = ClassifierContract | DetectorContract
_TASKS: dict[str, type[ClassifierContract] | type[DetectorContract]] = {
    "classifier": ClassifierContract,
    "detector": DetectorContract,
}


def to_json(contract: Contract) -> str:
    """Return the contract as the JSON text that is stored under ``METADATA_KEY``."""
    task = "classifier" if isinstance(contract, ClassifierContract) else "detector"
    return json.dumps({"contract_version": CONTRACT_VERSION, "task": task, **asdict(contract)}, indent=1)


def from_metadata(metadata: Mapping[str, str], file: str) -> Contract:
    """Read the contract from an ONNX file's metadata.

    Raises:
        ContractError: there is none, it is of another version, or it is not well formed.
    """
    if METADATA_KEY not in metadata:
        raise ContractError(
            f"{file} carries no contract (metadata key {METADATA_KEY}), which says what it takes and gives: let "
            "maskinfer adopt write one, or maskinfer export for a checkpoint of maskinfer's own"
        )
    try:
        return _contract(metadata[METADATA_KEY])
    except ValueError as error:
        raise ContractError(f"the contract in {file} cannot be used: {error}") from error


def _contract(text: str) -> Contract:
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters, expected at most {_MOST_CHARACTERS:,}")
    data = parse_json(text)
    if not isinstance(data, dict):
        raise ValueError("expected an object with names and values")
    version = data.pop("contract_version", None)
    if version != CONTRACT_VERSION:
        raise ValueError(f"it has version {version!r:.80}, this maskinfer reads version {CONTRACT_VERSION}")
    task = data.pop("task", None)
    if task not in tuple(_TASKS):
        raise ValueError(f"task is {task!r:.80}, expected one of {', '.join(_TASKS)}")
    contract = from_plain(data, _TASKS[task])
    _check(contract)
    return contract


def _check(contract: Contract) -> None:
    """Refuse what no single field shows."""
    if isinstance(contract, ClassifierContract):
        if len(set(contract.labels)) != len(contract.labels):
            raise ValueError(f"labels are {list(contract.labels)}, expected at least two different ones")
    elif contract.kind == "retinaface" and len(contract.anchors) != len(contract.strides):
        raise ValueError(f"{len(contract.anchors)} rows of anchors for {len(contract.strides)} strides")

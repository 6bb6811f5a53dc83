"""The contract: what a model file says of itself, as JSON under one key of its ONNX metadata.

Nothing about a model is guessed from its graph's shape or its file's name. A classifier without a contract is
refused; a detector without one is taken only when the user names its kind.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from maskinfer.engine.errors import ContractError

METADATA_KEY = "maskinfer.contract"
CONTRACT_VERSION = 1
DetectorKind = Literal["retinaface", "scrfd"]
DETECTOR_KINDS: tuple[DetectorKind, ...] = ("retinaface", "scrfd")


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
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class CropRule:
    """How a face is cut from its frame for the classifier.

    Attributes:
        square: widen the shorter side of the detector's box to the longer one; otherwise the box is stretched.
        margin: added on each of the four sides, as a fraction of the side's length.
        border: what lies outside the frame: ``replicate`` repeats the edge pixels, ``black`` is black.
    """

    square: bool = True
    margin: float = 0.15
    border: Literal["replicate", "black"] = "replicate"


@dataclass(frozen=True, slots=True)
class FaceCheck:
    """How a classifier and the detector before it decide together whether a detection is a face.

    The graph's second output is the probability that a crop shows a face. The score of a face is the logistic function
    of ``weight`` times that probability's logit, plus ``detector_weight`` times the logit of the detector's score,
    plus ``bias``.

    Attributes:
        detectors: names of the detectors behind which it was measured; behind others the detector's score decides.
        proposals_from: the detector's least score of what the classifier is asked about.
        threshold: least score of a face.
    """

    detectors: tuple[str, ...]
    proposals_from: float
    threshold: float
    weight: float
    detector_weight: float
    bias: float


@dataclass(frozen=True, slots=True)
class ClassifierContract:
    """What a mask classifier says of itself.

    Attributes:
        labels: one for each column of the output, in its order.
        size_wh: width and height of a crop in pixels.
        output: ``probabilities`` (rows sum to 1) or ``logits`` (the engine applies softmax).
        uncertain_below: a face whose best probability lies under this gets the label ``uncertain``; 0 is off.
        error_thresholds: pairs of a share of wrong labels and the least probability from which on a label is wrong at
            most so often, as measured on held-out faces (``maskinfer calibrate``); empty if not measured.
        temperature: the logits were divided by it, in the graph, so that the probabilities mean what they say
            (Guo et al., ICML 2017); for the reader.
        priors: how often each label is taken to occur where the model is used, in the graph, if it was trained on
            other shares (Saerens et al., Neural Computation 14, 2002); for the reader, empty if it was not.
        face_check: how it helps to decide what is a face, if its graph has an output for that.
        training_data: names of the data sets, for the reader.
        parity: largest absolute difference from the source model, as measured at export; None if not measured.
        source_sha256: checksum of the weights that the graph was made of; empty if unknown.
        metrics: figures measured on held-out data, for the reader.
    """

    name: str
    version: str
    licence: str
    labels: tuple[str, ...]
    size_wh: tuple[int, int]
    input: InputSpec = field(default_factory=InputSpec)
    crop: CropRule = field(default_factory=CropRule)
    output: Literal["probabilities", "logits"] = "probabilities"
    uncertain_below: float = 0.0
    error_thresholds: tuple[tuple[float, float], ...] = ()
    temperature: float = 1.0
    priors: Mapping[str, float] = field(default_factory=dict)
    face_check: FaceCheck | None = None
    training_data: tuple[str, ...] = ()
    parity: float | None = None
    source_sha256: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DetectorContract:
    """What a face detector says of itself.

    Attributes:
        kind: how its outputs are decoded.
        size_wh: frames are scaled to fit into this, keeping their aspect.
        fixed_size: the graph takes this size only; otherwise any multiple of ``size_divisor``.
        batch: the graph takes several frames of one size in a run.
        strides: of the feature maps, in the order of the outputs.
        anchors: side lengths of the square anchors of one cell in pixels, for each stride (RetinaFace).
        anchors_per_cell: predictions of one cell (SCRFD).
        variances: of centre and size in the box encoding (RetinaFace).
        landmarks: five points are predicted.
        det_threshold: least score of a face.
        nms_threshold: of two boxes whose IoU is over this, the one with the lower score is dropped.
        box_margin: boxes are reported larger by this share of their sides, on each side. Detectors learn WIDER FACE's
            boxes, which are tight; others draw the whole head, larger by twice this.
        parity: largest difference of any output from the source model, over the larger of 1 and its value, as
            measured when the file was made; None if not measured.
    """

    name: str
    version: str
    licence: str
    kind: DetectorKind
    size_wh: tuple[int, int] = (640, 640)
    fixed_size: bool = False
    batch: bool = True
    size_divisor: int = 32
    input: InputSpec = field(default_factory=InputSpec)
    strides: tuple[int, ...] = (8, 16, 32)
    anchors: tuple[tuple[float, ...], ...] = ()
    anchors_per_cell: int = 2
    variances: tuple[float, float] = (0.1, 0.2)
    landmarks: bool = True
    det_threshold: float = 0.5
    nms_threshold: float = 0.4
    box_margin: float = 0.0
    training_data: tuple[str, ...] = ()
    parity: float | None = None
    source_sha256: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


Contract = ClassifierContract | DetectorContract
_TASKS: dict[str, type[ClassifierContract] | type[DetectorContract]] = {
    "classifier": ClassifierContract,
    "detector": DetectorContract,
}
# Least and largest of the numbers in a field, where not any will do.
_LITTLE = 1e-9
_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("uncertain_below", "det_threshold", "nms_threshold", "proposals_from", "threshold"), (0, 1)),
    **dict.fromkeys(("margin", "box_margin", "parity"), (0, math.inf)),
    **dict.fromkeys(("size_wh", "size_divisor", "strides", "anchors_per_cell"), (1, math.inf)),
    **dict.fromkeys(("std", "temperature", "anchors", "variances", "priors"), (_LITTLE, math.inf)),
}
_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
_T = TypeVar("_T")


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
            f"{file} carries no contract (metadata key {METADATA_KEY}): write one with "
            "`maskinfer export` from a maskinfer checkpoint, or maskinfer.export.metadata.write_contract"
        )
    try:
        data = json.loads(metadata[METADATA_KEY])
        return _contract(data)
    except ValueError as error:
        raise ContractError(f"the contract in {file} cannot be used: {error}") from error


def _contract(data: Any) -> Contract:
    if not isinstance(data, dict):
        raise ValueError("expected an object with names and values")
    version = data.pop("contract_version", None)
    if version != CONTRACT_VERSION:
        raise ValueError(f"it has version {version!r}, this maskinfer reads version {CONTRACT_VERSION}")
    task = data.pop("task", None)
    if task not in tuple(_TASKS):
        raise ValueError(f"task is {task!r}, expected one of {', '.join(_TASKS)}")
    contract = _build(_TASKS[task], data, task)
    _check(contract)
    return contract


def _build(cls: type[_T], data: Any, name: str) -> _T:
    if not isinstance(data, dict):
        raise ValueError(f"{name} is {data!r}, expected an object with names and values")
    declared = get_type_hints(cls)
    unknown = sorted(set(data) - set(declared))
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}")
    needed = [f.name for f in fields(cast(Any, cls)) if f.default is MISSING and f.default_factory is MISSING]
    missing = [field for field in needed if field not in data]
    if missing:
        raise ValueError(f"it does not say {missing[0]!r}")
    return cls(**{key: _fit(key, value, declared[key]) for key, value in data.items()})


def _fit(key: str, value: Any, wanted: Any) -> Any:
    """Return a value of JSON as what its field is declared to be."""
    if is_dataclass(wanted):
        return _build(cast(type, wanted), value, key)
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"{key} is {value!r}, expected one of {', '.join(inner)}")
        return value
    if origin in (Union, UnionType):
        return None if value is None else _fit(key, value, inner[0])
    if origin is tuple:
        several = inner[-1] is Ellipsis
        if not isinstance(value, list) or not (several or len(value) == len(inner)):
            raise ValueError(f"{key} is {value!r}, expected a list{'' if several else f' of {len(inner)}'}")
        kinds = inner[:1] * len(value) if several else inner
        return tuple(_fit(key, part, kind) for part, kind in zip(value, kinds, strict=True))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{key} is {value!r}, expected an object with names and values")
        return {name: _fit(f"{key}.{name}", part, inner[1]) for name, part in value.items()}
    return _one(key, value, wanted)


def _one(key: str, value: Any, wanted: Any) -> Any:
    kinds = (int, float) if wanted is float else wanted
    if not isinstance(value, kinds) or isinstance(value, bool) != (wanted is bool):
        raise ValueError(f"{key} is {value!r}, expected {_NAMES[wanted]}")
    least, most = _RANGES.get(key.partition(".")[0], (-math.inf, math.inf))
    if wanted in (int, float) and not least <= value <= most:
        said = "over 0" if least == _LITTLE else f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
        raise ValueError(f"{key} is {value!r}, expected {said}")
    return value


def _check(contract: Contract) -> None:
    if isinstance(contract, ClassifierContract):
        if len(set(contract.labels)) != len(contract.labels) or len(contract.labels) < 2:
            raise ValueError(f"labels are {list(contract.labels)}, expected at least two different ones")
        if not all(len(pair) == 2 and 0 < pair[0] < 1 and 0 <= pair[1] <= 1 for pair in contract.error_thresholds):
            raise ValueError("error_thresholds has to hold pairs of an error rate and a probability")
    elif contract.box_margin < 0:
        raise ValueError(f"box_margin is {contract.box_margin}, expected a share from 0")
    elif not contract.strides:
        raise ValueError("strides are [], expected at least one")
    elif contract.kind == "retinaface" and len(contract.anchors) != len(contract.strides):
        raise ValueError(f"{len(contract.anchors)} rows of anchors for {len(contract.strides)} strides")

"""What the command line, or a YAML file, says of a foreign model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from maskinfer.engine.contract import DETECTOR_KINDS, CropRule, InputSpec
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.files.images import read_image
from maskinfer.export.adopt.classifier import AdoptSummary, Golden, adopt_classifier
from maskinfer.export.adopt.detector import DetectorDescription, adopt_detector
from maskinfer.export.adopt.graph import Description
from maskinfer.training.data.main_face import find_main_face

# Nothing of these is guessed; by which option each is said.
_REQUIRED = {
    "labels": "--label",
    "layout": "--layout",
    "colour_order": "--colour-order",
    "form": "--output",
    "kind": "--kind",
}
# Keys of a YAML file that are named otherwise than the values they stand for.
_KEYS = {"output": "form", "size": "size_wh", "training_data": "trained_on"}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "layout": ("NCHW", "NHWC"),
    "dtype": ("float32", "uint8"),
    "colour_order": ("RGB", "BGR"),
    "form": ("probabilities", "logits", "sigmoid"),
    "border": ("replicate", "black"),
    "task": ("classifier", "detector"),
    "kind": DETECTOR_KINDS,
}
_FOR_CLASSIFIERS = {"labels", "form", "size_wh", "margin", "square", "border"}
_FOR_DETECTORS = {"kind", "strides", "anchors", "det_threshold", "nms_threshold"}
_FOR_BOTH = {
    "task", "layout", "dtype", "colour_order", "mean", "std", "name", "version", "licence", "trained_on", "metrics"
}  # fmt: skip
_NAMES = _FOR_CLASSIFIERS | _FOR_DETECTORS | _FOR_BOTH


def read_description(file: Path) -> dict[str, Any]:
    """Return what a YAML file says, as ``adopt_file`` takes it.

    Raises:
        RequestError: it cannot be read, or holds what is not known.
    """
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(said, dict):
            raise TypeError("expected keys and values, as  layout: NCHW")
        values = {_KEYS.get(str(key), str(key)): value for key, value in said.items()}
        unknown = sorted(set(values) - _NAMES)
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r}")
        return {key: _read(key, value) for key, value in values.items()}
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise RequestError(f"{file} does not describe a model: {reason}") from error


def _read(key: str, value: Any) -> Any:
    reader: Callable[[str, Any], Any] = _READERS.get(key, _text)
    return reader(key, value)


def _text(key: str, value: Any) -> str:
    # YAML reads  version: 2  as a number.
    if isinstance(value, bool | list | dict) or value is None:
        raise ValueError(f"{key} is {value!r}, expected text")
    return str(value)


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} is {value!r}, expected a number")
    return float(value)


def _whole(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{key} is {value!r}, expected a whole number from 1")
    return value


def _truth(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}, expected true or false")
    return value


def _list(read: Callable[[str, Any], Any]) -> Callable[[str, Any], list[Any]]:
    def reader(key: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"{key} is {value!r}, expected a list, as  {key}: [one, two]")
        return [read(key, part) for part in value]

    return reader


def _three(key: str, value: Any) -> tuple[float, float, float]:
    numbers = [_number(key, part) for part in (value if isinstance(value, list) else [value])]
    if len(numbers) not in (1, 3):
        raise ValueError(f"{key} is {value}, expected one number or three")
    return numbers[0], numbers[len(numbers) // 2], numbers[-1]


def _two(_key: str, value: Any) -> tuple[int, int]:
    sides = [_whole("size", side) for side in (value if isinstance(value, list) else [value])]
    if len(sides) not in (1, 2):
        raise ValueError(f"size is {value}, expected one number or two, width first")
    return sides[0], sides[-1]


def _figures(key: str, value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError(f"{key} is {value!r}, expected names and numbers, as  {key}: {{accuracy: 0.97}}")
    return {str(name): _number(f"{key}.{name}", part) for name, part in value.items()}


# Of the keys that hold something else than a text.
_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "labels": _list(_text),
    "trained_on": _list(_text),
    "strides": _list(_whole),
    "anchors": _list(_list(_number)),
    "mean": _three,
    "std": _three,
    "size_wh": _two,
    "margin": _number,
    "det_threshold": _number,
    "nms_threshold": _number,
    "square": _truth,
    "metrics": _figures,
}


def adopt_file(model: Path, out: Path, *, golden: Sequence[tuple[Path, str]] = (), **said: Any) -> AdoptSummary:
    """Adopt a model as its owner describes it; see ``adopt_classifier`` and ``adopt_detector``.

    Args:
        model: an ONNX, Keras or TorchScript file; of a detector, ONNX.
        out: the new file.
        golden: pictures of one face each and the labels that they must get; for a detector, pictures and how many
            faces it must find.
        said: what is said of it: ``task`` (classifier by default), ``layout``, ``dtype``, ``colour_order``, ``mean``,
            ``std``, ``name``, ``version``, ``licence``, ``trained_on``, ``metrics``; of a classifier ``labels``,
            ``form``, ``size_wh``, ``margin``, ``square``, ``border``; of a detector ``kind``, ``strides``, ``anchors``,
            ``det_threshold``, ``nms_threshold``.

    Raises:
        RequestError: something that is needed is not said, is none of the choices, or is said of the other task.
        SourceError: a picture cannot be read.
    """
    for name, choices in _CHOICES.items():
        if name in said and said[name] not in choices:
            raise RequestError(f"{name} is {said[name]!r}, expected one of {', '.join(choices)}")
    task = said.pop("task", "classifier")
    strange = sorted(set(said) & (_FOR_DETECTORS if task == "classifier" else _FOR_CLASSIFIERS))
    if strange:
        raise RequestError(f"{strange[0]} is not said of a {task}: leave it out, or say the other task")
    if task == "detector":
        return adopt_detector(model, out, _detector(said), [_count(path, count) for path, count in golden])
    return adopt_classifier(model, out, _classifier(said), [_golden(path, label) for path, label in golden])


def _require(said: Mapping[str, Any], *names: str) -> None:
    missing = [_REQUIRED[name] for name in names if not said.get(name)]
    if missing:
        raise RequestError(f"nothing is guessed of a foreign model: say {', '.join(missing)} too")


def _input(said: Mapping[str, Any]) -> InputSpec:
    return InputSpec(
        said["layout"],
        said.get("dtype", "float32"),
        said["colour_order"],
        said.get("mean", (0.0,) * 3),
        said.get("std", (1.0,) * 3),
    )


def _about(said: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: str(said[name]) for name in ("name", "version", "licence") if name in said}
    return {**texts, "training_data": tuple(said.get("trained_on", ())), "metrics": said.get("metrics", {})}


def _classifier(said: Mapping[str, Any]) -> Description:
    _require(said, "labels", "layout", "colour_order", "form")
    return Description(
        labels=tuple(map(str, said["labels"])),
        input=_input(said),
        output=said["form"],
        size_wh=said.get("size_wh"),
        crop=CropRule(bool(said.get("square", True)), float(said.get("margin", 0.15)), said.get("border", "replicate")),
        **_about(said),
    )


def _detector(said: Mapping[str, Any]) -> DetectorDescription:
    _require(said, "kind")
    # insightface's preprocessing is part of what an SCRFD file is; any other is said in full.
    preprocessed = {"layout", "colour_order", "mean", "std", "dtype"} & set(said)
    if preprocessed or said["kind"] != "scrfd":
        _require(said, "layout", "colour_order")
    numbers: dict[str, Any] = {name: float(said[name]) for name in ("det_threshold", "nms_threshold") if name in said}
    if not all(0 < value < 1 for value in numbers.values()):
        raise RequestError(f"thresholds are {numbers}, expected numbers between 0 and 1")
    return DetectorDescription(
        kind=said["kind"],
        input=_input(said) if preprocessed else None,
        strides=tuple(map(int, said.get("strides", (8, 16, 32)))),
        anchors=tuple(tuple(map(float, row)) for row in said.get("anchors", ())),
        **numbers,
        **_about(said),
    )


def _count(path: Path, count: str) -> tuple[Path, int]:
    if not count.isdecimal():
        raise RequestError(f"{path}={count}: of a detector say how many faces it must find, as group.jpg=3")
    return path, int(count)


def _golden(path: Path, label: str) -> Golden:
    picture = read_image(path)
    found = find_main_face(load_detector(), picture)
    if not len(found):
        raise RequestError(f"no face is found in {path}: give pictures of one face each")
    return Golden(picture, found.xyxy, label, path.name)

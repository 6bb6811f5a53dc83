"""What the command line, or a YAML file, says of a foreign classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from maskinfer.engine.contract import CropRule, InputSpec
from maskinfer.engine.detector import load_detector
from maskinfer.engine.errors import RequestError
from maskinfer.engine.images import read_image
from maskinfer.export.adopt import AdoptSummary, Golden, adopt_classifier
from maskinfer.export.adopt_graph import Description
from maskinfer.training.the_face import find_the_face

# Nothing of these is guessed; by which option each is said.
_REQUIRED = {"labels": "--label", "layout": "--layout", "colour_order": "--colour-order", "form": "--output"}
# Keys of a YAML file that are named otherwise than the values they stand for.
_KEYS = {"output": "form", "size": "size_wh", "training_data": "trained_on"}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "layout": ("NCHW", "NHWC"),
    "dtype": ("float32", "uint8"),
    "colour_order": ("RGB", "BGR"),
    "form": ("probabilities", "logits", "sigmoid"),
    "border": ("replicate", "black"),
}
_NAMES = {"labels", "mean", "std", "margin", "square", "name", "version", "licence", *_KEYS.values(), *_CHOICES}


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
        for key in ("mean", "std"):
            if key in values:
                values[key] = _three(key, values[key])
        if "size_wh" in values:
            values["size_wh"] = _two(values["size_wh"])
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise RequestError(f"{file} does not describe a model: {error}") from error
    return values


def _three(key: str, value: Any) -> tuple[float, float, float]:
    numbers = [float(part) for part in (value if isinstance(value, list) else [value])]
    if len(numbers) not in (1, 3):
        raise ValueError(f"{key} is {value}, expected one number or three")
    return numbers[0], numbers[len(numbers) // 2], numbers[-1]


def _two(value: Any) -> tuple[int, int]:
    sides = [int(side) for side in (value if isinstance(value, list) else [value])]
    if len(sides) not in (1, 2):
        raise ValueError(f"size is {value}, expected one number or two, width first")
    return sides[0], sides[-1]


def adopt_file(model: Path, out: Path, *, golden: Sequence[tuple[Path, str]] = (), **said: Any) -> AdoptSummary:
    """Adopt a classifier as its owner describes it; see ``adopt.adopt_classifier``.

    Args:
        model: an ONNX, Keras or TorchScript file.
        out: the new file.
        golden: pictures of one face each, and the labels that they must get.
        said: ``labels``, ``layout``, ``dtype``, ``colour_order``, ``mean``, ``std``, ``form``, ``size_wh``, ``margin``,
            ``square``, ``border``, ``name``, ``version``, ``licence``, ``trained_on``.

    Raises:
        RequestError: something that is needed is not said, or is none of the choices.
        SourceError: a picture cannot be read.
    """
    missing = [option for name, option in _REQUIRED.items() if not said.get(name)]
    if missing:
        raise RequestError(f"nothing is guessed of a foreign model: say {', '.join(missing)} too")
    for name, choices in _CHOICES.items():
        if name in said and said[name] not in choices:
            raise RequestError(f"{name} is {said[name]!r}, expected one of {', '.join(choices)}")
    described = Description(
        labels=tuple(map(str, said["labels"])),
        input=InputSpec(
            said["layout"],
            said.get("dtype", "float32"),
            said["colour_order"],
            said.get("mean", (0.0,) * 3),
            said.get("std", (1.0,) * 3),
        ),
        output=said["form"],
        size_wh=said.get("size_wh"),
        crop=CropRule(bool(said.get("square", True)), float(said.get("margin", 0.15)), said.get("border", "replicate")),
        name=str(said.get("name", "adopted")),
        version=str(said.get("version", "1")),
        licence=str(said.get("licence", "not stated")),
        training_data=tuple(map(str, said.get("trained_on", ()))),
    )
    return adopt_classifier(model, out, described, [_golden(path, label) for path, label in golden])


def _golden(path: Path, label: str) -> Golden:
    picture = read_image(path)
    found = find_the_face(load_detector(), picture)
    if not len(found):
        raise RequestError(f"no face is found in {path}: give pictures of one face each")
    return Golden(picture, found.xyxy, label, path.name)

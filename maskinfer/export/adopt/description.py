"""What the command line, or a YAML file, says of a foreign model, becomes an adoption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from maskinfer.engine.contract import CropRule, InputSpec
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.files.images import read_image
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.engine.schema import from_plain
from maskinfer.export.adopt.classifier import AdoptSummary, Golden, adopt_classifier
from maskinfer.export.adopt.detector import DetectorDescription, adopt_detector
from maskinfer.export.adopt.graph import Description
from maskinfer.export.adopt.model_description import ModelDescription, as_meant
from maskinfer.training.data.main_face import find_main_face

# Nothing of these is guessed; by which option each is said.
_REQUIRED = {
    "labels": "--label",
    "layout": "--layout",
    "colour_order": "--colour-order",
    "output": "--output",
    "kind": "--kind",
}
_FOR_CLASSIFIERS = {"labels", "output", "size", "margin", "square", "border"}
_FOR_DETECTORS = {"kind", "strides", "anchors", "det_threshold", "nms_threshold"}
_CROP = ("square", "margin", "border")
_DETECTION = ("strides", "anchors", "det_threshold", "nms_threshold")


def read_description(file: Path) -> dict[str, Any]:
    """Return what a YAML file says, as ``adopt_file`` takes it; ``schemas/model_description.schema.json`` describes it.

    Raises:
        RequestError: it cannot be read, or holds what is not known.
    """
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(said, dict):
            raise TypeError("expected keys and values, as  layout: NCHW")
        values = {key: as_meant(key, value) for key, value in said.items()}
        from_plain(values, ModelDescription)
    except (OSError, TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise RequestError(f"{file} does not describe a model: {reason}") from error
    return values


def adopt_file(
    model: Path, out: Path, said: Mapping[str, Any], *, golden: Sequence[tuple[Path, str]] = (), trust: bool = False
) -> AdoptSummary:
    """Adopt a model as its owner describes it; see ``adopt_classifier`` and ``adopt_detector``.

    Args:
        model: an ONNX, Keras or TorchScript file; of a detector, ONNX.
        out: the new file.
        said: what is said of it, by the names of ``ModelDescription``.
        golden: pictures of one face each and the labels that they must get; for a detector, pictures and how many
            faces it must find.
        trust: run a TorchScript file, which is a program, although it could do harm.

    Raises:
        RequestError: something that is needed is not said, is none of the choices, or is said of the other task.
        SourceError: a picture cannot be read.
    """
    try:
        described = from_plain(said, ModelDescription)
    except ValueError as error:
        raise RequestError(str(error)) from error
    refuse_overwriting([out], [model, *(path for path, _ in golden)])
    strange = sorted(set(said) & (_FOR_DETECTORS if described.task == "classifier" else _FOR_CLASSIFIERS))
    if strange:
        raise RequestError(f"{strange[0]} is not said of a {described.task}: leave it out, or say the other task")
    if described.task == "detector":
        return adopt_detector(model, out, _detector(described), [_count(path, count) for path, count in golden])
    return adopt_classifier(
        model, out, _classifier(described), [_golden(path, label) for path, label in golden], trust=trust
    )


def _require(described: ModelDescription, *names: str) -> None:
    missing = [_REQUIRED[name] for name in names if not getattr(described, name)]
    if missing:
        raise RequestError(f"nothing is guessed of a foreign model: say {', '.join(missing)} too")


def _given(described: ModelDescription, names: Sequence[str]) -> dict[str, Any]:
    """Return those of some values that are said."""
    return {name: value for name in names if (value := getattr(described, name)) is not None}


def _input(described: ModelDescription) -> InputSpec:
    mean, std = (_three(value) for value in (described.mean, described.std))
    given = {**_given(described, ("layout", "colour_order")), "dtype": described.dtype or "float32"}
    return InputSpec(**given, mean=mean or (0.0, 0.0, 0.0), std=std or (1.0, 1.0, 1.0))


def _three(value: float | tuple[float, ...] | None) -> tuple[float, float, float] | None:
    if value is None or isinstance(value, int | float):
        return None if value is None else (value, value, value)
    return value[0], value[1], value[2]


def _about(described: ModelDescription) -> dict[str, Any]:
    about = _given(described, ("name", "version", "licence", "metrics"))
    return {**about, "training_data": described.trained_on}


def _classifier(described: ModelDescription) -> Description:
    _require(described, "labels", "layout", "colour_order", "output")
    size = described.size
    return Description(
        labels=described.labels or (),
        input=_input(described),
        output=described.output or "probabilities",
        size_wh=(size, size) if isinstance(size, int) else None if size is None else (size[0], size[-1]),
        crop=CropRule(**_given(described, _CROP)),
        **_about(described),
    )


def _detector(described: ModelDescription) -> DetectorDescription:
    _require(described, "kind")
    # insightface's preprocessing is part of what an SCRFD file is; any other is said in full.
    preprocessed = _given(described, ("layout", "colour_order", "mean", "std", "dtype"))
    if preprocessed or described.kind != "scrfd":
        _require(described, "layout", "colour_order")
    return DetectorDescription(
        kind=described.kind or "scrfd",
        input=_input(described) if preprocessed else None,
        **_given(described, _DETECTION),
        **_about(described),
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

"""The mean of the weights of several classifiers that began as the same network.

Wortsman et al., "Model soups", ICML 2022: networks that were trained on from the same weights, each in its own way, lie
in one valley of the loss, and their mean is often right more often than each of them, at the cost of one. Of networks
that began apart it is worth nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.contract import ClassifierContract, from_metadata
from maskinfer.engine.errors import ModelError, RequestError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.export.metadata import write_contract

Weights = Mapping[str, NDArray[Any]]
# What has to be alike, or the mean of the weights is no mean of what they say.
_ALIKE = ("labels", "size_wh", "input", "crop", "output", "temperature", "priors")


@dataclass(frozen=True, slots=True)
class AverageSummary:
    """What was written.

    Attributes:
        out: the ONNX file.
        count: of how many classifiers it is the mean.
    """

    out: Path
    count: int

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        return (
            f"wrote {self.out}, the mean of {self.count} classifiers; what was measured of them does not hold for it: "
            "see `maskinfer evaluate` and `maskinfer calibrate`"
        )


def average(models: Sequence[str], out: Path, *, name: str | None = None, version: str = "1") -> AverageSummary:
    """Write the mean of classifiers, each with the same weight; one that is named twice counts twice.

    The graph is that of the first. An output that only others have is left out.

    Args:
        models: two or more names of shipped models, or ONNX files that ``maskinfer export`` wrote, in float32 or with
            weights in float16.
        out: the ONNX file; it appears when it is whole.
        name: of the model in its contract; the first one's by default.
        version: of the model in its contract.

    Raises:
        RequestError: there are fewer than two, one is in int8, or they differ in what has to be alike.
        ModelNotFoundError, ModelError, ContractError: one cannot be read.
        OutputError: ``out`` cannot be written.
    """
    if len(models) < 2:
        raise RequestError(f"there is no mean of {len(models)} classifier: name two or more")
    files = [find_model(model, "classifier") for model in models]
    refuse_overwriting([out], files)
    check_writable(out)
    read = [_read(file) for file in files]
    graph, contract, _ = read[0]
    for file, (_, other, weights) in zip(files[1:], read[1:], strict=True):
        _check_alike(files[0], contract, file, other)
        _check_weights(files[0], read[0][2], file, weights)
    _set_mean(graph, [weights for _, _, weights in read])
    sets = sorted({one for _, other, _ in read for one in other.training_data})
    hashes = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    mean = replace(
        contract, name=name or contract.name, version=version, training_data=tuple(sets), parity=None,
        source_sha256=hashlib.sha256(" ".join(hashes).encode()).hexdigest(),
        face_check=None, error_thresholds=(), metrics={},
    )  # fmt: skip
    write_contract(graph, mean)
    with atomic_write(out) as partial:
        partial.write_bytes(graph.SerializeToString())
        load_classifier(str(partial), provider="cpu", threads=1)
    return AverageSummary(out, len(files))


def _read(file: Path) -> tuple[onnx.ModelProto, ClassifierContract, Weights]:
    try:
        graph = onnx.load(str(file))
        values = {entry.name: numpy_helper.to_array(entry) for entry in graph.graph.initializer}
    except Exception as error:  # protobuf and onnx raise whatever the bytes lead them to
        raise ModelError(f"{file} is not an ONNX file that can be read: {str(error).strip()[:160]}") from error
    contract = from_metadata({prop.key: prop.value for prop in graph.metadata_props}, str(file))
    if not isinstance(contract, ClassifierContract):
        raise RequestError(f"{file} is a face detector: expected classifiers")
    if any(value.dtype in (np.int8, np.uint8) and value.size > 1 for value in values.values()):
        raise RequestError(f"{file} is in int8: average the float files, and quantize what comes out")
    return graph, contract, {n: v for n, v in values.items() if v.dtype in (np.float16, np.float32)}


def _check_alike(first: Path, one: ClassifierContract, second: Path, other: ClassifierContract) -> None:
    for field in _ALIKE:
        if getattr(one, field) != getattr(other, field):
            raise RequestError(
                f"{second} has another {field} than {first} ({getattr(other, field)}, not {getattr(one, field)}): "
                "export both alike"
            )


def _check_weights(first: Path, ours: Weights, second: Path, theirs: Weights) -> None:
    for name, value in ours.items():
        shape = theirs[name].shape if name in theirs else None
        if shape != value.shape:
            what = "no such weights" if shape is None else f"weights of the shape {shape}"
            raise RequestError(
                f"{second} is another network than {first}: it has {what} as {name} of {value.shape}; a file with "
                "one more output comes after those without it"
            )


def _set_mean(graph: onnx.ModelProto, all_weights: Sequence[Weights]) -> None:
    for entry in graph.graph.initializer:
        if entry.name in all_weights[0]:
            kind = all_weights[0][entry.name].dtype
            mean = np.mean([weights[entry.name].astype(np.float64) for weights in all_weights], axis=0)
            entry.CopyFrom(numpy_helper.from_array(np.asarray(mean, kind), entry.name))

"""Adoption: a foreign classifier gets its preprocessing into the graph, and its contract, after it was run.

Nothing is guessed. What its owner says is checked by running the model: the rank and size of the input, the width of
the output against the labels, probabilities against logits, and pictures whose label is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.errors import ModelError, ParityError, RequestError
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.engine.results import BGRFrame, FloatArray
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.export.adopt.frameworks import read_foreign
from maskinfer.export.adopt.graph import (
    Description,
    input_of,
    probabilities,
    rebuilt,
    run_once,
    with_float32_ends,
)
from maskinfer.export.metadata import write_contract
from maskinfer.export.parity import sample_pictures

MAX_DIFFERENCE = 1e-4
BATCHES = (1, 2, 5)
# Rows that sum to one within this are probabilities.
_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True)
class Golden:
    """A face whose label is known.

    Attributes:
        picture: uint8 (height, width, 3), BGR.
        xyxy: float32 (1, 4), the face's box in pixels, as a detector gives it.
        label: that the model must give it.
        name: for messages.
    """

    picture: BGRFrame
    xyxy: FloatArray
    label: str
    name: str


@dataclass(frozen=True, slots=True)
class AdoptSummary:
    """What an adoption wrote.

    Attributes:
        out: the ONNX file.
        parity: largest difference of any probability from the foreign model's.
        golden: for each picture given, what the new file said of it, and with what probability.
    """

    out: Path
    parity: float
    golden: Mapping[str, tuple[str, float]]

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        known = f"; as it should be on {', '.join(self.golden)}" if self.golden else ""
        return f"wrote {self.out}; largest difference from the model as it was {self.parity:.1e}{known}"


def adopt_classifier(
    model: Path, out: Path, described: Description, golden: Sequence[Golden] = (), *, trust: bool = False
) -> AdoptSummary:
    """Write a foreign classifier as a file that the engine runs: uint8 BGR in, probabilities out.

    Args:
        model: an ONNX, Keras or TorchScript file; see ``foreign``.
        out: the new one; it appears when it is whole.
        described: by its owner.
        golden: faces whose labels are known.
        trust: see ``read_foreign``.

    Raises:
        ModelNotFoundError, ModelError: the file is no such model of one input and one output.
        RequestError: what is said of it does not fit what it is; the message says what was found.
        ParityError: the new graph disagrees with the model as it was, or a picture gets another label than it should.
    """
    refuse_overwriting([out], [model])
    check_writable(out)
    original = _load(model, described.size_wh, trust=trust)
    contract = _contract(original, model, described)
    _check_output(original, contract, described)
    adopted = rebuilt(original, described, contract.size_wh)
    write_contract(adopted, contract)
    parity = _parity(original, adopted, contract, described)
    write_contract(adopted, replace(contract, parity=parity))
    labelled = _golden(original, adopted, contract, described, golden)
    onnx.checker.check_model(adopted, full_check=True)
    content = adopted.SerializeToString()
    with atomic_write(out) as partial:
        partial.write_bytes(content)
    return AdoptSummary(out, parity, labelled)


def _load(model: Path, size_wh: tuple[int, int] | None, *, trust: bool) -> onnx.ModelProto:
    loaded = with_float32_ends(read_foreign(model, size_wh, trust=trust))
    weights = {tensor.name for tensor in loaded.graph.initializer}
    inputs = sum(value.name not in weights for value in loaded.graph.input)
    if (inputs, len(loaded.graph.output)) != (1, 1):
        raise ModelError(
            f"{model} has {inputs} inputs and {len(loaded.graph.output)} outputs, expected one of each: a classifier"
        )
    return loaded


def _contract(model: onnx.ModelProto, file: Path, described: Description) -> ClassifierContract:
    fed = input_of(model)
    dims = [dim.dim_value or None for dim in fed.type.tensor_type.shape.dim]
    if len(dims) != 4:
        raise RequestError(f"the model's input has rank {len(dims)} ({dims}), expected 4: a batch of pictures")
    rows, columns, channels = (1, 2, 3) if described.input.layout == "NHWC" else (2, 3, 1)
    if dims[channels] not in (3, None):
        raise RequestError(
            f"the model's input is {dims}, which is not {described.input.layout}: its channels are not 3"
        )
    own = (dims[columns], dims[rows])
    if None in own and described.size_wh is None:
        raise RequestError(f"the model's input is {dims}: say the size of a crop, in pixels")
    size_wh = described.size_wh or (own[0] or 0, own[1] or 0)
    if any(a not in (None, b) for a, b in zip(own, size_wh, strict=True)):
        raise RequestError(
            f"the model's input is {dims}, which as {described.input.layout} is not {size_wh[0]}x{size_wh[1]}"
        )
    kind = str(onnx.helper.tensor_dtype_to_np_dtype(fed.type.tensor_type.elem_type))
    if kind != described.input.dtype:
        raise RequestError(f"the model takes {kind}, not {described.input.dtype}")
    return ClassifierContract(
        name=described.name,
        version=described.version,
        licence=described.licence,
        labels=described.labels,
        size_wh=size_wh,
        crop=described.crop,
        training_data=described.training_data,
        metrics=described.metrics,
        source_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )


def _check_output(model: onnx.ModelProto, contract: ClassifierContract, described: Description) -> None:
    """Run the model as it is and hold what comes out against what is said of it."""
    given = run_once(model, to_input(sample_pictures(1, contract.size_wh), described.input))
    columns = 1 if described.output == "sigmoid" else len(described.labels)
    if described.output == "sigmoid" and len(described.labels) != 2:
        raise RequestError(f"a sigmoid of one column tells two labels apart, not {len(described.labels)}")
    if given.size != columns or given.shape[0] != 1:
        raise RequestError(f"the model gives {list(given.shape)} for one picture, expected {columns} columns")
    rows = np.concatenate(
        [
            run_once(model, to_input(picture[None], described.input)).reshape(1, -1)
            for picture in sample_pictures(6, contract.size_wh)
        ]
    )
    if not np.isfinite(rows).all():
        raise RequestError("the model gives numbers that are not finite: check the normalisation")
    within = rows.min() >= -1e-6 and rows.max() <= 1 + 1e-6
    sums = bool(np.abs(rows.sum(1) - 1).max() < _SUM_TOLERANCE)
    span = (
        f"from {rows.min():.3g} to {rows.max():.3g}, with sums from {rows.sum(1).min():.3g} to {rows.sum(1).max():.3g}"
    )
    if described.output == "probabilities" and not (within and sums):
        raise RequestError(f"the model's outputs are {span}: no probabilities; say that they are logits")
    if described.output == "logits" and within and sums:
        raise RequestError(f"the model's outputs are {span}: they are probabilities already, not logits")
    if described.output == "sigmoid" and not within:
        raise RequestError(f"the model's outputs are {span}, expected 0 to 1 of a sigmoid")


def _parity(
    original: onnx.ModelProto, adopted: onnx.ModelProto, contract: ClassifierContract, described: Description
) -> float:
    """Return the largest difference of any probability between batches of the new graph and single runs of the old."""
    worst = 0.0
    for batch in BATCHES:
        pictures = sample_pictures(batch, contract.size_wh)
        expected = np.concatenate(
            [probabilities(run_once(original, to_input(one[None], described.input)), described) for one in pictures]
        )
        try:
            found = run_once(adopted, pictures)
        except ModelError as error:
            raise ModelError(
                f"the graph takes no batch of {batch}: export it with a batch of any size, in PyTorch with "
                f"torch.onnx.export(..., dynamic_shapes=({{0: torch.export.Dim('batch')}},)) ({error})"
            ) from error
        difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
        worst = difference if np.isnan(difference) else max(worst, difference)
    if not worst <= MAX_DIFFERENCE:
        raise ParityError(
            f"with its preprocessing in the graph its probabilities differ by {worst:.2g}, over {MAX_DIFFERENCE}"
        )
    return worst


def _golden(
    original: onnx.ModelProto,
    adopted: onnx.ModelProto,
    contract: ClassifierContract,
    described: Description,
    golden: Sequence[Golden],
) -> dict[str, tuple[str, float]]:
    """Return what the pictures were labelled as; refuse the model when one is labelled as it should not be."""
    unknown = sorted({face.label for face in golden} - set(contract.labels))
    if unknown:
        raise RequestError(f"the model has no label {unknown[0]!r}: choose {', '.join(contract.labels)}")
    labelled = {}
    crops = [cut_crops(face.picture, face.xyxy, contract.crop, contract.size_wh) for face in golden]
    for face, crop in zip(golden, crops, strict=True):
        row = run_once(adopted, crop)[0]
        said = contract.labels[int(row.argmax())]
        labelled[face.name] = (said, float(row.max()))
        if said != face.label:
            hint = _hint(original, described, crops, [face.label for face in golden])
            raise ParityError(f"{face.name} is labelled {said} ({row.max():.2f}), it should be {face.label}{hint}")
    return labelled


# What models are most often trained with, on the 0-255 scale.
_NORMALISATIONS: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "as it is, 0 to 255": ((0.0,) * 3, (1.0,) * 3),
    "0 to 1 (std 255)": ((0.0,) * 3, (255.0,) * 3),
    "-1 to 1 (mean 127.5, std 127.5)": ((127.5,) * 3, (127.5,) * 3),
    "ImageNet's (mean 123.675,116.28,103.53, std 58.395,57.12,57.375)": (
        (123.675, 116.28, 103.53),
        (58.395, 57.12, 57.375),
    ),
}


def _hint(original: onnx.ModelProto, described: Description, crops: Sequence[BGRFrame], labels: Sequence[str]) -> str:
    """Return what preprocessing would label all the pictures right, for the message; nothing is taken over from it."""
    if described.input.dtype != "float32":
        return ""
    fitting = []
    for order in ("RGB", "BGR"):
        for name, (mean, std) in _NORMALISATIONS.items():
            turned = (mean, std) if order == "RGB" else (mean[::-1], std[::-1])
            spec = replace(described.input, colour_order=order, mean=turned[0], std=turned[1])
            rows = [probabilities(run_once(original, to_input(crop, spec)), described)[0] for crop in crops]
            if [described.labels[int(row.argmax())] for row in rows] == list(labels):
                fitting.append(f"{order} with {name}")
    return f"; it would be right for {', or '.join(fitting)}" if fitting else ""

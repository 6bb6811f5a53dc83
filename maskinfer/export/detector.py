"""From a trained detector's checkpoint to an ONNX file that carries its contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from maskinfer.engine.contract import DetectorContract
from maskinfer.engine.errors import ParityError
from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.engine.results import FloatArray
from maskinfer.export.metadata import write_contract
from maskinfer.export.parity import largest_difference, open_graph, sample_pictures
from maskinfer.export.torch_graph import INPUT, MAX_DIFFERENCE, RIGHTS, to_graph
from maskinfer.training.detector.checkpoint import DetectorCheckpoint, load_checkpoint, restore
from maskinfer.training.detector.model import (
    ANCHORS,
    CHANNELS,
    MEAN_BGR,
    SIZE_DIVISOR,
    STRIDES,
    VALUES,
    VARIANCES,
    RetinaFace,
    flat,
    to_detector_input,
)

OUTPUTS = ("boxes", "probabilities", "landmarks")
# Batch, height, width.
PARITY_SHAPES = ((1, 64, 96), (3, 160, 128), (2, 384, 640), (1, 640, 640))
LICENCE = f"MIT for the weights that training began with (biubug6) and for what is ours to license; {RIGHTS}"


@dataclass(frozen=True, slots=True)
class DetectorExport:
    """What an export wrote.

    Attributes:
        out: the ONNX file.
        bytes: its size.
        parity: largest difference of any output from torch's.
    """

    out: Path
    bytes: int
    parity: float

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        shapes = ", ".join("x".join(map(str, shape)) for shape in PARITY_SHAPES)
        return (
            f"wrote {self.out}, {self.bytes / 1e6:.1f} MB; "
            f"largest difference from torch {self.parity:.1e} over inputs of {shapes}"
        )


class _Deployed(nn.Module):
    """What is exported: uint8 (N, H, W, 3), BGR, in; boxes, probabilities and landmarks as the engine decodes them.

    The three heads of a level are one convolution, ordered by anchor: a third of the calls and of the transposes.
    """

    mean_bgr: Tensor

    def __init__(self, model: RetinaFace) -> None:
        super().__init__()
        self.model = model
        self.heads = nn.ModuleList(_joined(model, level) for level in range(len(STRIDES)))
        self.register_buffer("mean_bgr", torch.tensor(MEAN_BGR).view(1, 3, 1, 1))

    def forward(self, bgr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Transposing the bytes before the cast moves a quarter of the memory.
        features = self.model.features(bgr.permute(0, 3, 1, 2).float() - self.mean_bgr)
        joined = flat([h(f) for h, f in zip(self.heads, features, strict=True)], sum(VALUES.values()))
        boxes, logits, landmarks = torch.split(joined, list(VALUES.values()), 2)
        return boxes, torch.softmax(logits, 2), landmarks


def _joined(model: RetinaFace, level: int) -> nn.Conv2d:
    """Return one convolution for all heads of a level."""
    heads: list[Any] = [getattr(model, name)[level] for name in VALUES]
    joined = nn.Conv2d(CHANNELS, sum(head.out_channels for head in heads), 1)
    # A row an output, its bias last; two anchors a cell.
    rows = [torch.cat((head.weight.flatten(1), head.bias[:, None]), 1) for head in heads]
    by_anchor = torch.cat([part.reshape(2, -1, CHANNELS + 1) for part in rows], 1).flatten(0, 1).detach()
    joined.load_state_dict({"weight": by_anchor[:, :-1, None, None], "bias": by_anchor[:, -1]})
    return joined


def export_detector(checkpoint: Path, out: Path, *, name: str | None = None, version: str = "1") -> DetectorExport:
    """Write a checkpoint as an ONNX file that ``engine.detector.load_detector`` opens.

    It takes uint8 frames (N, height, width, 3), BGR, both sides multiples of 32, and gives encoded boxes (N, A, 4),
    probabilities of background and face (N, A, 2), and encoded landmarks (N, A, 10), of A anchors.

    Args:
        checkpoint: that a detector's training wrote.
        out: the ONNX file; it appears when it is whole.
        name: of the model in its contract; the recipe's by default.
        version: of the model in its contract.

    Raises:
        ModelError: the checkpoint cannot be read. RequestError: ``out`` is the checkpoint. OutputError.
        ParityError: the graph's outputs differ from torch's by more than 1e-4; nothing is written.
    """
    refuse_overwriting([out], [checkpoint])
    check_writable(out)
    trained = load_checkpoint(checkpoint)
    model = _to_onnx(restore(trained))
    parity = parity_with_torch(model.SerializeToString(), restore(trained))
    if not parity <= MAX_DIFFERENCE:
        raise ParityError(
            f"the graph's outputs differ from torch's by {parity:.2g}, over {MAX_DIFFERENCE}; {out} is not written"
        )
    write_contract(model, replace(_contract(trained, name or trained.recipe.name, version), parity=parity))
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    with atomic_write(out) as partial:
        partial.write_bytes(data)
    return DetectorExport(out, len(data), parity)


def _contract(trained: DetectorCheckpoint, name: str, version: str) -> DetectorContract:
    return DetectorContract(
        name=name,
        version=version,
        licence=LICENCE,
        kind="retinaface",
        size_divisor=SIZE_DIVISOR,
        strides=STRIDES,
        anchors=ANCHORS,
        variances=VARIANCES,
        det_threshold=trained.recipe.det_threshold,
        training_data=("WIDER FACE", *trained.training_data),
        source_sha256=trained.sha256,
    )


def _to_onnx(model: RetinaFace) -> onnx.ModelProto:
    height, width = (SIZE_DIVISOR * torch.export.Dim(f"{name}_cells", min=1) for name in ("height", "width"))
    example = torch.zeros(2, 96, 64, 3, dtype=torch.uint8)
    return to_graph(_Deployed(model), example, {0: torch.export.Dim("batch"), 1: height, 2: width}, OUTPUTS)


def parity_with_torch(graph: bytes, model: RetinaFace) -> float:
    """Return the largest absolute difference of any output from torch's, over several batches and sizes."""
    session = open_graph(graph)

    def run(count: int, height: int, width: int) -> tuple[Sequence[FloatArray], Sequence[FloatArray]]:
        frames = sample_pictures(count, (width, height))
        with torch.inference_mode():
            boxes, logits, landmarks = model(to_detector_input(torch.from_numpy(frames)))
        expected = [output.numpy() for output in (boxes, torch.softmax(logits, 2), landmarks)]
        return session.run(list(OUTPUTS), {INPUT: frames}), expected

    return largest_difference(run(*shape) for shape in PARITY_SHAPES)

"""From a trained checkpoint to an ONNX file that carries its contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from maskinfer.engine.contract import FACE_OUTPUT, ClassifierContract
from maskinfer.engine.errors import ParityError, RequestError
from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.engine.results import FloatArray
from maskinfer.export.metadata import write_contract
from maskinfer.export.parity import largest_difference, open_graph, sample_pictures
from maskinfer.export.torch_graph import INPUT, MAX_DIFFERENCE, MAX_HALF_DIFFERENCE, RIGHTS, halve_weights, to_graph
from maskinfer.training.classifier.checkpoint import Checkpoint, load_checkpoint, restore
from maskinfer.training.classifier.network import MEAN_RGB, STD_RGB, to_network_input
from maskinfer.training.classifier.recipe import Recipe

OUTPUT = "probabilities"
PARITY_BATCHES = (1, 2, 7, 16)
LICENCE = f"MIT for the weights as far as they are ours to license; {RIGHTS}"


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export wrote.

    Attributes:
        out: the ONNX file.
        bytes: its size.
        parity: largest difference of any probability from torch's.
    """

    out: Path
    bytes: int
    parity: float

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        batches = ", ".join(map(str, PARITY_BATCHES))
        return (
            f"wrote {self.out}, {self.bytes / 1e6:.1f} MB; "
            f"largest difference from torch {self.parity:.1e} over batches of {batches}"
        )


class _Deployed(nn.Module):
    """What is exported: uint8 (N, H, W, 3), BGR, in; probabilities (N, labels) out, and (N,) that it is a face.

    Only the mean is subtracted in the graph. The order of the colours and the division by the standard deviation are
    in the first convolution; the mean cannot be, since that convolution pads with zeros, which stand for the mean.
    """

    mean_bgr: Tensor

    def __init__(self, network: Any, recipe: Recipe, temperature: float, shift: FloatArray) -> None:
        super().__init__()
        _fold_batch_norms(network)
        stem = network.features[0][0]
        with torch.no_grad():
            stem.weight.copy_((stem.weight / torch.tensor(STD_RGB).view(1, 3, 1, 1)).flip(1))
            labels = len(recipe.labels)
            for parameter in network.classifier[-1].parameters():
                parameter[:labels].div_(temperature)
            network.classifier[-1].bias[:labels].add_(torch.from_numpy(shift))
        self.features, self.classifier = network.features, network.classifier
        self.labels, self.tells_faces = labels, recipe.tells_faces
        self.register_buffer("mean_bgr", torch.tensor(MEAN_RGB).flip(0).view(1, 3, 1, 1))

    def forward(self, bgr: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        # Transposing the bytes before the cast moves a quarter of the memory.
        centred = bgr.permute(0, 3, 1, 2).float() - self.mean_bgr
        logits = self.classifier(self.features(centred).mean((2, 3)))
        if not self.tells_faces:
            return torch.softmax(logits, 1)
        return torch.softmax(logits[:, : self.labels], 1), torch.sigmoid(logits[:, self.labels])


def _fold_batch_norms(network: nn.Module) -> None:
    """Fold each batch norm that follows a convolution into it, in place."""
    for module in list(network.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for i, (layer, following) in enumerate(pairwise(list(module))):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                module[i], module[i + 1] = fuse_conv_bn_eval(layer, following), nn.Identity()


def export_classifier(
    checkpoint: Path,
    out: Path,
    *,
    name: str | None = None,
    version: str = "1",
    temperature: float = 1.0,
    priors: Mapping[str, float] | None = None,
    half_weights: bool = False,
) -> ExportSummary:
    """Write a checkpoint as an ONNX file: uint8 BGR crops (N, height, width, 3) in, probabilities (N, labels) out.

    Batch normalisation is folded into the convolutions; resizing aside, all preprocessing lies in the graph.

    Args:
        checkpoint: that ``maskinfer train`` wrote.
        out: the ONNX file; it appears when it is whole.
        name: of the model in its contract; the recipe's by default.
        version: of the model in its contract.
        temperature: the logits are divided by it; ``maskinfer evaluate`` fits it.
        priors: how often each label will occur where the model is used, to sum to any positive number; None for the
            shares that the recipe drew the labels with.
        half_weights: store the weights in float16, for half the size; what is calculated stays float32.

    Raises:
        ModelError: the checkpoint cannot be read. RequestError: ``out`` is the checkpoint, or the temperature or the
            priors cannot be. OutputError.
        ParityError: the graph's probabilities differ from torch's by more than 1e-4, or, of weights in float16, by
            more than 5e-2; nothing is written.
    """
    if not temperature > 0:
        raise RequestError(f"the temperature is {temperature}, expected a number over 0")
    refuse_overwriting([out], [checkpoint])
    check_writable(out)
    trained = load_checkpoint(checkpoint)
    shift = prior_shift(trained.recipe, priors)
    contract = _contract(trained, name or trained.recipe.name, version)
    contract = replace(contract, temperature=temperature, priors=dict(priors or {}))
    model = _to_onnx(trained, temperature, shift)
    if half_weights:
        halve_weights(model)
    allowed = MAX_HALF_DIFFERENCE if half_weights else MAX_DIFFERENCE
    write_contract(model, contract)
    parity = parity_with_torch(model.SerializeToString(), trained, temperature, shift)
    if not parity <= allowed:
        raise ParityError(
            f"the graph's probabilities differ from torch's by {parity:.2g}, over {allowed}; {out} is not written"
        )
    write_contract(model, replace(contract, parity=parity))
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    with atomic_write(out) as partial:
        partial.write_bytes(data)
    return ExportSummary(out, len(data), parity)


def prior_shift(recipe: Recipe, priors: Mapping[str, float] | None) -> FloatArray:
    """Return what is added to each logit, float32 (labels,), where labels occur otherwise than in the training.

    By Bayes' rule the probabilities are multiplied by the ratio of the shares (Saerens et al., "Adjusting the Outputs
    of a Classifier to New a Priori Probabilities", Neural Computation 14, 2002).

    Raises:
        RequestError: a label has no prior or no share in the recipe, or one is not over 0.
    """
    drawn = recipe.sampling.class_shares
    if not priors:
        return np.zeros(len(recipe.labels), np.float32)
    if set(priors) != set(recipe.labels) or not all(0 < share < np.inf for share in priors.values()):
        raise RequestError(f"priors are {dict(priors)}, expected a share over 0 of each of {', '.join(recipe.labels)}")
    if not all(drawn.get(label, 0) > 0 for label in recipe.labels):
        raise RequestError("the recipe does not say how often it drew each label (class_shares): leave the priors out")
    ratios = [priors[label] / drawn[label] for label in recipe.labels]
    return np.log(np.asarray(ratios, np.float32) * sum(drawn.values()) / sum(priors.values()))


def _contract(trained: Checkpoint, name: str, version: str) -> ClassifierContract:
    recipe = trained.recipe
    return ClassifierContract(
        name=name,
        version=version,
        licence=LICENCE,
        labels=recipe.labels,
        size_wh=(recipe.size_px, recipe.size_px),
        crop=recipe.crop,
        training_data=trained.training_data,
        source_sha256=trained.sha256,
    )


def _to_onnx(trained: Checkpoint, temperature: float, shift: FloatArray) -> onnx.ModelProto:
    side = trained.recipe.size_px
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    recipe = trained.recipe
    deployed = _Deployed(restore(trained), recipe, temperature, shift)
    return to_graph(deployed, example, {0: torch.export.Dim("batch")}, [OUTPUT, FACE_OUTPUT][: 1 + recipe.tells_faces])


def parity_with_torch(
    graph: bytes, trained: Checkpoint, temperature: float = 1.0, shift: FloatArray | None = None
) -> float:
    """Return the largest absolute difference of any probability from torch's, over several batches and pictures."""
    session, network, labels = open_graph(graph), restore(trained), len(trained.recipe.labels)
    added = torch.zeros(labels) if shift is None else torch.from_numpy(shift)

    def run(batch: int) -> tuple[Sequence[FloatArray], Sequence[FloatArray]]:
        pictures = sample_pictures(batch, (trained.recipe.size_px, trained.recipe.size_px))
        with torch.inference_mode():
            logits = network(to_network_input(torch.from_numpy(pictures)))
            expected = [torch.softmax(logits[:, :labels] / temperature + added, 1).numpy()]
            expected += [torch.sigmoid(logits[:, column]).numpy() for column in range(labels, logits.shape[1])]
        return session.run(None, {INPUT: pictures}), expected

    return largest_difference(map(run, PARITY_BATCHES))

"""The steps of a fine-tuning: the labels of a place are learnt, and the new weights are mixed with the old ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, pad

from maskinfer.engine.contract import FACE_OUTPUT
from maskinfer.engine.flow.progress import Progress
from maskinfer.engine.results import BGRBatch
from maskinfer.training.classifier.batches import augmented
from maskinfer.training.classifier.dataset import Indices, Pictures
from maskinfer.training.classifier.tuning.graph import GraphNetwork, Said
from maskinfer.training.classifier.tuning.schedule import BATCH, SMOOTHING, TuningPlan
from maskinfer.training.optim import reduced_precision

_WARMUP = 0.1
# Weights of the first layers, which see edges and colours, stay: half of the time, and little to learn.
_FIRST_TRAINED = 18
_OTHERS_WEIGHT = 0.5
_LEAST_SCALE = 1e-3
# What stands in place of the label of a picture that has none.
_REHEARSED, _NO_FACE = -1, -2
_SURELY_NONE = 0.01
# As many of a batch as the shipped models learnt from.
_NO_FACES = BATCH // 8


def tune_network(
    network: GraphNetwork,
    teacher: GraphNetwork,
    pictures: Pictures,
    own: Indices,
    rehearsed: Indices,
    no_faces: Indices,
    plan: TuningPlan,
    progress: Progress,
) -> None:
    """Train a network in place.

    In the end each weight is the mean of the one that was learnt and the one it began as, which counts ``keep``
    (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022): nearly all of what was learnt stays, and
    nearly nothing that was known before is forgotten. Rehearsed pictures are learnt as the old model says (Li and
    Hoiem, "Learning without Forgetting", 2016).

    Args:
        network: that begins as the teacher is.
        teacher: the old model.
        pictures: all of them.
        own: indices of the place's faces.
        rehearsed: indices of others, that are only held on to.
        no_faces: indices of what the detector takes for faces and is none, which is learnt.
        plan: how.
        progress: told of each step.
    """
    began = [weight.detach().clone() for weight in network.weights]
    torch.manual_seed(plan.recipe.seed)
    torch.set_flush_denormal(True)
    optimizer, rates = _optimizer(network, plan)
    offsets = offsets_of(pictures.labels[own], len(plan.recipe.labels))
    teacher.eval()
    progress.set_total(plan.steps)
    for step, (images, labels) in enumerate(_batches(pictures, own, rehearsed, no_faces, plan)):
        share = _share(step, plan.steps)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        inputs = torch.from_numpy(images)
        said = _say(network, inputs)
        with torch.no_grad():
            taught = _say(teacher, inputs)
        loss = _loss(said, taught, torch.from_numpy(labels), offsets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress.advance()
    with torch.no_grad():
        for weight, before in zip(network.weights, began, strict=True):
            weight.lerp_(before, plan.keep)


def _optimizer(network: GraphNetwork, plan: TuningPlan) -> tuple[torch.optim.Optimizer, list[float]]:
    for fixed in list(network.weights)[:_FIRST_TRAINED]:
        fixed.requires_grad_(False)
    trained = list(network.weights)[_FIRST_TRAINED:]
    rates = [plan.relative_step * max(_LEAST_SCALE, float(w.detach().square().mean().sqrt())) for w in trained]
    groups = [{"params": [w], "lr": rate} for w, rate in zip(trained, rates, strict=True)]
    return torch.optim.Adam(groups, betas=(0.9, 0.99)), rates


def _share(step: int, steps: int) -> float:
    """Return the share of the rate at a step: a short way up, then half a cosine down."""
    return min(1.0, (step + 1) / max(1.0, _WARMUP * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _batches(
    pictures: Pictures, own: Indices, rehearsed: Indices, no_faces: Indices, plan: TuningPlan
) -> Iterator[tuple[BGRBatch, Indices]]:
    """Yield batches: of the place's faces, half of them rehearsed ones and an eighth no faces if there are some.

    The labels of these are ``_REHEARSED`` and ``_NO_FACE``.
    """
    rng = np.random.default_rng(plan.recipe.seed)
    sources = ((rehearsed, BATCH // 2, _REHEARSED), (no_faces, _NO_FACES, _NO_FACE))
    others = [source for source in sources if len(source[0])]
    own_count = BATCH - sum(count for _, count, _ in others)
    drawn = rng.choice(own, plan.steps * own_count, p=_shares(pictures.labels[own]))
    for step in range(plan.steps):
        first = drawn[step * own_count : (step + 1) * own_count]
        ids = np.concatenate([first, *(rng.choice(source, count) for source, count, _ in others)])
        labels = np.concatenate([pictures.labels[first], *(np.full(count, kind) for _, count, kind in others)])
        names = [plan.recipe.labels[label] if label >= 0 else None for label in pictures.labels[ids]]
        rngs = [np.random.default_rng((plan.recipe.seed, step, i)) for i in range(len(ids))]
        images = [
            augmented(pictures.images[i], name, plan.recipe, own_rng)
            for i, name, own_rng in zip(ids, names, rngs, strict=True)
        ]
        yield np.stack(images), labels


def _shares(labels: Indices) -> NDArray[np.float64]:
    """Return how often each face is drawn: labels by the root of their number, so that rare ones are seen too."""
    weights = np.zeros(len(labels))
    for label in np.unique(labels):
        members = labels == label
        weights[members] = 1 / np.sqrt(members.sum())
    return np.asarray(weights / weights.sum(), np.float64)


def offsets_of(labels: Indices, count: int) -> Tensor:
    """Return what is added to the logits while labels are learnt, so that it is not learnt how often each is drawn.

    Rare labels are drawn more often than the place shows them. Without this the network would take them to be as
    frequent, and say them more often everywhere (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021).

    Args:
        labels: of the place's faces, indices.
        count: of labels.

    Returns:
        float32 (count,): the logarithm of each label's share of the draws over its share of the faces; 0 for labels
        that the place does not show.
    """
    drawn, shown = np.bincount(labels, _shares(labels), count), np.bincount(labels, minlength=count) / len(labels)
    return torch.from_numpy(np.log(np.where(shown > 0, drawn, 1) / np.where(shown > 0, shown, 1)).astype(np.float32))


def _say(network: GraphNetwork, inputs: Tensor) -> Said:
    with reduced_precision(inputs.device):
        said = network(inputs)
    others = {name: value.float() for name, value in said.others.items()}
    return Said(said.logits.float(), others, said.features.float())


def _loss(said: Said, taught: Said, labels: Tensor, offsets: Tensor) -> Tensor:
    known = labels >= 0
    loss = cross_entropy(said.logits[known] + offsets, labels[known], label_smoothing=SMOOTHING)
    if not bool(known.all()):
        answers = taught.logits[~known].softmax(1)
        # Of labels that the old model does not know it says nothing.
        answers = pad(answers, (0, said.logits.shape[1] - answers.shape[1]))
        loss = loss + cross_entropy(said.logits[~known], answers)
    for name, value in said.others.items():
        answers = taught.others[name].sigmoid()
        if name == FACE_OUTPUT:
            answers = answers.where(labels != _NO_FACE, _SURELY_NONE)
        loss = loss + _OTHERS_WEIGHT * binary_cross_entropy_with_logits(value, answers)
    return loss

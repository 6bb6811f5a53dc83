"""New labels begin with what the network sees already: their rows of the last layer are fitted first."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from maskinfer.training.classifier.dataset import Indices, Pictures, as_deployed
from maskinfer.training.classifier.recipe import Recipe
from maskinfer.training.classifier.tuning.graph import GraphNetwork

_BATCH = 64
_STEPS = 100
# Strength of the penalty on the rows, over the number of features: with a few pictures they would fit anything.
_PENALTY = 0.1


def fit_new_labels(
    network: GraphNetwork, pictures: Pictures, own: Indices, before: int, added: int, recipe: Recipe
) -> None:
    """Fit the rows of new labels, and nothing else, by logistic regression on what the last layer reads.

    A network that is tuned from a last layer at random spoils what it saw (Kumar et al., "Fine-Tuning can Distort
    Pretrained Features", ICLR 2022).

    Args:
        network: with the new labels' rows, whose weights are 0.
        pictures: all of them.
        own: indices of those to learn from.
        before: number of labels of old.
        added: number of new ones, which follow them.
        recipe: how faces are cut.
    """
    with torch.inference_mode():
        said = [
            network(torch.from_numpy(_crops(pictures, own[i : i + _BATCH], recipe))) for i in range(0, len(own), _BATCH)
        ]
    features = torch.cat([one.features for one in said]).float()
    logits = torch.cat([one.logits for one in said]).float()
    labels = torch.from_numpy(pictures.labels[own])
    scale = features.square().mean().sqrt().clamp_min(1e-6)
    rows = torch.zeros(added, features.shape[1], requires_grad=True)
    offsets = logits[0, before:].clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([rows, offsets], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        new = features / scale @ rows.T + offsets
        found = cross_entropy(torch.cat([logits[:, :before], new], 1), labels) + _PENALTY * rows.square().mean()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    weight, bias = network.weights[-2:]
    with torch.no_grad():
        weight[before : before + added] = rows / scale
        bias[before : before + added] = offsets


def _crops(pictures: Pictures, ids: Indices, recipe: Recipe) -> np.ndarray:
    return np.stack([as_deployed(pictures.images[i], recipe) for i in ids])

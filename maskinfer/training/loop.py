"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from maskinfer.engine.prefetch import prefetch
from maskinfer.training.network import to_network_input, train_mode
from maskinfer.training.pictures import Indices, Pictures, as_deployed, draw_order, training_batches
from maskinfer.training.recipe import Recipe, Schedule

QUEUE_BATCHES = 4
Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Epoch:
    """Figures of one epoch.

    Attributes:
        epoch: from 1.
        loss: mean training loss, on augmented pictures.
        accuracy: on the same.
        test_loss: cross entropy on the pictures kept out; None when there are none.
        test_accuracy: on the same.
        seconds: it took.
    """

    epoch: int
    loss: float
    accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    seconds: float


def fit(
    model: nn.Module,
    pictures: Pictures,
    train: Indices,
    test: Indices,
    recipe: Recipe,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> Iterator[Epoch]:
    """Train a network in place, yielding after each epoch; at the end it holds the weights to keep.

    Args:
        model: from ``network.build``.
        pictures: all of them.
        train: indices to train on.
        test: indices to report on.
        recipe: how.
        on_step: called after each step, with its number and the number of steps.
    """
    # Numbers too small to matter are calculated ten times slower than zeros.
    torch.set_flush_denormal(True)
    order = draw_order(pictures, train, recipe)
    steps = -(-len(order) // recipe.schedule.batch)
    optimizer, scheduler = _optimizer(model, recipe.schedule, steps)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    ends = [round((epoch + 1) * steps / recipe.schedule.epochs) for epoch in range(recipe.schedule.epochs)]
    losses: list[float] = []
    hits: list[float] = []
    started = time.perf_counter()
    train_mode(model, recipe.network)
    with prefetch(training_batches(pictures, order, recipe), QUEUE_BATCHES) as batches:
        for step, (images, labels) in enumerate(batches, 1):
            loss, hit = _step(model, images, labels, recipe.schedule, optimizer, step / steps)
            scheduler.step()
            _update_average(average, model, recipe.schedule.average_decay, step)
            losses.append(loss)
            hits.append(hit)
            on_step(step, steps)
            if step in ends:
                if step == steps:
                    model.load_state_dict(average)
                figures = evaluate(model, pictures, test, recipe) if len(test) else (None, None)
                seconds = time.perf_counter() - started
                yield Epoch(ends.index(step) + 1, float(np.mean(losses)), float(np.mean(hits)), *figures, seconds)
                losses, hits, started = [], [], time.perf_counter()
                train_mode(model, recipe.network)


def bfloat16_pays() -> bool:
    """Tell whether this processor calculates in bfloat16; where it does not, torch emulates it many times slower."""
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def _precision() -> AbstractContextManager[None]:
    return torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_pays())


def _step(
    model: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    schedule: Schedule,
    optimizer: torch.optim.Optimizer,
    progress: float,
) -> tuple[float, float]:
    """Take one step; return its loss and accuracy."""
    inputs = to_network_input(torch.from_numpy(images))
    if schedule.first_size_px and progress <= schedule.first_share:
        size = (schedule.first_size_px, schedule.first_size_px)
        inputs = interpolate(inputs, size=size, mode="bilinear", antialias=True)
    targets = torch.from_numpy(labels)
    with _precision():
        logits = model(inputs.contiguous(memory_format=torch.channels_last)).float()
    loss = nn.functional.cross_entropy(logits, targets, label_smoothing=schedule.label_smoothing)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach()), float((logits.argmax(1) == targets).float().mean())


def _optimizer(model: nn.Module, schedule: Schedule, steps: int) -> tuple[torch.optim.Optimizer, LRScheduler]:
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if schedule.optimizer == "adamw" else torch.optim.Adam
    optimizer = kind(groups, lr=schedule.learning_rate)
    if schedule.shape == "one_cycle":
        one_cycle = OneCycleLR(
            optimizer, schedule.learning_rate, total_steps=steps + 1, pct_start=schedule.warmup_share
        )
        return optimizer, one_cycle
    decay = schedule.learning_rate / schedule.epochs
    return optimizer, LambdaLR(optimizer, lambda step: 1 / (1 + decay * step))


def _update_average(average: Weights, model: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the weights, faster in the first steps; without a decay it is the weights."""
    rate = 1 - min(decay, step / (9 + step))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point and decay:
                average[name].lerp_(value, rate)
            else:
                average[name].copy_(value)


def predict(model: nn.Module, pictures: Pictures, indices: Indices, recipe: Recipe, batch: int = 64) -> Tensor:
    """Return the logits, float32 (N, labels), of pictures as the deployed network sees them."""
    model.eval()
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(indices), batch):
            chosen = [as_deployed(pictures.images[i], recipe) for i in indices[start : start + batch]]
            outputs.append(model(to_network_input(torch.from_numpy(np.stack(chosen)))))
    return torch.cat(outputs)


def evaluate(model: nn.Module, pictures: Pictures, indices: Indices, recipe: Recipe) -> tuple[float, float]:
    """Return cross entropy and accuracy."""
    logits = predict(model, pictures, indices, recipe)
    labels = torch.from_numpy(pictures.labels[indices])
    loss = nn.functional.cross_entropy(logits, labels)
    return float(loss), float((logits.argmax(1) == labels).float().mean())

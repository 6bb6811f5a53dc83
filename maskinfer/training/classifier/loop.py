"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from maskinfer.engine.flow.overlap import prefetch
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.training.classifier.dataset import Indices, Pictures, as_deployed, training_batches
from maskinfer.training.classifier.loss import accuracy_of, loss_of
from maskinfer.training.classifier.network import to_network_input, train_mode
from maskinfer.training.classifier.recipe import Recipe, Schedule
from maskinfer.training.optim import average_of, bfloat16_pays, parameter_groups
from maskinfer.training.state import TrainingState, Weights, copy_weights

QUEUE_BATCHES = 4


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

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        held_out = ""
        if self.test_accuracy is not None:
            held_out = f", held out: loss {self.test_loss:.4f} accuracy {self.test_accuracy:.4f}"
        return f"epoch {self.epoch}: loss {self.loss:.4f} accuracy {self.accuracy:.4f}{held_out} ({self.seconds:.0f} s)"


@dataclass(slots=True)
class ClassifierTraining(TrainingState[Epoch]):
    """A classifier's training under way.

    Attributes:
        teachers: trained networks; the mean of their probabilities is part of what is learnt, if there are any.
    """

    teachers: Sequence[nn.Module] = ()

    def kept(self) -> Weights:
        """Return the weights to keep: the best ones, or the average."""
        return self.best or self.averaged()


def begin(model: nn.Module, draws: int, schedule: Schedule, teachers: Sequence[nn.Module] = ()) -> ClassifierTraining:
    """Prepare the training of a network.

    Args:
        model: from ``network.build``.
        draws: how many pictures the whole training sees.
        schedule: the recipe's.
        teachers: from ``checkpoint.restore``, with the same labels.
    """
    # Numbers too small to matter are calculated ten times slower than zeros.
    torch.set_flush_denormal(True)
    optimizer, scheduler = _optimizer(model, schedule, steps_of(draws, schedule))
    average = average_of(model, schedule.average_decay)
    return ClassifierTraining(model, optimizer, scheduler, average, teachers=teachers)


def steps_of(draws: int, schedule: Schedule) -> int:
    """Return the number of steps of a training that sees so many pictures."""
    return -(-draws // schedule.batch)


def fit(
    state: ClassifierTraining,
    pictures: Pictures,
    order: Indices,
    test: Indices,
    recipe: Recipe,
    progress: Progress = SILENT,
) -> Iterator[Epoch]:
    """Train from where the state stands, yielding after each epoch until the last, or until none gets better.

    Args:
        state: from ``begin``, or brought forward by ``state.load_state``.
        pictures: all of them.
        order: indices of the pictures that the whole training sees; see ``dataset.draw_order``.
        test: indices to report on.
        recipe: how.
        progress: told how many steps there are and have been taken.
    """
    schedule, steps = recipe.schedule, steps_of(len(order), recipe.schedule)
    if _stale(state.history, schedule.patience):
        return  # it was killed after its last epoch
    ends = [round((epoch + 1) * steps / schedule.epochs) for epoch in range(schedule.epochs)]
    figures: list[tuple[float, float]] = []
    started = time.perf_counter()
    train_mode(state.model, recipe.network)
    progress.set_total(steps)
    progress.advance(state.step)
    with prefetch(training_batches(pictures, order, recipe, state.step), QUEUE_BATCHES) as batches:
        for images, labels in batches:
            figures.append(_step(state, images, labels, recipe, steps))
            progress.advance()
            if state.step in ends:
                _end_epoch(state, pictures, test, recipe, figures, time.perf_counter() - started)
                yield state.history[-1]
                if _stale(state.history, schedule.patience):
                    return
                figures, started = [], time.perf_counter()
                train_mode(state.model, recipe.network)


def _end_epoch(
    state: ClassifierTraining,
    pictures: Pictures,
    test: Indices,
    recipe: Recipe,
    figures: list[tuple[float, float]],
    seconds: float,
) -> None:
    """Add the epoch to the history; keep its averaged weights if they are the best yet."""
    loss, accuracy = (float(value) for value in np.mean(figures, axis=0))
    epoch = Epoch(len(state.history) + 1, loss, accuracy, None, None, seconds)
    if len(test):
        test_loss, test_accuracy = evaluate(state.average.module, pictures, test, recipe)
        epoch = replace(epoch, test_loss=test_loss, test_accuracy=test_accuracy)
        earlier = [e.test_loss for e in state.history if e.test_loss is not None]
        if recipe.schedule.patience and test_loss < min(earlier, default=float("inf")):
            state.best = copy_weights(state.average.module)
    state.history.append(epoch)


def _stale(history: list[Epoch], patience: int) -> bool:
    losses = [epoch.test_loss for epoch in history if epoch.test_loss is not None]
    return bool(patience and losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


def _precision() -> AbstractContextManager[None]:
    return torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_pays())


def _step(
    state: ClassifierTraining, images: NDArray[np.uint8], labels: NDArray[np.int64], recipe: Recipe, steps: int
) -> tuple[float, float]:
    """Take one step; return its loss and accuracy."""
    schedule = recipe.schedule
    state.step += 1
    inputs = to_network_input(torch.from_numpy(images))
    if schedule.initial_size_px and state.step <= schedule.initial_share * steps:
        size = (schedule.initial_size_px, schedule.initial_size_px)
        inputs = interpolate(inputs, size=size, mode="bilinear", antialias=True)
    targets = torch.from_numpy(labels)
    with _precision():
        logits = state.model(inputs.contiguous(memory_format=torch.channels_last)).float()
    taught = _taught(state.teachers, inputs, len(recipe.labels)) if state.teachers else None
    loss = loss_of(logits, targets, taught, recipe)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.scheduler.step()
    state.average.update_parameters(state.model)
    return float(loss.detach()), accuracy_of(logits, targets, recipe)


def _taught(teachers: Sequence[nn.Module], inputs: Tensor, labels: int) -> Tensor:
    """Return the teachers' mean probabilities: Hinton et al., "Distilling the Knowledge in a Neural Network"."""
    with torch.no_grad(), _precision():
        return torch.stack([torch.softmax(teacher(inputs)[:, :labels].float(), 1) for teacher in teachers]).mean(0)


def _optimizer(model: nn.Module, schedule: Schedule, steps: int) -> tuple[torch.optim.Optimizer, LRScheduler]:
    groups = parameter_groups(model, schedule.weight_decay)
    kind = torch.optim.AdamW if schedule.optimizer == "adamw" else torch.optim.Adam
    optimizer = kind(groups, lr=schedule.learning_rate)
    if schedule.lr_schedule == "one_cycle":
        one_cycle = OneCycleLR(
            optimizer, schedule.learning_rate, total_steps=steps + 1, pct_start=schedule.warmup_share
        )
        return optimizer, one_cycle
    decay = schedule.learning_rate / schedule.epochs
    return optimizer, LambdaLR(optimizer, lambda step: 1 / (1 + decay * step))


def predict(model: nn.Module, pictures: Pictures, indices: Indices, recipe: Recipe, batch: int = 64) -> Tensor:
    """Return the labels' logits, float32 (N, labels), of pictures as the deployed network sees them."""
    model.eval()
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(indices), batch):
            chosen = [as_deployed(pictures.images[i], recipe) for i in indices[start : start + batch]]
            outputs.append(model(to_network_input(torch.from_numpy(np.stack(chosen))))[:, : len(recipe.labels)])
    return torch.cat(outputs)


def evaluate(model: nn.Module, pictures: Pictures, indices: Indices, recipe: Recipe) -> tuple[float, float]:
    """Return cross entropy and accuracy."""
    logits = predict(model, pictures, indices, recipe)
    labels = torch.from_numpy(pictures.labels[indices])
    loss = nn.functional.cross_entropy(logits, labels)
    return float(loss), float((logits.argmax(1) == labels).float().mean())

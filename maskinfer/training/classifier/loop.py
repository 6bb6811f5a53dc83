"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.training.classifier.batches import Batch, Draws, drawn_ahead
from maskinfer.training.classifier.dataset import Indices, Pictures, as_deployed
from maskinfer.training.classifier.loss import accuracy_of, loss_of
from maskinfer.training.classifier.network import to_network_input, train_mode
from maskinfer.training.classifier.recipe import Recipe, Schedule
from maskinfer.training.optim import average_of, device_of, parameter_groups, reduced_precision
from maskinfer.training.state import TrainingState, Weights, copy_weights


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


@dataclass(frozen=True, slots=True)
class Teacher:
    """A trained network with the same labels, ready to predict, and the side of the pictures that it takes."""

    network: nn.Module
    size_px: int


@dataclass(slots=True)
class ClassifierTraining(TrainingState[Epoch]):
    """A classifier's training under way.

    Attributes:
        teachers: the mean of their probabilities is part of what is learnt, if there are any.
    """

    teachers: Sequence[Teacher] = ()

    def kept(self) -> Weights:
        """Return the weights to keep: the best ones, or the average."""
        return self.best or self.averaged()


def begin(model: nn.Module, draws: int, schedule: Schedule, teachers: Sequence[Teacher] = ()) -> ClassifierTraining:
    """Prepare the training of a network.

    Args:
        model: from ``network.build``, on the device to train on.
        draws: how many pictures the whole training sees.
        schedule: the recipe's.
        teachers: on the same device.
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
    draws = Draws(pictures, order, recipe, max(recipe.size_px, *(teacher.size_px for teacher in state.teachers), 0))
    with drawn_ahead(draws, state.step, device_of(state.model)) as batches:
        for batch in batches:
            figures.append(_step(state, batch, recipe, steps))
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


def _step(state: ClassifierTraining, batch: Batch, recipe: Recipe, steps: int) -> tuple[float, float]:
    """Take one step; return its loss and accuracy."""
    state.step += 1
    device = device_of(state.model)
    pictures, targets = to_network_input(batch[0].to(device)), batch[1].to(device)
    small = recipe.schedule.initial_size_px and state.step <= recipe.schedule.initial_share * steps
    inputs = _at_size(pictures, recipe.schedule.initial_size_px if small else recipe.size_px)
    with reduced_precision(device):
        logits = state.model(inputs.contiguous(memory_format=torch.channels_last)).float()
    taught = _taught(state.teachers, pictures, len(recipe.labels)) if state.teachers else None
    loss = loss_of(logits, targets, taught, recipe)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.scheduler.step()
    state.average.update_parameters(state.model)
    return float(loss.detach()), accuracy_of(logits, targets, recipe)


def _at_size(pictures: Tensor, side_px: int) -> Tensor:
    if pictures.shape[-1] == side_px:
        return pictures
    return interpolate(pictures, size=(side_px, side_px), mode="bilinear", antialias=True)


def _taught(teachers: Sequence[Teacher], pictures: Tensor, labels: int) -> Tensor:
    """Return the teachers' mean probabilities: Hinton et al., "Distilling the Knowledge in a Neural Network"."""
    with torch.no_grad(), reduced_precision(pictures.device):
        said = [teacher.network(_at_size(pictures, teacher.size_px))[:, :labels].float() for teacher in teachers]
        return torch.stack([torch.softmax(logits, 1) for logits in said]).mean(0)


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
    outputs, device = [], device_of(model)
    with torch.inference_mode():
        for start in range(0, len(indices), batch):
            chosen = [as_deployed(pictures.images[i], recipe) for i in indices[start : start + batch]]
            inputs = to_network_input(torch.from_numpy(np.stack(chosen)).to(device))
            outputs.append(model(inputs)[:, : len(recipe.labels)].cpu())
    return torch.cat(outputs)


def evaluate(model: nn.Module, pictures: Pictures, indices: Indices, recipe: Recipe) -> tuple[float, float]:
    """Return cross entropy and accuracy."""
    logits = predict(model, pictures, indices, recipe)
    labels = torch.from_numpy(pictures.labels[indices])
    loss = nn.functional.cross_entropy(logits, labels)
    return float(loss), float((logits.argmax(1) == labels).float().mean())

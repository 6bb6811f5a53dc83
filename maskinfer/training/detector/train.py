"""Training of the detector: from scenes and crops to a run folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.files.checks import sha256_of
from maskinfer.engine.flow.overlap import prefetch
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.training.detector.checkpoint import save_checkpoint
from maskinfer.training.detector.dataset import Picture, load_pictures
from maskinfer.training.detector.labels import Labelled, label_pictures, read_labels, save_labels
from maskinfer.training.detector.loss import Losses, measure_losses
from maskinfer.training.detector.model import RetinaFace, to_detector_input
from maskinfer.training.detector.recipe import DetectorRecipe, to_dict
from maskinfer.training.detector.state import DetectorTraining, LossRecord, begin
from maskinfer.training.detector.targets import Targets, make_targets
from maskinfer.training.detector.teacher import ViewTeacher
from maskinfer.training.detector.weights import load_weights
from maskinfer.training.detector.windows import draw_sample
from maskinfer.training.optim import DeviceName, device_of, reduced_precision, training_device
from maskinfer.training.run_folder import (
    CHECKPOINT,
    METRICS,
    PROGRESS,
    cleared_if_nothing_begun,
    enter_folder,
    environment,
    write_origin,
)
from maskinfer.training.state import load_state, save_state

LABELS = "labels.jsonl"
# Lines of figures of a training.
LINES = 50
QUEUE_BATCHES = 3
_START = "retinaface"
Batch = tuple[NDArray[np.uint8], Targets]


@dataclass(frozen=True, slots=True)
class DetectorSummary:
    """What a training did.

    Attributes:
        out: the run folder.
        pictures: number of pictures trained on.
        samples: number of samples drawn from them.
        loss: mean of the last steps.
        seconds: the training took, without labelling and reading.
    """

    out: Path
    pictures: int
    samples: int
    loss: float
    seconds: float

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        return (
            f"trained on {self.samples} samples of {self.pictures} pictures in {self.seconds / 60:.1f} min, "
            f"loss {self.loss:.3f}; wrote {self.out}"
        )


def train_detector(
    recipe: DetectorRecipe,
    data: Sequence[Path],
    out: Path,
    *,
    labels: Path | None = None,
    start: str = _START,
    resume: bool = False,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> DetectorSummary:
    """Train the detector, from the weights of a shipped one on, and write its run folder.

    The folder holds ``checkpoint.pt``; ``recipe.json`` and ``environment.json``, which say how it came about;
    ``labels.jsonl``, where the pictures' faces were said to be; and ``metrics.jsonl`` with about 50 lines. While the
    training runs, ``progress.pt`` holds its state as of the last line.

    Args:
        recipe: how.
        data: folders of pictures; see ``labels``.
        out: the run folder; it is made, and must be empty if it exists.
        labels: ``labels.jsonl`` of an earlier training, instead of asking the teacher again; ``data`` is not read.
        start: name or file of the detector to begin from.
        resume: go on with the training that was stopped in ``out``, with its labels if it had them all; it ends as if
            it had not been stopped, on a GPU but for the order in which it adds up.
        device: to train on; ``auto`` takes an NVIDIA GPU where PyTorch finds one.
        progress: told of the stages labelling, reading and training, and of each line of figures.

    Raises:
        SourceError: the data cannot be used. OutputError: the folder cannot. ModelError: the weights, or the state to
            go on from, cannot. RequestError: there is none, or it is of another training.
    """
    place = training_device(device)
    file = find_model(start, "detector")
    model = load_weights(file)
    enter_folder(out, resume=resume)
    origin = {
        "recipe": to_dict(recipe),
        "inputs": {"start": start, "sha256": sha256_of(file)},
        "environment": {**environment(place), "weights": file.name},
    }
    write_origin(out, origin, resume=resume)
    with cleared_if_nothing_begun(out, resume=resume):
        labelled = _labelled(recipe, data, out, labels, resume, progress)
        progress.describe("reading")
        pictures = load_pictures(labelled, recipe, progress)
        progress.describe("training")
        state = begin(model.to(place), recipe)
        if (out / PROGRESS).is_file():
            load_state(state, out / PROGRESS, LossRecord)
    for record in fit(state, pictures, recipe, progress):
        save_state(state, out / PROGRESS)
        with atomic_write(out / METRICS) as partial:
            lines = [json.dumps(asdict(line)) + "\n" for line in state.history]
            partial.write_text("".join(lines), encoding="utf-8")
        progress.say(str(record))
    sets = tuple(sorted({picture.known.set for group in pictures.values() for picture in group}))
    save_checkpoint(out / CHECKPOINT, recipe, model.cpu(), sets)
    (out / PROGRESS).unlink(missing_ok=True)
    samples, last = recipe.steps * recipe.batch, state.history[-1]
    return DetectorSummary(out, len(labelled), samples, last.loss, last.seconds)


def _labelled(
    recipe: DetectorRecipe, data: Sequence[Path], out: Path, labels: Path | None, resume: bool, progress: Progress
) -> list[Labelled]:
    progress.describe("labelling")
    if resume and (out / LABELS).is_file():
        labels = out / LABELS
    if labels is None:
        teacher = ViewTeacher(load_detector(_START, threads=1))  # pictures side by side are faster
        save_labels(label_pictures(data, teacher, recipe.crop_sets, progress), out / LABELS)
    # Read back in either case, since they are written rounded: a training with the same labels is the same training.
    labelled = read_labels(labels or out / LABELS)
    if labels not in (None, out / LABELS):
        save_labels(labelled, out / LABELS)
    return labelled


def fit(
    state: DetectorTraining,
    pictures: Mapping[str, Sequence[Picture]],
    recipe: DetectorRecipe,
    progress: Progress = SILENT,
) -> Iterator[LossRecord]:
    """Train from where the state stands, yielding mean losses now and then; in the end its model has the mean weights.

    Args:
        state: from ``begin``, or brought forward by ``state.load_state``.
        pictures: of each kind.
        recipe: how.
        progress: told how many steps there are and have been taken.
    """
    parts: list[list[float]] = []
    before_s = state.history[-1].seconds if state.history else 0.0
    started = time.perf_counter() - before_s
    progress.set_total(recipe.steps)
    progress.advance(state.step)
    with prefetch(_batches(pictures, recipe, state.step), QUEUE_BATCHES) as batches:
        for batch in batches:
            losses = _step(state.model, batch, state.optimizer, recipe)
            state.scheduler.step()
            state.step += 1
            state.average.update_parameters(state.model)
            parts.append([float(part.detach()) for part in (losses.faces, losses.boxes, losses.landmarks)])
            progress.advance()
            if state.step % max(1, recipe.steps // LINES) == 0 or state.step == recipe.steps:
                state.history.append(_record(state.step, parts, recipe, time.perf_counter() - started))
                yield state.history[-1]
                parts = []
    state.model.load_state_dict(state.kept(recipe))


def _batches(pictures: Mapping[str, Sequence[Picture]], recipe: DetectorRecipe, first: int) -> Iterator[Batch]:
    for step in range(first, recipe.steps):
        numbers = range(step * recipe.batch, (step + 1) * recipe.batch)
        # A generator a sample: what one draws does not depend on the others.
        samples = [draw_sample(pictures, recipe, np.random.default_rng([recipe.seed, n])) for n in numbers]
        yield np.stack([sample.image for sample in samples]), make_targets(samples, recipe.match_iou)


def _step(model: RetinaFace, batch: Batch, optimizer: torch.optim.Optimizer, recipe: DetectorRecipe) -> Losses:
    images, targets = batch
    device = device_of(model)
    with reduced_precision(device):
        predicted = model(to_detector_input(torch.from_numpy(images).to(device)))
    losses = measure_losses(predicted, targets)
    optimizer.zero_grad()
    losses.total(recipe).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return losses


def _record(step: int, parts: Sequence[Sequence[float]], recipe: DetectorRecipe, seconds: float) -> LossRecord:
    faces, boxes, landmarks = (float(mean) for mean in np.mean(parts, axis=0))
    loss = faces + recipe.box_weight * boxes + recipe.landmark_weight * landmarks
    return LossRecord(step, loss, faces, boxes, landmarks, seconds)

"""Training of the detector: from scenes and crops to a run folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from maskinfer.engine.detector import load_detector
from maskinfer.engine.models import find_model
from maskinfer.engine.prefetch import prefetch
from maskinfer.training.detect.checkpoint import save_checkpoint
from maskinfer.training.detect.labels import label_pictures, read_labels, save_labels
from maskinfer.training.detect.loss import Losses, measure_losses
from maskinfer.training.detect.model import RetinaFace, freeze, to_detector_input
from maskinfer.training.detect.pictures import Picture, load_pictures
from maskinfer.training.detect.recipe import DetectorRecipe, to_dict
from maskinfer.training.detect.samples import draw_sample
from maskinfer.training.detect.targets import Targets, make_targets
from maskinfer.training.detect.teacher import ViewTeacher
from maskinfer.training.detect.weights import load_weights
from maskinfer.training.loop import bfloat16_pays
from maskinfer.training.run_folder import environment, make_folder, to_text

CHECKPOINT, METRICS, LABELS = "checkpoint.pt", "metrics.jsonl", "labels.jsonl"
# Lines of figures of a training.
LINES = 50
QUEUE_BATCHES = 3
_START = "retinaface"
Batch = tuple[NDArray[np.uint8], Targets]


@dataclass(frozen=True, slots=True)
class Figures:
    """Mean losses of some steps.

    Attributes:
        step: the last of them, from 1.
        loss: what is minimised.
        faces, boxes, landmarks: its parts, unweighted.
        seconds: since the training began.
    """

    step: int
    loss: float
    faces: float
    boxes: float
    landmarks: float
    seconds: float


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
    weights: Path | None,
    out: Path,
    *,
    labels: Path | None = None,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_step: Callable[[int], None] = lambda total: None,
    on_figures: Callable[[Figures], None] = lambda figures: None,
) -> DetectorSummary:
    """Train the detector and write its run folder.

    The folder holds ``checkpoint.pt``; ``recipe.json`` and ``environment.json``, which say how it came about;
    ``labels.jsonl``, where the pictures' faces were said to be; and ``metrics.jsonl`` with about 50 lines.

    Args:
        recipe: how.
        data: folders of pictures; see ``labels``.
        weights: to start from, see ``weights.load_weights``; None for those of the shipped ``retinaface``.
        out: the run folder; it is made, and must be empty if it exists.
        labels: ``labels.jsonl`` of an earlier training, instead of asking the teacher again; ``data`` is not read.
        on_stage: called when labelling, reading and training begin, with a name for it.
        on_step: called after each picture labelled or read and after each step, with how many there are.
        on_figures: called with each line of figures.

    Raises:
        SourceError: the data cannot be used. ModelError: the weights cannot. OutputError: the folder cannot.
    """
    start = weights or find_model(_START, "detector")
    model = load_weights(start)
    make_folder(out)
    _write_origin(out, recipe, start)
    on_stage("labelling")
    if labels is None:
        teacher = ViewTeacher(load_detector(_START, threads=1))  # pictures side by side are faster
        save_labels(label_pictures(data, teacher, recipe.crop_sets, on_step), out / LABELS)
    # Read back in either case, since they are written rounded: a training with the same labels is the same training.
    labelled = read_labels(labels or out / LABELS)
    if labels is not None:
        save_labels(labelled, out / LABELS)
    on_stage("reading")
    pictures = load_pictures(labelled, recipe, on_step)
    on_stage("training")
    history = []
    for figures in fit(model, pictures, recipe, on_step):
        history.append(figures)
        (out / METRICS).write_text("".join(json.dumps(asdict(line)) + "\n" for line in history), encoding="utf-8")
        on_figures(figures)
    sets = tuple(sorted({picture.known.set for group in pictures.values() for picture in group}))
    save_checkpoint(out / CHECKPOINT, recipe, model, sets)
    samples = recipe.steps * recipe.batch
    return DetectorSummary(out, len(labelled), samples, history[-1].loss, history[-1].seconds)


def fit(
    model: RetinaFace,
    pictures: Mapping[str, Sequence[Picture]],
    recipe: DetectorRecipe,
    on_step: Callable[[int], None] = lambda total: None,
) -> Iterator[Figures]:
    """Train a network in place, yielding its figures now and then; in the end it has the mean weights."""
    # Numbers too small to matter are calculated ten times slower than zeros.
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze(model, recipe.frozen_blocks)
    optimizer, scheduler = _optimizer(model, recipe)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    average = {name: value.clone() for name, value in start.items()}
    parts: list[list[float]] = []
    started = time.perf_counter()
    with prefetch(_batches(pictures, recipe), QUEUE_BATCHES) as batches:
        for step, batch in enumerate(batches, 1):
            losses = _step(model, batch, optimizer, recipe)
            scheduler.step()
            _update_average(average, model, recipe.average_decay, step)
            parts.append([float(part.detach()) for part in (losses.faces, losses.boxes, losses.landmarks)])
            on_step(recipe.steps)
            if step % max(1, recipe.steps // LINES) == 0 or step == recipe.steps:
                yield _figures(step, parts, recipe, time.perf_counter() - started)
                parts = []
    model.load_state_dict({name: value.lerp(start[name], recipe.start_share) for name, value in average.items()})


def _batches(pictures: Mapping[str, Sequence[Picture]], recipe: DetectorRecipe) -> Iterator[Batch]:
    for step in range(recipe.steps):
        numbers = range(step * recipe.batch, (step + 1) * recipe.batch)
        # A generator a sample: what one draws does not depend on the others.
        samples = [draw_sample(pictures, recipe, np.random.default_rng([recipe.seed, n])) for n in numbers]
        yield np.stack([sample.image for sample in samples]), make_targets(samples, recipe.match_iou)


def _step(model: RetinaFace, batch: Batch, optimizer: torch.optim.Optimizer, recipe: DetectorRecipe) -> Losses:
    images, targets = batch
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_pays()):
        predicted = model(to_detector_input(torch.from_numpy(images)))
    losses = measure_losses(predicted, targets)
    optimizer.zero_grad()
    losses.total(recipe).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return losses


def _optimizer(model: RetinaFace, recipe: DetectorRecipe) -> tuple[torch.optim.Optimizer, LambdaLR]:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    warmup = max(1, round(recipe.warmup_share * recipe.steps))

    def rate(step: int) -> float:
        return min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(1.0, step / recipe.steps))))

    return optimizer, LambdaLR(optimizer, rate)


def _update_average(average: dict[str, Tensor], model: RetinaFace, decay: float, step: int) -> None:
    """Move the average towards the weights, faster in the first steps; without a decay it is the weights."""
    rate = 1 - min(decay, step / (9 + step))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            average[name].lerp_(value, rate if decay else 1.0)


def _figures(step: int, parts: Sequence[Sequence[float]], recipe: DetectorRecipe, seconds: float) -> Figures:
    faces, boxes, landmarks = (float(mean) for mean in np.mean(parts, axis=0))
    loss = faces + recipe.box_weight * boxes + recipe.landmark_weight * landmarks
    return Figures(step, loss, faces, boxes, landmarks, seconds)


def _write_origin(out: Path, recipe: DetectorRecipe, start: Path) -> None:
    for name, content in (("recipe", to_dict(recipe)), ("environment", {**environment(), "weights": start.name})):
        (out / f"{name}.json").write_text(to_text(content), encoding="utf-8")

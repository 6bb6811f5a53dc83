"""Training of a classifier: from folders of pictures to a run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.training.classifier.checkpoint import load_checkpoint, restore, save_checkpoint
from maskinfer.training.classifier.dataset import (
    Indices,
    Pictures,
    as_deployed,
    draw_order,
    join,
    load_pack,
    load_pictures,
    split,
    split_off_set,
    with_rights,
)
from maskinfer.training.classifier.from_onnx import begin_from, exported_network
from maskinfer.training.classifier.loop import ClassifierTraining, Epoch, Teacher, begin, fit, predict
from maskinfer.training.classifier.network import build
from maskinfer.training.classifier.prune import slim
from maskinfer.training.classifier.recipe import Recipe, load_recipe, to_dict
from maskinfer.training.classifier.report import write_curves, write_report
from maskinfer.training.classifier.windows.faces import NO_FACE
from maskinfer.training.data.rights import Rights
from maskinfer.training.optim import DeviceName, training_device
from maskinfer.training.run_folder import (
    CHECKPOINT,
    METRICS,
    PROGRESS,
    cleared_if_nothing_begun,
    enter_folder,
    environment,
    inputs,
    write_origin,
)
from maskinfer.training.state import load_state, save_state

# By whose faces' statistics an exported network gets its batch norms back.
_START_FACES = 256


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What a training did.

    Attributes:
        out: the run folder.
        trained: number of pictures trained on.
        tested: number of pictures kept out.
        test_accuracy: on those; None when there are none.
        seconds: the training took, without the reading of the pictures.
    """

    out: Path
    trained: int
    tested: int
    test_accuracy: float | None
    seconds: float

    def __str__(self) -> str:
        """Return it as one line for the reader."""
        tested = f"; accuracy {self.test_accuracy:.4f} on the {self.tested} kept out" if self.tested else ""
        return f"trained on {self.trained} pictures in {self.seconds / 60:.1f} min{tested}; wrote {self.out}"


def train(
    recipe_name: str,
    data: Sequence[Path],
    out: Path,
    *,
    faces: Path | None = None,
    dev: Sequence[Path] = (),
    teachers: Sequence[Path] = (),
    start: Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    split_by: Literal["group", "random"] | None = None,
    patience: int | None = None,
    test_set: str | None = None,
    rights: Sequence[Rights] = (),
    resume: bool = False,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> TrainSummary:
    """Train a classifier and write its run folder.

    The folder holds ``checkpoint.pt``; ``recipe.json``, ``inputs.json``, ``environment.json`` and ``split.json``,
    which say how it came about; ``metrics.jsonl`` with a line an epoch and ``curves.png``, both from the first epoch
    on; and, when pictures were kept out to test on, ``report.txt``, ``report.json`` and ``confusion.png``. While the
    training runs, ``progress.pt`` holds its state after the last whole epoch.

    Args:
        recipe_name: a shipped recipe or a TOML file.
        data: folders of pictures; see ``samples``.
        out: the run folder; it is made, and must be empty if it exists.
        faces: a file that ``face_pack.write_pack`` wrote, instead of ``data``.
        dev: folders of pictures to report on, and to stop early by, in place of a share of the data.
        teachers: checkpoints or exported files of networks with the same labels; the mean of their probabilities is
            learnt along with the labels. The network begins with the channels of the first, which has to be wide
            enough.
        start: an exported classifier to begin from, instead of the recipe's weights.
        epochs: instead of the recipe's.
        seed: instead of the recipe's.
        split_by: instead of the recipe's.
        test_set: data set that is not trained on, but reported on; neither is what is related to its pictures, unless
            the recipe splits at random.
        rights: train only on data sets with these rights by the recipe; empty for the recipe's ``use_rights``.
        patience: instead of the recipe's.
        resume: go on with the training that was stopped in ``out``, from the beginning if it had no whole epoch; it
            ends as if it had not been stopped, on a GPU but for the order in which it adds up.
        device: to train on; ``auto`` takes an NVIDIA GPU where PyTorch finds one.
        progress: told of the stages reading and training, and of the figures of each epoch.

    Raises:
        RequestError, SourceError: the recipe or the data cannot be used. OutputError: the folder cannot.
        ModelError: the state to go on from cannot be read.
    """
    recipe = _with_overrides(load_recipe(recipe_name), epochs, seed, split_by, patience)
    recipe = replace(recipe, use_rights=tuple(rights)) if rights else recipe
    if test_set is not None and dev:
        raise RequestError("a test set is a part of the data, and dev is other data: choose one")
    if recipe.schedule.patience and not (dev or recipe.test_share or test_set):
        raise RequestError(f"the recipe {recipe.name} keeps no pictures out to stop early by: give --dev")
    if split_by is not None and not (recipe.test_share or test_set):
        raise RequestError(f"the recipe {recipe.name} keeps no pictures out, so there is no split: leave out --split")
    place = training_device(device)
    enter_folder(out, resume=resume)
    with cleared_if_nothing_begun(out, resume=resume):
        return _train(recipe, data, faces, out, dev, teachers, start, test_set, resume, place, progress)


def _train(
    recipe: Recipe,
    data: Sequence[Path],
    faces: Path | None,
    out: Path,
    dev: Sequence[Path],
    teachers: Sequence[Path],
    start: Path | None,
    test_set: str | None,
    resume: bool,
    device: torch.device,
    progress: Progress,
) -> TrainSummary:
    progress.describe("reading")
    pictures, train_indices, test_indices = _load(recipe, data, faces, dev, test_set, progress)
    if not (pictures.labels == NO_FACE).any():  # no annotated scenes: nothing to learn it from
        recipe = replace(recipe, sampling=replace(recipe.sampling, no_face_share=0.0))
    sides = {
        side: sorted({pictures.sources[i] for i in indices})
        for side, indices in (("train", train_indices), ("test", test_indices))
    }
    origin = {
        "recipe": to_dict(recipe),
        "inputs": inputs(
            [*data, *([] if faces is None else [faces])], dev, [*teachers, *([] if start is None else [start])]
        ),
        "split": sides,
        "environment": environment(device),
    }
    write_origin(out, origin, resume=resume)
    progress.describe("training")
    torch.manual_seed(recipe.seed)
    order = draw_order(pictures, train_indices, recipe)
    # What begins as another network needs no weights to be fetched.
    network = recipe.network if start is None and not teachers else replace(recipe.network, weights="none")
    model = build(network, recipe.outputs)
    taught_by = _begin_as(model, recipe, teachers) if teachers else []
    if start is not None:
        crops = [as_deployed(pictures.images[i], recipe) for i in order[:_START_FACES]]
        begin_from(model, start, recipe, np.stack(crops))
    for one in (model, *(teacher.network for teacher in taught_by)):
        one.to(device)
    state = begin(model, len(order), recipe.schedule, taught_by)
    if (out / PROGRESS).is_file():
        load_state(state, out / PROGRESS, Epoch)
    for epoch in fit(state, pictures, order, test_indices, recipe, progress):
        save_state(state, out / PROGRESS)
        _write_history(out, state.history)
        progress.say(str(epoch))
    state.model.load_state_dict(state.kept())
    return _write_results(out, recipe, state, pictures, train_indices, test_indices)


def _begin_as(model: nn.Module, recipe: Recipe, teachers: Sequence[Path]) -> list[Teacher]:
    """Give a network the channels of its first teacher that matter most; return the teachers."""
    read = [_teacher(file, recipe) for file in teachers]
    slim(read[0].network, model)
    return read


def _teacher(file: Path, recipe: Recipe) -> Teacher:
    if file.suffix == ".onnx":
        network, width, size_px = exported_network(file, recipe)
        labels = recipe.labels
    else:
        of = load_checkpoint(file)
        network, size_px = restore(of), of.recipe.size_px
        width, labels = of.recipe.network.width, of.recipe.labels
    if labels != recipe.labels or width < recipe.network.width:
        raise RequestError(
            f"{file} cannot teach the recipe {recipe.name}: expected the labels {', '.join(recipe.labels)} "
            f"and a width from {recipe.network.width:g}"
        )
    return Teacher(network, size_px)


def _load(
    recipe: Recipe,
    data: Sequence[Path],
    faces: Path | None,
    dev: Sequence[Path],
    test_set: str | None,
    progress: Progress,
) -> tuple[Pictures, Indices, Indices]:
    """Return all pictures, and the indices to train and to test on."""
    if faces is None:
        pictures = load_pictures(recipe, data, progress, no_faces=recipe.tells_faces)
    else:
        pictures = load_pack(recipe, faces, progress)
    if not dev:
        if test_set is None:
            train, test = split(pictures, recipe, data, progress)
        else:
            train, test = split_off_set(pictures, recipe, data, test_set, progress)
        return pictures, with_rights(pictures, recipe, train), test[pictures.labels[test] != NO_FACE]
    both = join(pictures, load_pictures(recipe, dev, progress))
    everything = np.arange(len(both.labels))
    train = with_rights(both, recipe, everything[: len(pictures.labels)])
    return both, train, everything[len(pictures.labels) :]


def _write_results(
    out: Path, recipe: Recipe, state: ClassifierTraining, pictures: Pictures, train: Indices, test: Indices
) -> TrainSummary:
    sets = tuple(sorted({pictures.sets[i] for i in train}))
    weights = {name: value.cpu() for name, value in state.model.state_dict().items()}
    save_checkpoint(out / CHECKPOINT, recipe, weights, sets)
    _write_history(out, state.history)
    accuracy = None
    if len(test):
        predicted = predict(state.model, pictures, test, recipe).argmax(1).numpy()
        write_report(pictures.labels[test], predicted, recipe.labels, out)
        accuracy = float((predicted == pictures.labels[test]).mean())
    (out / PROGRESS).unlink(missing_ok=True)
    seconds = sum(epoch.seconds for epoch in state.history)
    return TrainSummary(out, len(train), len(test), accuracy, seconds)


def _write_history(out: Path, history: Sequence[Epoch]) -> None:
    lines = [json.dumps(asdict(epoch)) + "\n" for epoch in history]
    with atomic_write(out / METRICS) as partial:
        partial.write_text("".join(lines), encoding="utf-8")
    write_curves(history, out)


def _with_overrides(
    recipe: Recipe,
    epochs: int | None,
    seed: int | None,
    split_by: Literal["group", "random"] | None,
    patience: int | None,
) -> Recipe:
    schedule = recipe.schedule
    if epochs is not None:
        schedule = replace(schedule, epochs=epochs)
    if patience is not None:
        schedule = replace(schedule, patience=patience)
    if split_by is not None:
        recipe = replace(recipe, split=split_by)
    return replace(recipe, schedule=schedule, seed=recipe.seed if seed is None else seed)

"""How right a recipe is on data of a source that it has never seen.

maskinfer data faces --data TRAIN --data DRAWN --out faces.zip
python -m benchmarks.leave_one_out faces.zip --recipe standard --out leave-one-out.jsonl

Trains once with every data set, and once without each of them (nor what is related to its pictures), and measures the
share of that set's faces whose label is right, both ways. A line of the output is one training; those that it holds
already are not done again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.ablation import read_lines
from maskinfer.console.progress import progress_bar
from maskinfer.training.classifier.dataset import Indices, Pictures, draw_order, load_pack, split_off_set
from maskinfer.training.classifier.loop import begin, fit, predict
from maskinfer.training.classifier.network import build
from maskinfer.training.classifier.recipe import Recipe, load_recipe
from maskinfer.training.classifier.windows.faces import NO_FACE
from maskinfer.training.evaluation.intervals import share
from maskinfer.training.optim import DeviceName, training_device

EVERYTHING = "nothing"
# How often each label occurs where the shipped models are used, by their contracts.
PRIORS = {"with_mask": 0.45, "without_mask": 0.50, "incorrect_mask": 0.05}
FEWEST = 50


@dataclass(frozen=True, slots=True)
class Trial:
    """What one training follows from."""

    pictures: Pictures
    recipe: Recipe
    device: torch.device


@click.command()
@click.argument("faces", type=click.Path(path_type=Path, exists=True))
@click.option("--recipe", "recipe_name", default="standard", show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--drawn", default="synth", show_default=True, help="Set of drawn masks, which is no source of its own.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON Lines, a training a line.")
def main(faces: Path, recipe_name: str, epochs: int | None, device: DeviceName, drawn: str, out: Path) -> None:
    """Do the trainings that are not done yet, and print all as a table."""
    recipe = load_recipe(recipe_name)
    if epochs is not None:
        recipe = replace(recipe, schedule=replace(recipe.schedule, epochs=epochs))
    with progress_bar("faces", "faces") as progress:
        trial = Trial(load_pack(recipe, faces, progress), recipe, training_device(device))
    done = {record["without"] for record in read_lines(out)}
    for name in [EVERYTHING, *sorted(set(trial.pictures.sets) - {drawn})]:
        if name not in done:
            record = {"without": name, **train_without(trial, name)}
            with out.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")
    click.echo(table(read_lines(out), recipe))


def train_without(trial: Trial, name: str) -> dict[str, Any]:
    """Train without a set; return how many faces of each set and label are right, of those not trained on."""
    pictures, recipe = trial.pictures, trial.recipe
    everything = np.arange(len(pictures.labels))
    train, test = everything, everything
    if name != EVERYTHING:
        train, test = split_off_set(pictures, recipe, (), name)
    torch.manual_seed(recipe.seed)
    order = draw_order(pictures, train, recipe)
    state = begin(build(recipe.network, recipe.outputs).to(trial.device), len(order), recipe.schedule)
    with progress_bar(f"without {name}", "steps") as progress:
        epochs = list(fit(state, pictures, order, everything[:0], recipe, progress))
    state.model.load_state_dict(state.kept())
    return {
        "draws": len(order),
        "trained_on": len(train),
        "minutes": round(sum(epoch.seconds for epoch in epochs) / 60, 2),
        "right": count_right(trial, state.model, test[pictures.labels[test] != NO_FACE]),
    }


def count_right(trial: Trial, model: torch.nn.Module, test: Indices) -> dict[str, dict[str, list[int]]]:
    """Return right ones and all, by set and label; labels by probabilities that are corrected for ``PRIORS``."""
    pictures, recipe = trial.pictures, trial.recipe
    drawn = recipe.sampling.class_shares
    shift = torch.tensor([np.log(PRIORS[label] / drawn[label]) for label in recipe.labels])
    right = (predict(model, pictures, test, recipe) + shift).argmax(1).numpy() == pictures.labels[test]
    sets = np.asarray([pictures.sets[i] for i in test])
    return {
        name: {
            label: [int(right[of].sum()), int(of.sum())]
            for i, label in enumerate(recipe.labels)
            if (of := (sets == name) & (pictures.labels[test] == i)).any()
        }
        for name in sorted(set(sets))
    }


def table(records: list[dict[str, Any]], recipe: Recipe) -> str:
    """Return a row a source, each figure as: without it, and when it was trained on."""
    seen: dict[str, dict[str, list[int]]] = next(
        (record["right"] for record in records if record["without"] == EVERYTHING), {}
    )
    lines = ["| left out | " + " | ".join(recipe.labels) + " |", "|---|" + "---|" * len(recipe.labels)]
    for record in records:
        name = record["without"]
        if name != EVERYTHING:
            cells = [_cell(record["right"][name].get(n), seen.get(name, {}).get(n)) for n in recipe.labels]
            lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(unseen: list[int] | None, seen: list[int] | None) -> str:
    if unseen is None or unseen[1] < FEWEST:
        return ""
    found = share(*unseen)
    known = "" if seen is None else f"; {seen[0] / seen[1]:.3f}"
    return f"{found.value:.3f} ({found.low:.3f}-{found.high:.3f}) of {unseen[1]:,}{known}"


if __name__ == "__main__":
    main()

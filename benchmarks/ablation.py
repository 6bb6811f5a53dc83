"""What each part of the classifier's recipe is worth, by leaving it out.

python -m benchmarks.ablation --data TRAIN --data DRAWN --dev SCENES --out ablation.jsonl

Trains every variant of ``ablation.toml`` alike and measures it on the faces of annotated scenes that the shipped
detector finds. A line of the output is one variant; those that it holds already are not trained again.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from maskinfer.console.progress import progress_bar
from maskinfer.engine.contract import CropRule
from maskinfer.engine.faces.boxes import iou_matrix
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.files.images import read_image
from maskinfer.training.classifier.dataset import Pictures, draw_order, join, load_pictures
from maskinfer.training.classifier.loop import begin, fit, predict
from maskinfer.training.classifier.network import build
from maskinfer.training.classifier.recipe import Recipe, from_dict, load_recipe, to_dict
from maskinfer.training.classifier.windows.faces import WINDOW_MARGIN, WINDOW_PX
from maskinfer.training.data.scenes import read_scenes
from maskinfer.training.evaluation.intervals import share

VARIANTS = Path(__file__).with_suffix(".toml")
MIN_IOU = 0.4
MIN_SIDE_PX = 16
FOLDER = click.Path(path_type=Path, exists=True)


@click.command()
@click.option("--data", type=FOLDER, multiple=True, required=True, help="Folders to train on.")
@click.option("--dev", type=FOLDER, required=True, help="Annotated scenes to measure on.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON Lines, a variant a line.")
@click.option("--only", multiple=True, help="Only this variant; may be given several times.")
def main(data: tuple[Path, ...], dev: Path, out: Path, only: tuple[str, ...]) -> None:
    """Train and measure the variants that are not measured yet; print all as a table."""
    plan = tomllib.loads(VARIANTS.read_text(encoding="utf-8"))
    base = merged(to_dict(load_recipe(plan["recipe"])), plan["base"])
    done = {record["variant"] for record in read_lines(out)}
    wanted = [name for name in plan["variants"] if name not in done and (not only or name in only)]
    if wanted:
        pictures, test = load_all(from_dict(base), data, dev)
        for name in wanted:
            record = {"variant": name, **measure(pictures, test, base, plan["variants"][name], name)}
            with out.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")
    show(read_lines(out))


def read_lines(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe's plain data with some values changed; a table is changed key by key, but for an empty one."""
    values = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and value and isinstance(values.get(key), Mapping)
        values[key] = merged(values[key], value) if nested else value
    return values


def load_all(recipe: Recipe, data: Sequence[Path], dev: Path) -> tuple[Pictures, int]:
    """Return the pictures to train on followed by those to measure on, and how many the latter are."""
    with progress_bar("faces", "pictures") as progress:
        pictures = load_pictures(recipe, data, progress)
    found = list(dev_faces(dev, recipe.labels))
    windows, labels = np.concatenate([w for w, _ in found]), np.concatenate([names for _, names in found])
    empty = ("",) * len(labels)
    no = np.zeros(len(labels), np.bool_)
    return join(pictures, Pictures(windows, labels, empty, empty, no, no)), len(labels)


def dev_faces(dev: Path, labels: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """Yield windows and labels of the annotated faces that the detector finds, by the detector's boxes."""
    detector = load_detector()
    for scene in read_scenes(dev):
        image = read_image(scene.path)
        found = detector([image])[0].xyxy
        overlaps = iou_matrix(found, scene.xyxy)
        large = (scene.xyxy[:, 2:] - scene.xyxy[:, :2]).min(1, initial=np.inf) >= MIN_SIDE_PX
        hits = [i for i in np.flatnonzero(large) if len(found) and overlaps[:, i].max() >= MIN_IOU]
        boxes = found[[int(overlaps[:, i].argmax()) for i in hits]]
        rule = CropRule(margin=WINDOW_MARGIN)
        names = np.array([labels.index(scene.labels[i]) for i in hits], np.int64)
        yield cut_crops(image, boxes, rule, (WINDOW_PX, WINDOW_PX)), names


def measure(pictures: Pictures, test: int, base: Mapping[str, Any], change: Mapping[str, Any], name: str) -> Any:
    """Train one variant and return its figures."""
    left_out = change.get("without_sets", ())
    recipe = from_dict(merged(base, {key: value for key, value in change.items() if key != "without_sets"}))
    everything = np.arange(len(pictures.labels))
    train = np.array([i for i in everything[:-test] if pictures.sets[i] not in left_out])
    torch.manual_seed(recipe.seed)
    order = draw_order(pictures, train, recipe)
    state = begin(build(recipe.network, len(recipe.labels)), len(order), recipe.schedule)
    with progress_bar(name, "steps") as progress:
        epochs = list(fit(state, pictures, order, everything[:0], recipe, progress))
    state.model.load_state_dict(state.kept())
    logits = predict(state.model, pictures, everything[-test:], recipe)
    truth = torch.from_numpy(pictures.labels[-test:])
    return figures(logits, truth, recipe) | {"minutes": round(sum(e.seconds for e in epochs) / 60, 1)}


def figures(logits: torch.Tensor, truth: torch.Tensor, recipe: Recipe) -> dict[str, Any]:
    right = logits.argmax(1) == truth
    losses = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
    per_class = {
        label: share(int(right[truth == i].sum()), int((truth == i).sum())) for i, label in enumerate(recipe.labels)
    }
    return {
        "right": {label: [round(v, 4) for v in (e.value, e.low, e.high)] for label, e in per_class.items()},
        "loss": round(float(losses.mean()), 4),
        "wrong": np.flatnonzero(~right.numpy()).tolist(),
    }


def show(records: Sequence[Mapping[str, Any]]) -> None:
    """Print a Markdown table; a variant's mistakes are compared with the first one's, face by face."""
    labels = list(records[0]["right"])
    first = set(records[0]["wrong"])
    head = ["variant", *labels, "loss", "wrong", "newly wrong : newly right", "min"]
    lines = [head, ["---"] * len(head)]
    for record in records:
        shares = [f"{value:.3f}" for value, _, _ in (record["right"][label] for label in labels)]
        wrong = set(record["wrong"])
        against = f"{len(wrong - first)} : {len(first - wrong)}"
        lines.append(
            [record["variant"], *shares, f"{record['loss']:.3f}", str(len(wrong)), against, f"{record['minutes']:g}"]
        )
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines))


if __name__ == "__main__":
    main()

"""The commands that make models: train, train-detector, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from maskinfer.commands.groups.data import MAP_OPTION, as_folders
from maskinfer.commands.options import MODEL, PATH, Command, Number, Output, is_given, read_shares, refuse, train_extra
from maskinfer.training.data.rights import RIGHTS, Rights

if TYPE_CHECKING:
    from maskinfer.training.optim import DeviceName

_OUT_OPTION = click.option(
    "--out",
    type=Output("folder"),
    required=True,
    metavar="FOLDER",
    help="Run folder for the checkpoint, the report and the curves.",
)
_DEVICE_OPTION = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
    help="Where to train; auto takes an NVIDIA GPU if PyTorch finds one.",
)  # fmt: skip
_RESUME_OPTION = click.option(
    "--resume", is_flag=True, help="Continue a training that was stopped; repeat all other options as they were."
)


@click.command(cls=Command, short_help="Train a mask classifier with PyTorch.")
@click.option(
    "--recipe", default="standard", show_default=True, metavar="NAME|FILE.toml",
    help="How to train: standard, accurate, small, lecture, or a TOML file.",
)  # fmt: skip
@click.option("--data", type=PATH, multiple=True, metavar="FILE|FOLDER", help="Labelled pictures; may be repeated.")
@click.option(
    "--faces", type=PATH, metavar="FILE",
    help="Faces that `maskinfer data faces` cut out and packed on this or another machine, instead of --data.",
)  # fmt: skip
@MAP_OPTION
@_OUT_OPTION
@click.option(
    "--dev", type=PATH, multiple=True, metavar="FOLDER",
    help="Folder of pictures to report on and to stop early by, instead of a share of --data; may be repeated.",
)  # fmt: skip
@click.option(
    "--teacher", "teachers", type=PATH, multiple=True, metavar="FILE",
    help="Checkpoint or exported file of a network, as wide or wider, to start from and to learn from; may be repeated "
         "to learn from the mean of several.",
)  # fmt: skip
@click.option(
    "--start", type=MODEL, metavar="NAME|FILE",
    help="Classifier to fine-tune on the faces of a place, by name or ONNX file, see --keep; with --recipe or another "
         "option of recipes, whose weights the training begins with instead.",
)  # fmt: skip
@click.option(
    "--keep", type=Number(0, 1, max_open=True), metavar="SHARE",
    help="Share of the --start model's weights that is kept, by default 0.7, or 0 with --label: less learns more of "
         "the place, more forgets less. No recipe is used; the run folder holds a model.onnx.",
)  # fmt: skip
@click.option(
    "--rehearse", type=PATH, multiple=True, metavar="FOLDER",
    help="With --start: other pictures, to which the old model's answers are held on to, so that nothing else is "
         "forgotten; may be repeated.",
)  # fmt: skip
@click.option(
    "--label", "added", multiple=True, metavar="NAME",
    help="With --start: a label that the data show and the --start model does not know, as visor; may be repeated.",
)  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Number of epochs, instead of the recipe's.")
@click.option("--seed", type=int, metavar="N", help="Random seed, instead of the recipe's.")
@click.option(
    "--split", "split_by", type=click.Choice(["group", "random"]),
    help="How to choose the pictures to test on, instead of the recipe's way: group keeps copies and twins on one "
         "side, random lets them leak.",
)  # fmt: skip
@click.option(
    "--patience", type=click.IntRange(0), metavar="N",
    help="Stop after this many epochs without a lower loss on --dev, instead of the recipe's number; 0 never stops "
         "early.",
)  # fmt: skip
@click.option(
    "--test-set", metavar="NAME",
    help="Data set in --data to keep out of training and to report on, with whatever is related to its pictures.",
)  # fmt: skip
@click.option(
    "--rights", type=click.Choice(RIGHTS), multiple=True,
    help="Train only on data sets with these rights, which the recipe lists; may be repeated.",
)  # fmt: skip
@_DEVICE_OPTION
@_RESUME_OPTION
def train(
    recipe: str,
    data: tuple[Path, ...],
    faces: Path | None,
    names: tuple[str, ...],
    out: Path,
    dev: tuple[Path, ...],
    teachers: tuple[Path, ...],
    start: str | None,
    keep: float | None,
    rehearse: tuple[Path, ...],
    added: tuple[str, ...],
    epochs: int | None,
    seed: int | None,
    split_by: Literal["group", "random"] | None,
    patience: int | None,
    test_set: str | None,
    rights: tuple[Rights, ...],
    device: DeviceName,
    resume: bool,
) -> None:
    """Train a mask classifier with PyTorch.

    To see what a recipe gains on data of a kind that it has never seen, train once for each data set with --test-set.

    \b
    Examples:
      maskinfer train --recipe lecture --data seed/ --out runs/lecture
      maskinfer train --data my-data/ --data drawn/ --dev my-dev/ --out runs/mine
      maskinfer train --data my-data/ --test-set street --out runs/without-street
      maskinfer train --data my-data/ --rights permissive --out runs/permissive
      maskinfer train --faces faces.zip --device cuda --out runs/there
      maskinfer train --start mobilenetv2-128 --data site/ --dev site-test/ --out runs/site
      maskinfer train --start mobilenetv2-128 --data visors/ --label visor --out runs/visor
    """
    from maskinfer.console.progress import progress_bar

    if bool(data) == (faces is not None):
        raise click.UsageError("give pictures with --data, or packed faces with --faces")
    if keep is not None or (start is not None and not any(map(is_given, _OF_RECIPES))):
        _tune(start, data, names, out, keep, rehearse, dev, added, seed)
        return
    refuse(("rehearse", "added"), "it goes with the fine-tuning of a --start model, which needs no recipe")
    if dev:
        refuse(("split_by", "test_set"), "with --dev nothing is kept out of --data")
    from maskinfer.engine.catalog.find import find_model

    with train_extra():
        from maskinfer.training.classifier.recipe import load_recipe
        from maskinfer.training.classifier.train import train as run
        from maskinfer.training.data.audit.short import tell_audit
    every = as_folders((*data, *dev), names, load_recipe(recipe).labels)
    with progress_bar("train", "steps") as progress:
        if data and not resume:
            tell_audit(every[: len(data)], every[len(data) :], progress)
        summary = run(
            recipe,
            every[: len(data)],
            out,
            faces=faces,
            dev=every[len(data) :],
            teachers=teachers,
            start=None if start is None else find_model(start, "classifier"),
            epochs=epochs,
            seed=seed,
            split_by=split_by,
            patience=patience,
            test_set=test_set,
            rights=rights,
            device=device,
            resume=resume,
            progress=progress,
        )
    click.echo(summary)


_OF_RECIPES = (
    "recipe",
    "faces",
    "teachers",
    "epochs",
    "split_by",
    "patience",
    "test_set",
    "rights",
    "device",
    "resume",
)


def _tune(
    start: str | None,
    data: tuple[Path, ...],
    names: tuple[str, ...],
    out: Path,
    keep: float | None,
    rehearse: tuple[Path, ...],
    dev: tuple[Path, ...],
    added: tuple[str, ...],
    seed: int | None,
) -> None:
    """Fine-tune a model on the faces of a place."""
    from maskinfer.console.progress import progress_bar

    if start is None:
        raise click.UsageError("--keep says how much of the old model is kept: name it with --start")
    refuse(_OF_RECIPES, "with --keep no recipe is used")
    from maskinfer.engine.catalog.find import find_model

    with train_extra():
        from maskinfer.training.classifier.tuning.graph import contract_of, read_graph
        from maskinfer.training.classifier.tuning.run import tune as run
    file = find_model(start, "classifier")
    labels = (*contract_of(read_graph(file), str(file)).labels, *added)
    every = as_folders((*data, *rehearse, *dev), names, labels)
    first, second = len(data), len(data) + len(rehearse)
    with progress_bar("train", "steps") as progress:
        summary = run(
            start,
            every[:first],
            out,
            keep=keep,
            rehearse=every[first:second],
            dev=every[second:],
            added=added,
            **({} if seed is None else {"seed": seed}),
            progress=progress,
        )
    click.echo(summary)


@click.command("train-detector", cls=Command, short_help="Train the face detector with PyTorch.")
@click.option(
    "--recipe", default="detector", show_default=True, metavar="NAME|FILE.toml",
    help="How to train: detector, or a TOML file.",
)  # fmt: skip
@click.option(
    "--data", type=PATH, required=True, multiple=True, metavar="FILE|FOLDER",
    help="Annotated scenes, bare faces or crops; may be repeated.",
)  # fmt: skip
@MAP_OPTION
@click.option(
    "--start", type=MODEL, default="retinaface", show_default=True, metavar="NAME|FILE",
    help="Detector to start from: retinaface, retinaface-mask, or one that `maskinfer export` wrote.",
)  # fmt: skip
@_OUT_OPTION
@_DEVICE_OPTION
@_RESUME_OPTION
def train_detector(
    recipe: str,
    data: tuple[Path, ...],
    names: tuple[str, ...],
    start: str,
    out: Path,
    device: DeviceName,
    resume: bool,
) -> None:
    """Train the face detector with PyTorch, starting from the published RetinaFace or from another detector.

    \b
    Examples:
      maskinfer train-detector --data my-scenes/ --out runs/detector
      maskinfer train-detector --data my-scenes/ --out runs/detector --resume
      maskinfer train-detector --start retinaface-mask --data site/ --data my-scenes/ --out runs/site-detector
    """
    from maskinfer.console.progress import progress_bar

    with train_extra():
        from maskinfer.training.data.audit.short import tell_audit
        from maskinfer.training.detector.recipe import load_detector_recipe
        from maskinfer.training.detector.train import train_detector as run
    every = as_folders(data, names)
    with progress_bar("train", "steps") as progress:
        if not resume:
            tell_audit(every, (), progress)
        chosen = load_detector_recipe(recipe)
        summary = run(chosen, every, out, start=start, resume=resume, device=device, progress=progress)
    click.echo(summary)


@click.command(cls=Command, short_help="Turn a checkpoint into an ONNX file.")
@click.argument("checkpoint", type=PATH)
@click.argument("out", type=Output("file"))
@click.option("--name", help="Name in the contract; by default the recipe's.")
@click.option("--version", default="1", show_default=True, help="Version in the contract.")
@click.option(
    "--temperature",
    type=Number(0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="NUMBER",
    help="Divide the logits by this; `maskinfer evaluate` says which temperature calibrates the probabilities.",
)
@click.option(
    "--prior",
    "priors",
    multiple=True,
    callback=read_shares,
    metavar="LABEL=SHARE",
    help="How often a label occurs where the model will be used, if that differs from the training; repeat for each "
    "label.",
)
@click.option("--half-weights", is_flag=True, help="Store the weights in float16, which halves the file.")
def export(
    checkpoint: Path,
    out: Path,
    name: str | None,
    version: str,
    temperature: float,
    priors: dict[str, float] | None,
    half_weights: bool,
) -> None:
    """Turn a trained checkpoint of a classifier or a detector into an ONNX file that carries its contract.

    The graph takes uint8 BGR pictures. It is compared with torch over several batches, and is not written if the two
    differ by more than 0.0001, or 0.05 with --half-weights.

    \b
    Examples:
      maskinfer export runs/lecture/checkpoint.pt lecture.onnx
      maskinfer export runs/mine/checkpoint.pt mine.onnx --name entrance --version 2
    """
    with train_extra():
        from maskinfer.export.checkpoint import export_checkpoint
    summary = export_checkpoint(
        checkpoint,
        out,
        name=name,
        version=version,
        temperature=temperature,
        priors=priors,
        half_weights=half_weights,
    )
    click.echo(summary)

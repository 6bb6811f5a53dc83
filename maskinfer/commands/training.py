"""The commands that make and judge models: train, export, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskinfer.commands.options import PATH, engine_options, open_engine, read_shares, train_extra, use_model


@click.command(short_help="Train a classifier, or the detector, with PyTorch.")
@click.option("--task", type=click.Choice(["classify", "detect"]), default="classify", show_default=True)
@click.option("--recipe", metavar="NAME|FILE.toml", help="How to train: standard, or detector, by default.")
@click.option(
    "--data",
    "data",
    type=PATH,
    required=True,
    multiple=True,
    help="Folder of pictures; several may be given.",
)
@click.option("--out", type=PATH, required=True, help="Run folder: checkpoint, report, curves.")
@click.option(
    "--dev", type=PATH, multiple=True, help="Folder of pictures to report on and stop early by; several may be given."
)
@click.option(
    "--teacher",
    "teachers",
    type=PATH,
    multiple=True,
    help="Checkpoint of a trained network, as wide or wider, to begin as and learn from; several teach their mean.",
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--seed", type=int, help="Instead of the recipe's.")
@click.option(
    "--split",
    "split_by",
    type=click.Choice(["group", "random"]),
    help="Instead of the recipe's: by group, copies and twins stay on one side; at random they leak.",
)
@click.option(
    "--patience",
    type=click.IntRange(0),
    help="Instead of the recipe's: end after so many epochs without a lower loss on --dev; 0 goes to the end.",
)
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped; all else as it was given.")
def train(task: str, recipe: str | None, data: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Train a classifier, or the face detector, with PyTorch.

    --dev, --teacher, --epochs, --seed, --split and --patience are for classifiers.

    \b
    Examples:
      maskinfer train --recipe lecture --data seed/ --out runs/lecture
      maskinfer train --recipe standard --data my-data/ --data drawn/ --dev my-dev/ --out runs/mine
      maskinfer train --task detect --data my-scenes/ --out runs/detector
    """
    from maskinfer.console.progress import progress_bar

    given = sorted(name for name, value in options.items() if value not in (None, False, ()) and name != "resume")
    if task == "detect" and given:
        name = {"split_by": "split", "teachers": "teacher"}.get(given[0], given[0])
        raise click.UsageError(f"--{name} is for classifiers, not for --task detect")
    with train_extra():
        if task == "detect":
            from maskinfer.training.detector.recipe import load_detector_recipe
            from maskinfer.training.detector.train import train_detector
        else:
            from maskinfer.training.classifier.train import train as train_classifier
    summary: object
    with progress_bar("train", "steps") as progress:
        if task == "detect":
            chosen = load_detector_recipe(recipe or "detector")
            summary = train_detector(
                chosen,
                data,
                None,
                out,
                resume=options["resume"],
                progress=progress,
            )
        else:
            summary = train_classifier(recipe or "standard", data, out, progress=progress, **options)
    click.echo(summary)


@click.command(short_help="Turn a checkpoint into an ONNX file.")
@click.argument("checkpoint", type=PATH)
@click.argument("out", type=PATH)
@click.option("--name", help="Of the model, in its contract; by default the recipe's.")
@click.option("--version", default="1", show_default=True, help="Of the model, in its contract.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="The logits are divided by it; `maskinfer evaluate` says which makes the probabilities true.",
)
@click.option(
    "--prior",
    "priors",
    multiple=True,
    metavar="LABEL=SHARE",
    help="How often a label will occur where the model is used, if not as often as the recipe drew it; for each label.",
)
@click.option("--half-weights", is_flag=True, help="Store the weights in float16: half the size.")
def export(
    checkpoint: Path,
    out: Path,
    name: str | None,
    version: str,
    temperature: float,
    priors: tuple[str, ...],
    half_weights: bool,
) -> None:
    """Turn a trained checkpoint into an ONNX file that carries its contract.

    The graph takes uint8 BGR pictures. It is compared with torch over several batches, and not written if they differ
    by more than 1e-4, or, of halved weights, 5e-2.

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
        priors=read_shares(priors),
        half_weights=half_weights,
    )
    click.echo(summary)


@click.command(short_help="Score the models on annotated data.")
@click.argument("model", required=False)
@click.option("--data", type=PATH, required=True, help="Annotated scenes or pictures of single faces: file or folder.")
@click.option("--json", "json_file", type=PATH, help="Write the figures there.")
@click.option("--jsonl", metavar="FILE", help="Write the predictions there.")
@click.option("--report", type=PATH, help="Write a page there that shows everything; needs [train].")
@click.option(
    "--plots", type=PATH, help="Folder for the plots, and a sheet of the worst mistakes, as PNG; needs [train]."
)
@click.option(
    "--max-error",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.02,
    show_default=True,
    help="Share of wrong labels for which a threshold is sought.",
)
@click.option(
    "--fit-boxes/--no-fit-boxes", default=True, show_default=True,
    help="Scale the boxes found in each data set by the one factor with which most of its faces are found, since "
         "annotators draw boxes by different habits. The factors are shown.",
)  # fmt: skip
@engine_options
def evaluate(
    model: str | None,
    data: Path,
    json_file: Path | None,
    jsonl: str | None,
    report: Path | None,
    plots: Path | None,
    max_error: float,
    fit_boxes: bool,
    **options: Any,
) -> None:
    """Score detector and classifier together, every figure with its 95 % interval.

    Of several data sets the mean comes first, each with the same weight, and the worst: a choice that is good on one
    set, or on all faces pooled, need not hold on the next.

    MODEL is a classifier or a detector, by name or file, that takes the place of the default one. DATA is a
    scenes.jsonl or a folder that holds one; or pictures of one face each: a crops.jsonl, a folder that holds one, or a
    folder of pictures for each label.

    \b
    Examples:
      maskinfer evaluate --data dev/
      maskinfer evaluate lecture.onnx --data dev/ --json lecture.json
      maskinfer evaluate --data dev/ --report dev.html --plots plots/ --max-error 0.01
    """
    from maskinfer.console.evaluation import show_evaluation
    from maskinfer.console.progress import progress_bar
    from maskinfer.training.evaluation.run import evaluate as run
    from maskinfer.training.evaluation.to_json import check_outputs, write_figures

    check_outputs(json_file, report)
    if model is not None:
        use_model(model, options)
    with train_extra():
        if report or plots:  # before the long run, so that a missing package is told at once
            from maskinfer.training.evaluation.plots import write_plots
            from maskinfer.training.evaluation.report.page import write_report
    with progress_bar("evaluate", "images") as progress:
        evaluation = run(
            open_engine(options),
            data,
            fit_boxes=fit_boxes,
            max_error=max_error,
            jsonl=jsonl,
            progress=progress,
        )
    if json_file is not None:
        write_figures(evaluation, json_file)
    if plots is not None:
        write_plots(evaluation, plots)
    if report is not None:
        write_report(evaluation, report)
    # Last: whoever reads it may close the pipe.
    show_evaluation(evaluation)

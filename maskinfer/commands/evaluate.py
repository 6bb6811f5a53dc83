"""The command that judges models on annotated data."""

from __future__ import annotations

from pathlib import Path

import click

from maskinfer.commands.groups.data import MAP_OPTION, as_folders
from maskinfer.commands.groups.models import EngineOptions, engine_options
from maskinfer.commands.options import MODEL, PATH, SHARE, Command, Output, train_extra


@click.command(cls=Command, short_help="Evaluate the models on annotated data.")
@click.argument("model", type=MODEL, required=False)
@click.option(
    "--data", type=PATH, required=True, metavar="FILE|FOLDER", help="Annotated scenes, or pictures of single faces."
)
@MAP_OPTION
@click.option("--json", "json_file", type=Output("text"), metavar="FILE", help="Write the figures.")
@click.option("--jsonl", type=Output("text", str), metavar="FILE", help="Write the predictions.")
@click.option(
    "--report",
    type=Output("text"),
    metavar="FILE",
    help="Write an HTML page that shows everything; needs the [train] extra.",
)
@click.option(
    "--plots", type=Output("folder"), metavar="FOLDER",
    help="Save the plots and a sheet of the worst mistakes as PNG; needs the [train] extra.",
)  # fmt: skip
@click.option(
    "--max-error", type=SHARE, default=0.02, show_default=True, metavar="SHARE",
    help="Share of wrong labels for which a score threshold is sought.",
)  # fmt: skip
@click.option(
    "--fit-boxes/--no-fit-boxes", default=True, show_default=True,
    help="Scale the boxes found in each data set by one factor, the one with which most of its faces are found, since "
         "annotators draw boxes by different habits. The factors are shown.",
)  # fmt: skip
@engine_options
def evaluate(
    model: str | None,
    data: Path,
    names: tuple[str, ...],
    json_file: Path | None,
    jsonl: str | None,
    report: Path | None,
    plots: Path | None,
    max_error: float,
    fit_boxes: bool,
    models: EngineOptions,
) -> None:
    """Evaluate detector and classifier together, every figure with its 95 % interval.

    If there are several data sets, their mean comes first, each with the same weight, and then the worst: a choice that
    is good on one set, or on all faces pooled, need not hold on the next.

    MODEL is a classifier or a detector, by name or file, that replaces the default one. --data is a scenes.jsonl or a
    folder that holds one; or pictures of one face each: a crops.jsonl, a folder that holds one, or a folder with a
    subfolder of pictures for each label; or data of another tool, see `maskinfer data import`.

    \b
    Examples:
      maskinfer evaluate --data dev/
      maskinfer evaluate lecture.onnx --data dev/ --json lecture.json
      maskinfer evaluate --data dev/ --report dev.html --plots plots/ --max-error 0.01
    """
    from maskinfer.console.evaluation import show_evaluation
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.results import LABELS, label_order
    from maskinfer.training.evaluation.run import evaluate as run
    from maskinfer.training.evaluation.to_json import write_figures

    chosen = models if model is None else models.with_model(model)
    with train_extra():
        if report or plots:  # before the long run, so that a missing package is told at once
            from maskinfer.training.evaluation.plots import write_plots
            from maskinfer.training.evaluation.report.page import write_report
    engine = chosen.open()
    read = as_folders([data], names, label_order({*LABELS, *engine.classifier.contract.labels}))[0]
    with progress_bar("evaluate", "images") as progress:
        evaluation = run(
            engine,
            read,
            named=data,
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

"""The command that compares models on the same faces: compare."""

from __future__ import annotations

from pathlib import Path

import click

from maskinfer.commands.groups.data import MAP_OPTION, as_folders
from maskinfer.commands.groups.models import EngineOptions, engine_options
from maskinfer.commands.options import PATH, Command, Number, Output, train_extra


@click.command(cls=Command, short_help="Compare models on the same faces.")
@click.argument("models_named", nargs=-1, required=True, metavar="OLD NEW...")
@click.option(
    "--data", type=PATH, required=True, multiple=True, metavar="FILE|FOLDER",
    help="Annotated data that no training saw: first those of the place where the model is to be used, then others.",
)  # fmt: skip
@MAP_OPTION
@click.option(
    "--max-loss", type=Number(0, 1), default=0.005, show_default=True, metavar="SHARE",
    help="Share of the faces that a data set may lose before the new model counts as worse there.",
)  # fmt: skip
@click.option("--gate", is_flag=True, help="Exit with 1 if a new model is worse somewhere that counts.")
@click.option("--json", "json_file", type=Output("text"), metavar="FILE", help="Write every figure.")
@click.option(
    "--html", type=Output("text"), metavar="FILE",
    help="Write a page with what was won and what was lost, as pictures; needs the [train] extra.",
)  # fmt: skip
@engine_options
def compare(
    models_named: tuple[str, ...],
    data: tuple[Path, ...],
    names: tuple[str, ...],
    max_loss: float,
    gate: bool,
    json_file: Path | None,
    html: Path | None,
    models: EngineOptions,
) -> None:
    """Compare models on the same faces, and say in a sentence whether the new one is better.

    OLD and NEW are classifiers or detectors, by name or file; whatever they do not replace is the same for all. Each
    change has its 95 % interval, of pictures or visits drawn with replacement, and McNemar's test; figures are given by
    data set, true label and slice.

    Worse somewhere that counts is: a data set of at least 50 faces that loses more than --max-loss, or whose interval
    lies below 0; a label of at least 50 faces whose interval lies below -max-loss; or more false positives, with an
    interval above 0.

    \b
    Examples:
      maskinfer compare mobilenetv2-128 runs/site/model.onnx --data site-test/ --data dev/
      maskinfer compare mobilenetv2-128 new.onnx --data site-test/ --gate --html compared.html --json compared.json
    """
    from maskinfer.console.compare import show_comparison
    from maskinfer.console.progress import progress_bar
    from maskinfer.engine.catalog.find import ANY_TASK, find_model
    from maskinfer.engine.results import LABELS, label_order
    from maskinfer.training.evaluation.compare.run import Candidate, Place
    from maskinfer.training.evaluation.compare.run import compare as run
    from maskinfer.training.evaluation.compare.to_json import write_comparison
    from maskinfer.training.evaluation.compare.verdict import judge

    with train_extra():
        if html is not None:  # before the long run, so that a missing package is told at once
            from maskinfer.training.evaluation.compare.page import write_page
    chosen = [models.with_model(name) for name in models_named]
    candidates = [
        Candidate(name, find_model(name, ANY_TASK), own.open(), own.detector)
        for name, own in zip(models_named, chosen, strict=True)
    ]
    labels = label_order({*LABELS, *(name for one in candidates for name in one.engine.classifier.contract.labels)})
    read = as_folders(data, names, labels)
    places = [Place(str(given), one) for given, one in zip(data, read, strict=True)]
    with progress_bar("compare", "images") as progress:
        found = run(candidates, places, progress=progress)
    if json_file is not None:
        write_comparison(found, json_file, max_loss)
    if html is not None:
        write_page(found, html, max_loss)
    # Last: whoever reads it may close the pipe.
    show_comparison(found, max_loss)
    failed = gate and not all(judge(versus, max_loss).passes for versus in found)
    click.get_current_context().exit(1 if failed else 0)

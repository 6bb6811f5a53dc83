"""``maskinfer benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskinfer.cli_options import PATH, benchmark_extra


@click.command(short_help="Time models and whole jobs on this machine.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="NAME",
    help="cpu, cuda, openvino, ...; may be repeated; by default all that are active here.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE",
    help="Detector or classifier; may be repeated; by default those that are used by default.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["float", "int8"]),
    help="Leave out models of the other; may be repeated.",
)
@click.option(
    "--batch",
    "batches",
    multiple=True,
    type=int,
    metavar="N",
    help="Faces or frames a run; may be repeated; 1, 4 and 16 by default.",
)
@click.option(
    "--threads",
    "threads",
    multiple=True,
    type=int,
    metavar="N",
    help="CPU threads of a model; may be repeated; 1 and all by default.",
)
@click.option("--seconds", default=1.5, show_default=True, help="Time for each row, in the mean.")
@click.option("--data", type=PATH, help="Annotated scenes, for the accuracy of each model; needs [train].")
@click.option("--json", "json_path", type=PATH, help="Write all rows.")
@click.option("--csv", "csv_path", type=PATH, help="Write all rows.")
@click.option("--plot", "plot_dir", type=PATH, metavar="FOLDER", help="Write pictures; needs [benchmark].")
@click.option("--baseline", type=PATH, help="An earlier --json of this machine: say what got slower.")
@click.option("--fail-if-slower", is_flag=True, help="Exit with 1 when something got slower than the baseline.")
def benchmark(**options: Any) -> None:
    """Time models on the execution providers of this machine, with accuracy beside every speed.

    Every model runs on every provider in turn with the others, in rounds, so that the drift of a noisy machine hits all
    alike.

    \b
    Examples:
      maskinfer benchmark
      maskinfer benchmark --provider cpu --provider openvino --data scenes/ --plot plots/
      maskinfer benchmark --model mine.onnx --batch 1 --batch 8 --threads 4 --json now.json
      maskinfer benchmark --baseline before.json --fail-if-slower
    """  # fmt: skip
    from maskinfer.benchmark.rows import compare, read_report, slowdown, write_csv, write_json
    from maskinfer.benchmark.sweep import Plan, run_sweep
    from maskinfer.console import progress_bar
    from maskinfer.console_benchmark import show_changes, show_report

    if options["fail_if_slower"] and options["baseline"] is None:
        raise click.UsageError("--fail-if-slower needs --baseline")
    # What the user gave is read before anything is timed.
    before = None if options["baseline"] is None else read_report(options["baseline"])
    wanted = {name: options[name] for name in ("models", "precisions", "batches") if options[name]}
    plan = Plan(providers=options["providers"], threads=options["threads"], seconds=options["seconds"], **wanted)
    write_plots = _plots() if options["plot_dir"] is not None else None
    accuracy = _accuracy(options["data"]) if options["data"] is not None else None
    with progress_bar("benchmark", "%") as bar:
        bar.set_total(100)

        def on_step(what: str, share: float) -> None:
            bar.show(what, round(100 * share))

        report = run_sweep(plan, accuracy=accuracy, on_step=on_step)
    show_report(report)
    if options["json_path"] is not None:
        write_json(report, options["json_path"])
    if options["csv_path"] is not None:
        write_csv(report, options["csv_path"])
    if write_plots is not None:
        for path in write_plots(report, options["plot_dir"]):
            click.echo(f"drawn: {path}", err=True)
    if before is not None:
        changes = compare(report, before)
        show_changes(changes, slowdown(report, before))
        if options["fail_if_slower"] and any(change.is_slower for change in changes):
            click.get_current_context().exit(1)


def _plots() -> Any:
    with benchmark_extra():
        from maskinfer.benchmark.plots import write_plots
    return write_plots


def _accuracy(data: Path) -> Any:
    with benchmark_extra():
        from maskinfer.benchmark.accuracy import judges

        return judges(data)

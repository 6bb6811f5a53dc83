"""The command that makes models of lower precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from maskinfer.cli_options import PATH, train_extra


@click.command(short_help="Turn a model into int8, if that pays on this machine.")
@click.argument("model")
@click.argument("out", type=PATH)
@click.option("--data", type=PATH, required=True, help="Annotated scenes to measure on: file or folder.")
@click.option(
    "--calibration", type=PATH, help="Annotated scenes to calibrate on; by default every other one of --data."
)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1),
    multiple=True,
    default=(1, 16),
    show_default=True,
    help="Faces or frames a run to measure the speed at; the last one decides.",
)
@click.option(
    "--min-speedup", type=click.FloatRange(0), default=1.2, show_default=True, help="Least factor that is worth it."
)
@click.option(
    "--max-drop",
    type=click.FloatRange(-1, 1),
    default=0.003,
    show_default=True,
    help="Greatest loss of accuracy, or of a detector's recall, as a share.",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads; by default all there are.")
def quantize(model: str, out: Path, data: Path, **options: Any) -> None:
    """Turn a classifier or a detector into int8; keep the file only if it pays.

    MODEL is a shipped model's name or an ONNX file with a contract. Speed and accuracy of both are measured in one
    run, with 95 % intervals. The exit code is 1 when the new file is not kept.

    \b
    Examples:
      maskinfer quantize mobilenetv2-128 fast.onnx --data dev/ --calibration train/
      maskinfer quantize scrfd.onnx scrfd-int8.onnx --data dev/ --batch 1 --min-speedup 1.4 --max-drop 0.005
    """
    from maskinfer.console import progress_bar, show_quantization

    with train_extra():
        from maskinfer.export.quantize import quantize as run
    with progress_bar("quantize", "steps") as bar:
        summary = run(model, data, out, on_stage=bar.restart, on_step=bar.step, **options)
    show_quantization(summary)
    click.get_current_context().exit(0 if summary.kept else 1)

"""The commands that check model files and make them smaller."""

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


@click.command(short_help="Run a model with every runtime there is and compare.")
@click.argument("model")
@click.option("--checkpoint", type=PATH, help="That a classifier was exported from, so that torch takes part.")
@click.option("--image", "images", type=PATH, multiple=True, help="Picture to run on; by default noise and gradients.")
@click.option(
    "--tolerance", type=click.FloatRange(0), help="Largest difference of an output; by default 1e-3, in int8 0.1."
)
def verify(model: str, checkpoint: Path | None, images: tuple[Path, ...], tolerance: float | None) -> None:
    """Run a model with every runtime of this machine and compare the outputs with those of onnxruntime on the CPU.

    Looked for are onnxruntime's providers, OpenVINO, OpenCV's DNN module, the reference evaluator of onnx, and, with a
    checkpoint, torch. The exit code is 1 when one of them disagrees; one that cannot run the graph is only named.

    \b
    Examples:
      maskinfer verify mobilenetv2-128
      maskinfer verify mine.onnx --checkpoint runs/mine/checkpoint.pt
    """
    from maskinfer.console import progress_bar, show_verdicts

    with train_extra():
        from maskinfer.export.verify import verify as run
    with progress_bar("verify", "runtimes") as bar:
        verdicts = run(model, checkpoint=checkpoint, images=images, tolerance=tolerance, on_runtime=bar.step)
    show_verdicts(verdicts)
    disagrees = any(not verdict.agrees and not verdict.problem for verdict in verdicts)
    click.get_current_context().exit(1 if disagrees else 0)

"""The commands that make model files smaller, average them, check them, calibrate them and describe them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from maskinfer.commands.groups.data import as_folder
from maskinfer.commands.options import MODEL, PATH, SHARE, Command, Number, Output, read_shares, train_extra


@click.command(cls=Command, short_help="Quantize a model, if that pays on this machine.")
@click.argument("model", type=MODEL)
@click.argument("out", type=Output("file"))
@click.option("--data", type=PATH, required=True, metavar="FILE|FOLDER", help="Annotated scenes to measure on.")
@click.option(
    "--calibration", type=PATH, metavar="FILE|FOLDER",
    help="Annotated scenes to calibrate on; by default every other scene of --data.",
)  # fmt: skip
@click.option(
    "--batch", "batches", type=click.IntRange(1), multiple=True, default=(1, 16), show_default=True, metavar="N",
    help="Faces or frames per run at which speed is measured; may be repeated, and the last one decides.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(["int8", "fp16"]), default="int8", show_default=True,
    help="Precision of the new model.",
)  # fmt: skip
@click.option(
    "--provider", default="auto", show_default=True, metavar="NAME", help="Execution provider that runs both models."
)
@click.option(
    "--min-speedup", type=Number(0), default=1.2, show_default=True, metavar="FACTOR",
    help="Smallest speed-up that is worth keeping the new model.",
)  # fmt: skip
@click.option(
    "--max-drop", type=Number(-1, 1), default=0.003, show_default=True, metavar="SHARE",
    help="Greatest acceptable loss of a classifier's accuracy or a detector's recall.",
)  # fmt: skip
@click.option(
    "--ranges", type=Number(0, 1, min_open=True), default=1.0, show_default=True, metavar="SHARE",
    help="Share of the activations' ranges that int8 covers: less has finer steps and cuts off the largest values.",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads; by default all that are available.")
def quantize(
    model: str,
    out: Path,
    data: Path,
    calibration: Path | None,
    batches: tuple[int, ...],
    precision: Literal["int8", "fp16"],
    provider: str,
    min_speedup: float,
    max_drop: float,
    ranges: float,
    threads: int | None,
) -> None:
    """Turn a classifier or a detector into int8 or float16, and keep the file only if that pays.

    MODEL is a name from `maskinfer models list` or an ONNX file with a contract. Speed and accuracy of both models are
    measured in one run, with 95 % intervals. The exit code is 1 if the new file is not kept. There are no bfloat16
    files: the openvino-bf16 provider rounds by itself if the processor supports it.

    \b
    Examples:
      maskinfer quantize mobilenetv2-128 fast.onnx --data dev/ --calibration train/
      maskinfer quantize scrfd.onnx scrfd-int8.onnx --data dev/ --batch 1 --min-speedup 1.4 --max-drop 0.005
    """
    from maskinfer.console.export import show_quantization
    from maskinfer.console.progress import progress_bar

    with train_extra():
        from maskinfer.export.quantize.run import quantize as run
    with progress_bar("quantize", "steps") as progress:
        summary = run(
            model,
            as_folder(data),
            out,
            calibration=None if calibration is None else as_folder(calibration),
            batches=batches,
            precision=precision,
            provider=provider,
            min_speedup=min_speedup,
            max_drop=max_drop,
            ranges=ranges,
            threads=threads,
            progress=progress,
        )
    show_quantization(summary)
    click.get_current_context().exit(0 if summary.kept else 1)


@click.command(cls=Command, short_help="Compare a model across the installed runtimes.")
@click.argument("model", type=MODEL)
@click.option(
    "--checkpoint",
    type=PATH,
    metavar="FILE",
    help="Checkpoint that a classifier was exported from, to compare with torch too.",
)
@click.option(
    "--image",
    "images",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Picture to run on; may be repeated. By default noise and gradients.",
)
@click.option(
    "--tolerance",
    type=Number(0),
    metavar="NUMBER",
    help="Largest difference of an output; by default 0.001, for float16 0.05, for int8 0.1 (detectors 0.25).",
)
def verify(model: str, checkpoint: Path | None, images: tuple[Path, ...], tolerance: float | None) -> None:
    """Run a model with every runtime on this machine, and compare the outputs with those of onnxruntime on the CPU.

    The runtimes are onnxruntime's providers, OpenVINO, OpenCV's DNN module, the reference evaluator of onnx and, with
    --checkpoint, torch. The exit code is 1 if one of them disagrees; a runtime that cannot run the graph is only named.

    \b
    Examples:
      maskinfer verify mobilenetv2-128
      maskinfer verify mine.onnx --checkpoint runs/mine/checkpoint.pt
    """
    from maskinfer.console.export import show_verdicts
    from maskinfer.console.progress import progress_bar

    with train_extra():
        from maskinfer.export.verify.run import verify as run
    with progress_bar("verify", "runtimes") as progress:
        verdicts = run(model, checkpoint=checkpoint, images=images, tolerance=tolerance, progress=progress)
    show_verdicts(verdicts)
    disagrees = any(not verdict.agrees and not verdict.problem for verdict in verdicts)
    click.get_current_context().exit(1 if disagrees else 0)


@click.command(cls=Command, short_help="Add error-rate thresholds to a classifier.")
@click.argument("model", type=MODEL)
@click.argument("out", type=Output("file"))
@click.option("--figures", type=PATH, metavar="FILE", help="What `maskinfer evaluate --json` wrote for this model.")
@click.option(
    "--faces", type=PATH, metavar="FILE|FOLDER", help="Annotated scenes, to fit how it tells faces from other things."
)
@click.option(
    "--proposals-from", type=SHARE, default=0.3, show_default=True, metavar="SCORE",
    help="Least score of the detector from which on --faces asks the classifier.",
)  # fmt: skip
@click.option(
    "--false-positives", type=Number(0), metavar="N",
    help="Per picture, how many --faces may let pass; by default as many as the detector alone gives.",
)  # fmt: skip
@click.option(
    "--bare", type=PATH, multiple=True, metavar="FOLDER",
    help="Training folder that says what badly worn masks leave uncovered, to learn that from; may be repeated.",
)  # fmt: skip
@click.option(
    "--prior", "priors", multiple=True, metavar="LABEL=SHARE", callback=read_shares,
    help="How often a label occurs where the model is used, instead of what the contract says; once for every label.",
)  # fmt: skip
@click.option(
    "--second-look", type=(SHARE, Number(0)), metavar="SCORE MARGIN",
    help="Look at faces again whose label has a lower score, as in a mirror and with this margin of the crop.",
)  # fmt: skip
@click.option("--version", metavar="TEXT", help="Version of the new file, instead of the model's.")
@click.option(
    "--detector",
    type=MODEL,
    default="retinaface-mask",
    show_default=True,
    metavar="NAME|FILE",
    help="Detector that finds the faces, and whose proposals --faces judges.",
)
def calibrate(
    model: str,
    out: Path,
    figures: Path | None,
    faces: Path | None,
    proposals_from: float,
    false_positives: float | None,
    bare: tuple[Path, ...],
    priors: dict[str, float] | None,
    second_look: tuple[float, float] | None,
    version: str | None,
    detector: str,
) -> None:
    """Write a copy of a classifier whose contract holds the score thresholds for given error rates.

    Commands that label faces then accept --max-error, and events heed the threshold for 5 % wrong labels. They
    come from `maskinfer evaluate --json`, ideally on pictures that were used neither for training nor for choosing.
    With --faces the contract also says how the classifier and the detector decide together what is a face. With --bare
    the model gets another output, which tells whether a badly worn mask leaves the nose or nose and mouth uncovered;
    the folders' crops.jsonl and scenes.jsonl say it under the key "bare", as `maskinfer data synth` writes it. With
    --second-look a face whose label has a low score is looked at twice more; in a video, in three ways in turn.

    \b
    Examples:
      maskinfer evaluate mine.onnx --data dev/ --json dev.json
      maskinfer calibrate mine.onnx checked.onnx --faces dev/
      maskinfer calibrate mine.onnx calibrated.onnx --figures dev.json
      maskinfer calibrate mine.onnx telling.onnx --bare drawn/ --bare my-faces/
      maskinfer calibrate mine.onnx again.onnx --second-look 0.8 0.27
      maskinfer image photos/ --classifier calibrated.onnx --max-error 0.02
    """
    from maskinfer.console.progress import progress_bar

    with train_extra():
        from maskinfer.engine.contract import SecondLook
        from maskinfer.export.calibrate import calibrate as run
    scenes = None if faces is None else as_folder(faces)
    with progress_bar("calibrate", "pictures") as bar:
        summary = run(
            model,
            figures,
            out,
            faces=scenes,
            proposals_from=proposals_from,
            false_positives=false_positives,
            bare=bare,
            priors=priors,
            second_look=None if second_look is None else SecondLook(*second_look),
            version=version,
            detector=detector,
            progress=bar,
        )
    click.echo(summary)


@click.command(cls=Command, short_help="Average classifiers that began as the same network.")
@click.argument("models", nargs=-1, required=True, type=MODEL)
@click.option("-o", "--out", type=Output("file"), required=True, metavar="FILE", help="The new ONNX file.")
@click.option("--name", metavar="NAME", help="Name in the contract, instead of the first model's.")
@click.option("--version", default="1", show_default=True, metavar="TEXT", help="Version in the contract.")
def average(models: tuple[str, ...], out: Path, name: str | None, version: str) -> None:
    """Write the mean of the weights of classifiers that were trained on from the same network.

    It is often right more often than each of them, and costs as much as one: train two or three times with --start,
    with other seeds or learning rates, and average what comes out with the model that it began as. Of networks that
    began apart, the mean is worth nothing. MODELS are float files that `maskinfer export` wrote, all with the same
    labels, priors and temperature. What was measured of them does not hold for the mean: evaluate and calibrate it.

    \b
    Examples:
      maskinfer average first.onnx second.onnx mobilenetv2-128 -o mean.onnx --version 2
      maskinfer evaluate mean.onnx --data dev/
    """
    with train_extra():
        from maskinfer.export.average import average as run
    click.echo(run(models, out, name=name, version=version))


@click.command(cls=Command, short_help="Write a model's card.")
@click.argument("model", type=MODEL)
@click.option("--figures", type=PATH, metavar="FILE", help="What `maskinfer evaluate --json` wrote for this model.")
@click.option(
    "--notes",
    type=PATH,
    metavar="FILE",
    help="TOML file with the written parts: about, made_by, data, wrong, tried ...",
)
@click.option("--out", "-o", type=Output("text"), metavar="FILE", help="Markdown file; by default standard output.")
def card(model: str, figures: Path | None, notes: Path | None, out: Path | None) -> None:
    """Write the card of a model: contract, training data and its rights, figures, known failures and intended use.

    \b
    Examples:
      maskinfer card mine.onnx
      maskinfer card mine.onnx --figures dev.json --notes mine.toml -o mine.md
    """
    from maskinfer.engine.files.atomic import atomic_write

    with train_extra():
        from maskinfer.training.evaluation.report.card import make_card
    text = make_card(model, figures, notes)
    if out is None:
        click.echo(text, nl=False)
        return
    with atomic_write(out) as partial:
        partial.write_text(text, encoding="utf-8")

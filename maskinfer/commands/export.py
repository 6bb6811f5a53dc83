"""The commands that take in model files, make them smaller and check them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from maskinfer.commands.options import PATH, read_size, train_extra


def _three(_ctx: click.Context, param: click.Parameter, value: str) -> tuple[float, float, float]:
    """Read ``127.5`` or ``123.675,116.28,103.53``."""
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise click.BadParameter(f"{value!r}: expected one number or three, as 123.675,116.28,103.53")
    return numbers[0], numbers[-1 if len(numbers) == 1 else 1], numbers[-1]


def _golden(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> list[tuple[Path, str]]:
    pairs = [value.rpartition("=") for value in values]
    if any(not (image and label) for image, _, label in pairs):
        raise click.BadParameter("expected IMAGE=LABEL, as face.jpg=with_mask")
    return [(Path(image), label) for image, _, label in pairs]


def _anchors(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> list[list[float]]:
    try:
        return [[float(side) for side in value.split(",")] for value in values]
    except ValueError:
        raise click.BadParameter("expected the sides of one stride's anchors in pixels, as 16,32") from None


@click.command(short_help="Make a foreign model one that the engine runs.")
@click.argument("model", type=PATH)
@click.argument("out", type=PATH)
@click.option("--description", type=PATH, help="YAML file that says what the options say, with their names as keys.")
@click.option("--task", type=click.Choice(["classifier", "detector"]), default="classifier", show_default=True)
@click.option("--kind", type=click.Choice(["scrfd", "retinaface"]), help="Of a detector: how its outputs are read.")
@click.option("--label", "labels", multiple=True, help="Of each column of the output, in its order.")
@click.option("--layout", type=click.Choice(["NCHW", "NHWC"]), help="Of the input.")
@click.option("--dtype", type=click.Choice(["float32", "uint8"]), default="float32", show_default=True)
@click.option("--colour-order", type=click.Choice(["RGB", "BGR"]), help="Of the input's channels.")
@click.option("--mean", callback=_three, default="0", help="Subtracted from 0 to 255; one number or three.")
@click.option("--std", callback=_three, default="1", help="Divided by after that; 255 makes 0 to 1.")
@click.option("--output", "form", type=click.Choice(["probabilities", "logits", "sigmoid"]), help="What comes out.")
@click.option("--size", "size_wh", metavar="PIXELS", callback=read_size, help="Of a crop, where the graph takes any.")
@click.option("--margin", type=click.FloatRange(0), default=0.15, show_default=True, help="Around the face's box.")
@click.option("--square/--stretch", default=True, show_default=True, help="How the box becomes the crop.")
@click.option("--border", type=click.Choice(["replicate", "black"]), default="replicate", show_default=True)
@click.option("--name", default="adopted", show_default=True, help="Of the model, in its contract.")
@click.option("--version", default="1", show_default=True, help="Of the model, in its contract.")
@click.option("--licence", default="not stated", show_default=True, help="Of the weights, in its contract.")
@click.option("--trained-on", multiple=True, help="Data set that it was trained on; may be repeated.")
@click.option("--stride", "strides", type=int, multiple=True, help="Of a RetinaFace; 8, 16 and 32 by default.")
@click.option(
    "--anchors",
    multiple=True,
    callback=_anchors,
    metavar="SIDE,SIDE",
    help="Of a RetinaFace: sides in pixels of one stride's anchors; once for each stride.",
)
@click.option(
    "--det-threshold", type=float, default=0.5, show_default=True, help="Of a detector: least score of a face."
)
@click.option("--nms-threshold", type=float, default=0.4, show_default=True, help="Of a detector: largest overlap.")
@click.option(
    "--golden", multiple=True, callback=_golden, metavar="IMAGE=LABEL|COUNT",
    help="Picture of one face whose label it must give, or of so many faces to detect; may be repeated.",
)  # fmt: skip
def adopt(model: Path, out: Path, description: Path | None, **options: Any) -> None:
    """Make a model of any framework one that the engine runs: preprocessing in the graph, contract in the file.

    MODEL is an ONNX, Keras (.keras, .h5) or TorchScript file of a classifier, or an ONNX file of a detector, which will
    take any batch and size. It is run before the new file is written: labels, size, value range and the golden pictures
    have to fit, and batches have to give what single pictures give.

    \b
    Examples:
      maskinfer adopt lecture.h5 lecture.onnx --label with_mask --label without_mask --layout NHWC \\
        --colour-order RGB --mean 127.5 --std 127.5 --output probabilities --stretch --margin 0
      maskinfer adopt theirs.onnx mine.onnx --description theirs.yaml --golden face.jpg=with_mask
      maskinfer adopt det_2.5g.onnx scrfd.onnx --task detector --kind scrfd --golden group.jpg=5
    """
    with train_extra():
        from maskinfer.export.adopt.description import adopt_file, read_description

        source = click.get_current_context().get_parameter_source
        said = {name: value for name, value in options.items() if source(name) is not ParameterSource.DEFAULT}
        if description is not None:
            said = read_description(description) | said
        click.echo(adopt_file(model, out, **said))


@click.command(short_help="Turn a model into int8 or fp16, if that pays on this machine.")
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
@click.option("--precision", type=click.Choice(["int8", "fp16"]), default="int8", show_default=True)
@click.option("--provider", default="auto", show_default=True, metavar="NAME", help="Execution provider of both.")
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
    """Turn a classifier or a detector into int8 or float16; keep the file only if it pays.

    MODEL is a shipped model's name or an ONNX file with a contract. Speed and accuracy of both are measured in one
    run, with 95 % intervals. The exit code is 1 when the new file is not kept. There are no bf16 files: OpenVINO's
    provider rounds to it by itself where the processor has it.

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
        summary = run(model, data, out, progress=progress, **options)
    show_quantization(summary)
    click.get_current_context().exit(0 if summary.kept else 1)


@click.command(short_help="Run a model with every runtime there is and compare.")
@click.argument("model")
@click.option("--checkpoint", type=PATH, help="That a classifier was exported from, so that torch takes part.")
@click.option("--image", "images", type=PATH, multiple=True, help="Picture to run on; by default noise and gradients.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    help="Largest difference of an output; by default 1e-3, in fp16 .05, in int8 .1.",
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
    from maskinfer.console.export import show_verdicts
    from maskinfer.console.progress import progress_bar

    with train_extra():
        from maskinfer.export.verify.run import verify as run
    with progress_bar("verify", "runtimes") as progress:
        verdicts = run(model, checkpoint=checkpoint, images=images, tolerance=tolerance, progress=progress)
    show_verdicts(verdicts)
    disagrees = any(not verdict.agrees and not verdict.problem for verdict in verdicts)
    click.get_current_context().exit(1 if disagrees else 0)


@click.command(short_help="Write into a classifier's file how often it errs.")
@click.argument("model")
@click.argument("out", type=PATH)
@click.option("--figures", type=PATH, required=True, help="That `maskinfer evaluate --json` wrote of it.")
def calibrate(model: str, out: Path, figures: Path) -> None:
    """Write a copy of a classifier that knows from which score on its labels are wrong at most so often.

    The commands that label faces then take --max-error, and events use what keeps wrong labels under 2 %. The scores
    were measured by `maskinfer evaluate --json`, best on pictures that neither training nor any choice looked at.

    \b
    Examples:
      maskinfer evaluate mine.onnx --data dev/ --json dev.json
      maskinfer calibrate mine.onnx calibrated.onnx --figures dev.json
      maskinfer image photos/ --classifier calibrated.onnx --max-error 0.02
    """
    with train_extra():
        from maskinfer.export.calibrate import calibrate as run
    click.echo(run(model, figures, out))


@click.command(short_help="Write a model's card.")
@click.argument("model")
@click.option("--figures", type=PATH, help="That `maskinfer evaluate --json` wrote of it.")
@click.option("--notes", type=PATH, help="TOML file of what people say of it: about, made_by, data, wrong, tried ...")
@click.option("--out", "-o", type=PATH, help="Markdown file; by default standard output.")
def card(model: str, figures: Path | None, notes: Path | None, out: Path | None) -> None:
    """Write the card of a model: contract, training data and its rights, figures, failures, and what it is for.

    \b
    Examples:
      maskinfer card mine.onnx
      maskinfer card mine.onnx --figures dev.json --notes mine.toml -o mine.md
    """
    from maskinfer.engine.files.atomic import atomic_write

    with train_extra():
        from maskinfer.training.evaluation.card import make_card
    text = make_card(model, figures, notes)
    if out is None:
        click.echo(text, nl=False)
        return
    with atomic_write(out) as partial:
        partial.write_text(text, encoding="utf-8")

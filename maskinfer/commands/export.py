"""The commands that take in model files, make them smaller and check them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from maskinfer.commands.options import PATH, Command, given_values, grouped, option, read_size, train_extra


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


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What the contract says of the model."""

    task: str
    name: str
    version: str
    licence: str
    trained_on: tuple[str, ...]


_model_options = grouped(
    "model_options", ModelOptions, "Model",
    option("--task", type=click.Choice(["classifier", "detector"]), default="classifier", show_default=True,
           help="What the model does."),
    option("--name", default="adopted", show_default=True, help="Name in the contract."),
    option("--version", default="1", show_default=True, help="Version in the contract."),
    option("--licence", default="not stated", show_default=True, help="Licence of the weights, for the contract."),
    option("--trained-on", multiple=True, metavar="NAME", help="Data set it was trained on; may be repeated."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InputOptions:
    """What goes in."""

    layout: str | None
    dtype: str
    colour_order: str | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_input_options = grouped(
    "input_options", InputOptions, "Input",
    option("--layout", type=click.Choice(["NCHW", "NHWC"]), help="Order of the input's axes."),
    option("--dtype", type=click.Choice(["float32", "uint8"]), default="float32", show_default=True,
           help="Type of the input."),
    option("--colour-order", type=click.Choice(["RGB", "BGR"]), help="Order of the input's channels."),
    option("--mean", callback=_three, default="0", metavar="NUMBERS",
           help="Subtracted from the pixels, which are 0 to 255; one number or three, as 123.675,116.28,103.53."),
    option("--std", callback=_three, default="1", metavar="NUMBERS",
           help="Divided by after that; one number or three. 255 alone maps the pixels to 0 to 1."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """What a classifier gives, and how its crops are cut."""

    labels: tuple[str, ...]
    output: str | None
    size: tuple[int, int] | None
    margin: float
    square: bool
    border: str


_classifier_options = grouped(
    "classifier_options", ClassifierOptions, "Classifiers",
    option("--label", "labels", multiple=True, metavar="LABEL",
           help="Label of each column of the output, in order; repeat for each column."),
    option("--output", type=click.Choice(["probabilities", "logits", "sigmoid"]), help="What the model returns."),
    option("--size", callback=read_size, metavar="PIXELS",
           help="Size of the crop, as 128 or 128x96, if the graph takes any size."),
    option("--margin", type=click.FloatRange(0), default=0.15, show_default=True, metavar="SHARE",
           help="Margin around the face's box, as a share of its sides."),
    option("--square/--stretch", default=True, show_default=True,
           help="Widen the box to a square, or stretch it to the crop."),
    option("--border", type=click.Choice(["replicate", "black"]), default="replicate", show_default=True,
           help="What fills the crop beyond the frame's edge."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """How a detector's outputs are read."""

    kind: str | None
    strides: tuple[int, ...]
    anchors: list[list[float]]
    det_threshold: float
    nms_threshold: float


_detector_options = grouped(
    "detector_options", DetectorOptions, "Detectors",
    option("--kind", type=click.Choice(["scrfd", "retinaface"]), help="How the outputs are read."),
    option("--stride", "strides", type=int, multiple=True, metavar="N",
           help="Stride of a RetinaFace; repeat for each. By default 8, 16 and 32."),
    option("--anchors", multiple=True, callback=_anchors, metavar="SIDE,SIDE",
           help="Sides in pixels of one stride's anchors of a RetinaFace; repeat for each stride."),
    option("--det-threshold", type=float, default=0.5, show_default=True, metavar="SCORE",
           help="Lowest score of a face."),
    option("--nms-threshold", type=float, default=0.4, show_default=True, metavar="IOU",
           help="Largest overlap of two faces."),
)  # fmt: skip


@click.command(cls=Command, short_help="Take in a model from elsewhere.")
@click.argument("model", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--description", type=PATH, metavar="FILE", help="YAML file with the options below as keys; options override it."
)
@click.option(
    "--golden", multiple=True, callback=_golden, metavar="IMAGE=LABEL|COUNT",
    help="Picture that the model must get right: of one face and its label, or for a detector, with so many faces. May "
         "be repeated.",
)  # fmt: skip
@_model_options
@_input_options
@_classifier_options
@_detector_options
def adopt(
    model: Path,
    out: Path,
    description: Path | None,
    golden: list[tuple[Path, str]],
    model_options: ModelOptions,
    input_options: InputOptions,
    classifier_options: ClassifierOptions,
    detector_options: DetectorOptions,
) -> None:
    """Take in a model from elsewhere: put its preprocessing into the graph and a contract into the file.

    MODEL is a classifier (ONNX, Keras .keras or .h5, TorchScript) or a detector (ONNX), which will then take any batch
    and size. The result is run before it is written: labels, size, range of values and the golden pictures must fit,
    and a batch must give what single pictures give.

    \b
    Examples:
      maskinfer adopt lecture.h5 lecture.onnx --label with_mask --label without_mask --layout NHWC \\
        --colour-order RGB --mean 127.5 --std 127.5 --output probabilities --stretch --margin 0
      maskinfer adopt theirs.onnx mine.onnx --description theirs.yaml --golden face.jpg=with_mask
      maskinfer adopt det_2.5g.onnx scrfd.onnx --task detector --kind scrfd --golden group.jpg=5
    """
    with train_extra():
        from maskinfer.export.adopt.description import adopt_file, read_description

        said = {} if description is None else read_description(description)
        said |= given_values(model_options, input_options, classifier_options, detector_options)
        click.echo(adopt_file(model, out, said, golden=golden))


@click.command(short_help="Quantize a model, if that pays on this machine.")
@click.argument("model")
@click.argument("out", type=PATH)
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
    "--min-speedup", type=click.FloatRange(0), default=1.2, show_default=True, metavar="FACTOR",
    help="Smallest speed-up that is worth keeping the new model.",
)  # fmt: skip
@click.option(
    "--max-drop", type=click.FloatRange(-1, 1), default=0.003, show_default=True, metavar="SHARE",
    help="Greatest acceptable loss of a classifier's accuracy or a detector's recall.",
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
            data,
            out,
            calibration=calibration,
            batches=batches,
            precision=precision,
            provider=provider,
            min_speedup=min_speedup,
            max_drop=max_drop,
            threads=threads,
            progress=progress,
        )
    show_quantization(summary)
    click.get_current_context().exit(0 if summary.kept else 1)


@click.command(short_help="Compare a model across the installed runtimes.")
@click.argument("model")
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
    type=click.FloatRange(0),
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


@click.command(short_help="Add error-rate thresholds to a classifier.")
@click.argument("model")
@click.argument("out", type=PATH)
@click.option("--figures", type=PATH, metavar="FILE", help="What `maskinfer evaluate --json` wrote for this model.")
@click.option(
    "--faces", type=PATH, metavar="FILE|FOLDER", help="Annotated scenes, to fit how it tells faces from other things."
)
@click.option(
    "--detector",
    default="retinaface-mask",
    show_default=True,
    metavar="NAME|FILE",
    help="Detector whose proposals --faces judges.",
)
def calibrate(model: str, out: Path, figures: Path | None, faces: Path | None, detector: str) -> None:
    """Write a copy of a classifier whose contract holds the score thresholds for given error rates.

    Commands that label faces then accept --max-error, and events use the threshold for 2 % wrong labels. The thresholds
    come from `maskinfer evaluate --json`, ideally on pictures that were used neither for training nor for choosing.
    With --faces the contract also says how the classifier and the detector decide together what is a face.

    \b
    Examples:
      maskinfer evaluate mine.onnx --data dev/ --json dev.json
      maskinfer calibrate mine.onnx checked.onnx --faces dev/
      maskinfer calibrate mine.onnx calibrated.onnx --figures dev.json
      maskinfer image photos/ --classifier calibrated.onnx --max-error 0.02
    """
    from maskinfer.console.progress import progress_bar

    with train_extra():
        from maskinfer.export.calibrate import calibrate as run
    with progress_bar("calibrate", "scenes") as bar:
        summary = run(model, figures, out, faces=faces, detector=detector, progress=bar)
    click.echo(summary)


@click.command(short_help="Write a model's card.")
@click.argument("model")
@click.option("--figures", type=PATH, metavar="FILE", help="What `maskinfer evaluate --json` wrote for this model.")
@click.option(
    "--notes",
    type=PATH,
    metavar="FILE",
    help="TOML file with the written parts: about, made_by, data, wrong, tried ...",
)
@click.option("--out", "-o", type=PATH, metavar="FILE", help="Markdown file; by default standard output.")
def card(model: str, figures: Path | None, notes: Path | None, out: Path | None) -> None:
    """Write the card of a model: contract, training data and its rights, figures, known failures and intended use.

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

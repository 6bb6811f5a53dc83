"""The command that takes in a model from elsewhere, and its many options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from maskinfer.commands.options import (
    PATH,
    Command,
    Number,
    Output,
    given_values,
    grouped,
    option,
    read_size,
    train_extra,
)


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
    option("--margin", type=Number(0), default=0.15, show_default=True, metavar="SHARE",
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
    option("--det-threshold", type=Number(), default=0.5, show_default=True, metavar="SCORE",
           help="Lowest score of a face."),
    option("--nms-threshold", type=Number(), default=0.4, show_default=True, metavar="IOU",
           help="Largest overlap of two faces."),
)  # fmt: skip


@click.command(cls=Command, short_help="Take in a model from elsewhere.")
@click.argument("model", type=PATH)
@click.argument("out", type=Output("file"))
@click.option(
    "--description", type=PATH, metavar="FILE", help="YAML file with the options below as keys; options override it."
)
@click.option(
    "--golden", multiple=True, callback=_golden, metavar="IMAGE=LABEL|COUNT",
    help="Picture that the model must get right: of one face and its label, or for a detector, with so many faces. May "
         "be repeated.",
)  # fmt: skip
@click.option(
    "--trust", is_flag=True,
    help="Run a TorchScript file, which is a program and can read and write files, because you know who made it.",
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
    trust: bool,
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
        click.echo(adopt_file(model, out, said, golden=golden, trust=trust))

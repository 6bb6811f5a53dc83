"""Recipes: how a classifier is trained, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from maskinfer.engine.contract import CropRule, Label
from maskinfer.engine.errors import RequestError
from maskinfer.engine.schema import Count, Index, Line, NotNegative, Positive, Share, from_plain, parse_toml
from maskinfer.training.data.rights import NONE_STATED, Rights

RECIPES_DIR = Path(__file__).resolve().parent.parent / "recipes"


@dataclass(frozen=True, slots=True)
class Network:
    """MobileNetV2 (Sandler et al., CVPR 2018) and its head.

    Attributes:
        weights: ``imagenet`` as torchvision has them, or ``none``.
        width: multiplies the channels; under 1 it begins with those of the full network that matter most.
        frozen_blocks: how many of the 19 blocks keep their weights and their batch statistics.
        head: ``linear``, or the lecture's ``dense128``.
        dropout: in the head.
    """

    weights: Literal["imagenet", "none"] = "imagenet"
    width: Annotated[float, Meta(gt=0, le=1)] = 1.0
    frozen_blocks: Annotated[int, Meta(ge=0, le=19)] = 0
    head: Literal["linear", "dense128"] = "linear"
    dropout: Share = 0.2


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        epochs: passes over the data, or over ``draws_per_epoch`` random draws from it when that is not 0.
        lr_schedule: of the learning rate: ``one_cycle`` (Smith, 2018), or ``keras_decay``, which is
            rate / (1 + rate / epochs * step).
        average_decay: of the moving average of the weights that is kept; 0 keeps the last weights.
        teacher_share: weight of the teachers' probabilities in the loss, when there are teachers.
        patience: epochs without a lower loss on the pictures kept out, after which the training stops; the best
            epoch's weights are kept. 0 goes to the end and keeps the last.
        initial_size_px: side of the pictures in the ``initial_share`` of the steps; 0 for the full size.
    """

    epochs: Count
    draws_per_epoch: Index = 0
    batch: Count = 32
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 0.0
    lr_schedule: Literal["one_cycle", "keras_decay"] = "one_cycle"
    warmup_share: Share = 0.15
    label_smoothing: Share = 0.0
    average_decay: Share = 0.0
    teacher_share: Share = 0.7
    patience: Index = 0
    initial_size_px: Index = 0
    initial_share: Share = 0.0


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How pictures are changed: see ``augment``.

    Attributes:
        kind: ``camera``, ``lecture``, or ``none``; all that follows is for ``camera``.
        rotate: rotate, up to 45 degrees.
        photometric: change exposure, contrast and colours, and add noise.
        low_resolution: share of the draws that are shrunk to 12 to 64 px and enlarged again.
        blur: share that is blurred, by motion or out of focus.
        cutout: share that a plain block or ellipse covers in part.
        occluders: share with a hand, cup, microphone, scarf, visor or glasses before the face.
        hidden_mouths: share of the other faces without a mask whose mouth a hand, cup, book or scarf hides.
        jpeg: share that is compressed.
    """

    kind: Literal["lecture", "camera", "none"] = "camera"
    rotate: bool = True
    photometric: bool = True
    low_resolution: Share = 0.4
    blur: Share = 0.25
    cutout: Share = 0.18
    occluders: Share = 0.2
    hidden_mouths: Share = 0.0
    jpeg: Share = 0.4


@dataclass(frozen=True, slots=True)
class Sampling:
    """How often a picture is drawn.

    Attributes:
        class_shares: of each label among the draws; empty leaves the data's own.
        set_weights: of each data set within a class; 1 for those not named.
        turned_weight: of faces turned aside, up or down or tilted within a class; the others have 1.
        doubtful_weight: of faces within a class that the detector is in doubt about; the others have 1.
        no_face_share: of the draws that are what the detector takes for faces in annotated scenes and is none. The
            network then has a further output, the probability of a face; 0 for none.
    """

    class_shares: Mapping[str, NotNegative] = field(default_factory=dict)
    set_weights: Mapping[str, NotNegative] = field(default_factory=dict)
    turned_weight: Positive = 1.0
    doubtful_weight: Positive = 1.0
    no_face_share: Annotated[float, Meta(ge=0, lt=1)] = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a training but the data.

    Attributes:
        labels: in the order of the outputs.
        pictures: ``whole`` pictures, or ``faces`` found by the default detector and cut by the crop rule.
        size_px: side of the network's input.
        test_share: of the pictures that is kept out of training and reported on, stratified by label.
        split: by ``group``: copies, near-duplicates, twins and the faces of one picture stay on one side; or at
            ``random``, whatever leaks.
        crop: the contract's crop rule.
        rights: in the pictures of data sets, as their publishers state them; none are stated for those not named.
        use_rights: train only on data sets with these rights; empty for all.
    """

    name: Line
    labels: Annotated[tuple[Label, ...], Meta(min_length=2)]
    pictures: Literal["whole", "faces"]
    size_px: Annotated[int, Meta(ge=32)]
    seed: Index
    test_share: Annotated[float, Meta(ge=0, lt=1)]
    network: Network
    schedule: Schedule
    augmentation: Augmentation = field(default_factory=Augmentation)
    sampling: Sampling = field(default_factory=Sampling)
    split: Literal["group", "random"] = "group"
    crop: CropRule = field(default_factory=CropRule)
    rights: Mapping[str, Rights] = field(default_factory=dict)
    use_rights: tuple[Rights, ...] = ()

    def uses(self, set_name: str) -> bool:
        """Tell whether a data set is trained on, by its rights."""
        return not self.use_rights or self.rights.get(set_name, NONE_STATED) in self.use_rights

    @property
    def tells_faces(self) -> bool:
        """Whether the network says too if what it sees is a face."""
        return self.sampling.no_face_share > 0

    @property
    def outputs(self) -> int:
        """How many numbers the network gives: one a label, and one for a face."""
        return len(self.labels) + self.tells_faces


def load_recipe(name: str | Path) -> Recipe:
    """Return a shipped recipe by its name, or one from a TOML file.

    Raises:
        RequestError: there is no such recipe, or it is not well formed.
    """
    file = RECIPES_DIR / f"{name}.toml"
    if not file.is_file():
        file = Path(name)
    if not file.is_file():
        names = {path.stem for path in RECIPES_DIR.glob("*.toml")} - {"detector"}
        shipped = ", ".join(sorted(names))
        raise RequestError(f"no recipe {str(name)!r}: choose {shipped}, or a TOML file")
    try:
        return from_dict(parse_toml(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise RequestError(f"{file} is not a recipe: {error}") from error


def from_dict(data: Mapping[str, Any]) -> Recipe:
    """Build a recipe from plain data, as ``to_dict`` gives it.

    Raises:
        ValueError: it is not well formed.
    """
    recipe = from_plain(data, Recipe)
    if len(set(recipe.labels)) != len(recipe.labels):
        raise ValueError(f"labels are {list(recipe.labels)}, expected at least two different names")
    return recipe


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain data that JSON and a checkpoint can hold."""
    plain: dict[str, Any] = msgspec.to_builtins(recipe)
    return plain

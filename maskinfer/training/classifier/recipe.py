"""Recipes: how a classifier is trained, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from maskinfer.engine.contract import CropRule
from maskinfer.engine.errors import RequestError

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
    width: float = 1.0
    frozen_blocks: int = 0
    head: Literal["linear", "dense128"] = "linear"
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Check what would only fail deep inside."""
        if not 0 < self.width <= 1 or not 0 <= self.frozen_blocks <= 19:
            raise ValueError("expected a width over 0 and up to 1, and 0 to 19 frozen blocks")


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

    epochs: int
    draws_per_epoch: int = 0
    batch: int = 32
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    lr_schedule: Literal["one_cycle", "keras_decay"] = "one_cycle"
    warmup_share: float = 0.15
    label_smoothing: float = 0.0
    average_decay: float = 0.0
    teacher_share: float = 0.7
    patience: int = 0
    initial_size_px: int = 0
    initial_share: float = 0.0


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
        jpeg: share that is compressed.
    """

    kind: Literal["lecture", "camera", "none"] = "camera"
    rotate: bool = True
    photometric: bool = True
    low_resolution: float = 0.4
    blur: float = 0.25
    cutout: float = 0.18
    occluders: float = 0.2
    jpeg: float = 0.4

    def __post_init__(self) -> None:
        """Check what would only fail in the training."""
        for name in ("low_resolution", "blur", "cutout", "occluders", "jpeg"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How often a picture is drawn.

    Attributes:
        class_shares: of each label among the draws; empty leaves the data's own.
        set_weights: of each data set within a class; 1 for those not named.
        turned_weight: of faces turned aside, up or down or tilted within a class; the others have 1.
    """

    class_shares: Mapping[str, float] = field(default_factory=dict)
    set_weights: Mapping[str, float] = field(default_factory=dict)
    turned_weight: float = 1.0


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
    """

    name: str
    labels: tuple[str, ...]
    pictures: Literal["whole", "faces"]
    size_px: int
    seed: int
    test_share: float
    network: Network
    schedule: Schedule
    augmentation: Augmentation = field(default_factory=Augmentation)
    sampling: Sampling = field(default_factory=Sampling)
    split: Literal["group", "random"] = "group"
    crop: CropRule = field(default_factory=CropRule)

    def __post_init__(self) -> None:
        """Check what would only fail after the training."""
        names = all(isinstance(label, str) for label in self.labels)
        if not names or len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(f"labels are {list(self.labels)}, expected at least two different names")
        if not isinstance(self.size_px, int) or self.size_px < 32:
            raise ValueError(f"size_px is {self.size_px}, expected a whole number from 32")


_T = TypeVar("_T")
_PARTS: dict[str, type[Any]] = {
    "network": Network,
    "schedule": Schedule,
    "augmentation": Augmentation,
    "sampling": Sampling,
    "crop": CropRule,
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "pictures": ("whole", "faces"),
    "split": ("group", "random"),
    "weights": ("imagenet", "none"),
    "head": ("linear", "dense128"),
    "optimizer": ("adam", "adamw"),
    "shape": ("one_cycle", "keras_decay"),
    "kind": ("lecture", "camera", "none"),
    "border": ("replicate", "black"),
}


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
        return from_dict(tomllib.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} is not a recipe: {error}") from error


def from_dict(data: Mapping[str, Any]) -> Recipe:
    """Build a recipe from plain data, as ``to_dict`` gives it.

    Raises:
        ValueError: a key is unknown or a value is not one of the choices. TypeError: a key is missing.
    """
    return _build(Recipe, data)


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain data that JSON and a checkpoint can hold."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(recipe).items()}


def _build(cls: type[_T], data: Mapping[str, Any]) -> _T:
    unknown = sorted(set(data) - {f.name for f in fields(cast(Any, cls))})
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}")
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key in _CHOICES and value not in _CHOICES[key]:
            raise ValueError(f"{key} is {value!r}, expected one of {', '.join(_CHOICES[key])}")
        part = _build(_PARTS[key], value) if key in _PARTS else value
        values[key] = tuple(part) if isinstance(part, list) else part
    return cls(**values)

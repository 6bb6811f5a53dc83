"""Recipes: how the detector is trained, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from maskinfer.engine.errors import RequestError
from maskinfer.engine.schema import Count, Index, Line, NotNegative, Positive, Share, from_plain, parse_toml
from maskinfer.training.classifier.recipe import RECIPES_DIR

TASK = "detector"
KINDS = ("scenes", "bare", "drawn", "crops")
"""Of training pictures; see ``DetectorRecipe.shares``."""


@dataclass(frozen=True, slots=True)
class DetectorRecipe:
    """All that decides a training but the data and the weights it starts from.

    Attributes:
        size_px: side of the square samples, a multiple of 32.
        steps: of the optimiser.
        batch: samples a step.
        learning_rate: the highest; it rises over ``warmup_share`` of the steps and falls along a cosine.
        average_decay: of the moving average of the weights that is kept; 0 keeps the last weights.
        start_share: of the weights that training began with in the mean of them and the trained ones that is kept
            (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). What was known before suffers less.
        frozen_blocks: how many of the first blocks keep their weights.
        shares: of the samples' pictures by kind: annotated ``scenes``, ``bare`` scenes, bare scenes with masks
            ``drawn`` onto faces, ``crops`` of single faces.
        crop_sets: names of the data sets whose crops of masked faces are used.
        mosaic_share: of the samples that are mosaics; the others are windows around a face.
        tilted_share: of the windows that are turned by up to 45 degrees; half of the others are by a few.
        drawn_share: of the faces of a ``drawn`` scene that get a mask.
        min_face_px: smaller faces of a sample are neither faces nor background.
        match_iou: least overlap of an anchor with the face that it learns.
        box_weight: of the boxes' loss, the faces' being 1.
        landmark_weight: of the landmarks' loss.
        det_threshold: least score of a face, for the exported file's contract.
    """

    name: Line
    seed: Index
    size_px: Annotated[int, Meta(ge=32, multiple_of=32)]
    steps: Count
    batch: Count
    learning_rate: Positive
    shares: Mapping[str, NotNegative]
    crop_sets: tuple[Line, ...] = ()
    warmup_share: Share = 0.05
    weight_decay: NotNegative = 5e-4
    average_decay: Share = 0.998
    start_share: Share = 0.0
    frozen_blocks: Index = 3
    mosaic_share: Share = 1 / 3
    tilted_share: Share = 0.12
    drawn_share: Share = 0.6
    min_face_px: NotNegative = 7.0
    match_iou: Share = 0.35
    box_weight: NotNegative = 2.0
    landmark_weight: NotNegative = 1.0
    det_threshold: Share = 0.5


def load_detector_recipe(name: str | Path) -> DetectorRecipe:
    """Return a shipped recipe by its name, or one from a TOML file whose ``task`` is ``detector``.

    Raises:
        RequestError: there is no such recipe, or it is not well formed.
    """
    file = RECIPES_DIR / f"{name}.toml"
    if not file.is_file():
        file = Path(name)
    if not file.is_file():
        raise RequestError(f"no recipe {str(name)!r} of a detector: choose detector, or a TOML file")
    try:
        data = parse_toml(file.read_text(encoding="utf-8"))
        if data.pop("task", None) != TASK:
            raise ValueError(f'it lacks the line  task = "{TASK}"')
        return from_dict(data)
    except ValueError as error:
        raise RequestError(f"{file} is not a detector's recipe: {error}") from error


def from_dict(data: Mapping[str, Any]) -> DetectorRecipe:
    """Build a recipe from plain data, as ``to_dict`` gives it.

    Raises:
        ValueError: it is not well formed.
    """
    recipe = from_plain(data, DetectorRecipe)
    if set(recipe.shares) - set(KINDS) or sum(recipe.shares.values()) <= 0:
        raise ValueError(f"shares names {', '.join(recipe.shares)}, expected some of {', '.join(KINDS)}")
    return recipe


def to_dict(recipe: DetectorRecipe) -> dict[str, Any]:
    """Return the recipe as plain data that JSON and a checkpoint can hold."""
    plain: dict[str, Any] = msgspec.to_builtins(recipe)
    return plain

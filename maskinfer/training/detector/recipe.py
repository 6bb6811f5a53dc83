"""Recipes: how the detector is trained, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from maskinfer.engine.errors import RequestError
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

    name: str
    seed: int
    size_px: int
    steps: int
    batch: int
    learning_rate: float
    shares: Mapping[str, float]
    crop_sets: tuple[str, ...] = ()
    warmup_share: float = 0.05
    weight_decay: float = 5e-4
    average_decay: float = 0.998
    start_share: float = 0.0
    frozen_blocks: int = 3
    mosaic_share: float = 1 / 3
    tilted_share: float = 0.12
    drawn_share: float = 0.6
    min_face_px: float = 7.0
    match_iou: float = 0.35
    box_weight: float = 2.0
    landmark_weight: float = 1.0
    det_threshold: float = 0.5


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
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        if data.pop("task", None) != TASK:
            raise ValueError(f'it lacks the line  task = "{TASK}"')
        return from_dict(data)
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} is not a detector's recipe: {error}") from error


def from_dict(data: Mapping[str, Any]) -> DetectorRecipe:
    """Build a recipe from plain data, as ``to_dict`` gives it.

    Raises:
        ValueError: a key is unknown or a number is out of its range. TypeError: a key is missing.
    """
    unknown = sorted(set(data) - {f.name for f in fields(DetectorRecipe)})
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}")
    recipe = DetectorRecipe(**{**data, "crop_sets": tuple(data.get("crop_sets", ()))})
    if recipe.size_px <= 0 or recipe.size_px % 32:
        raise ValueError(f"size_px is {recipe.size_px}, expected a multiple of 32")
    for key in ("steps", "batch", "learning_rate"):
        if getattr(recipe, key) <= 0:
            raise ValueError(f"{key} is {getattr(recipe, key)}, expected more than 0")
    if set(recipe.shares) - set(KINDS) or sum(recipe.shares.values()) <= 0:
        raise ValueError(f"shares names {', '.join(recipe.shares)}, expected some of {', '.join(KINDS)}")
    return recipe


def to_dict(recipe: DetectorRecipe) -> dict[str, Any]:
    """Return the recipe as plain data that JSON and a checkpoint can hold."""
    return {**asdict(recipe), "crop_sets": list(recipe.crop_sets)}

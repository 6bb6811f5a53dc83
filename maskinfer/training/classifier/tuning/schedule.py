"""How long and how strongly a classifier is tuned, by how many faces there are to learn from."""

from __future__ import annotations

from dataclasses import dataclass

from maskinfer.engine.contract import ClassifierContract
from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import LABELS
from maskinfer.training.classifier.recipe import Augmentation, Network, Recipe, Schedule

BATCH = 32
SMOOTHING = 0.05
# Draws of each face: fewer of many faces, so that a training ends.
_DRAWS_A_FACE, _LEAST_DRAWS, _MOST_DRAWS = 8, 1280, 8000
# What was never learnt takes longer.
_TIMES_WITH_NEW_LABELS = 2
# The step of a weight, over the root mean square of its layer's weights: a graph has layers of all scales.
_RELATIVE_STEP = 2e-3


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """How a classifier is tuned.

    Attributes:
        recipe: how faces are cut and changed.
        steps: of the optimiser, of a batch each.
        relative_step: greatest step of a weight, over the root mean square of its layer's.
        keep: share of the old weights in the end.
    """

    recipe: Recipe
    steps: int
    relative_step: float
    keep: float


def plan(contract: ClassifierContract, faces: int, keep: float, seed: int) -> TuningPlan:
    """Return how a classifier is tuned on so many faces.

    Raises:
        RequestError: its crops are not square, or ``keep`` is not a share under 1.
    """
    width, height = contract.size_wh
    if width != height:
        raise RequestError(f"{contract.name} takes crops of {width}x{height} pixels: expected square ones")
    if not 0 <= keep < 1:
        raise RequestError(f"keep is {keep}, expected a share from 0, and under 1")
    known = set(contract.labels) <= set(LABELS)
    draws = min(_MOST_DRAWS, max(_LEAST_DRAWS, _DRAWS_A_FACE * faces)) * (1 if known else _TIMES_WITH_NEW_LABELS)
    # A visor, a scarf or glasses that are drawn before a face may be what a label of one's own is about.
    augmentation = Augmentation() if known else Augmentation(occluders=0.0)
    schedule = Schedule(epochs=1, batch=BATCH, learning_rate=_RELATIVE_STEP, label_smoothing=SMOOTHING)
    recipe = Recipe(
        name="site",
        labels=contract.labels,
        pictures="faces",
        size_px=width,
        seed=seed,
        test_share=0.0,
        network=Network(weights="none"),
        schedule=schedule,
        augmentation=augmentation,
        crop=contract.crop,
    )
    return TuningPlan(recipe, max(1, draws // BATCH), _RELATIVE_STEP, keep)

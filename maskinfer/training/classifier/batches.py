"""The augmented batches of a training, drawn ahead of the step that takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from maskinfer.engine.flow.overlap import in_lanes, prefetch
from maskinfer.engine.results import BGRFrame
from maskinfer.training.classifier import augment
from maskinfer.training.classifier.dataset import (
    HEAD_SHARE,
    WHOLE_FACE_SHARE,
    Indices,
    Pictures,
    as_deployed,
)
from maskinfer.training.classifier.recipe import Recipe
from maskinfer.training.classifier.windows.faces import NO_FACE, window_share

Batch = tuple[Tensor, Tensor]
"""Pictures, uint8 (batch, side, side, 3), BGR, and labels, int64 (batch,)."""

_AHEAD_BATCHES = 4
_MOST_LANES = 16


@dataclass(frozen=True, slots=True)
class Draws:
    """Everything that the pictures of a training follow from.

    Attributes:
        pictures: all of them.
        order: indices of the pictures that the whole training sees; see ``dataset.draw_order``.
        recipe: how they are augmented, and how many make a batch.
        side_px: of what is drawn.
    """

    pictures: Pictures
    order: Indices
    recipe: Recipe
    side_px: int

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.order) // self.recipe.schedule.batch)

    def batch(self, number: int) -> Batch:
        """Return a batch by its number from 0; it looks the same whatever was drawn before it."""
        size = self.recipe.schedule.batch
        draws = range(number * size, min((number + 1) * size, len(self.order)))
        ids = self.order[draws.start : draws.stop]
        images = [self._draw(n, index) for n, index in zip(draws, ids, strict=True)]
        return torch.from_numpy(np.stack(images)), torch.from_numpy(self.pictures.labels[ids])

    def _draw(self, number: int, index: int) -> BGRFrame:
        label = self.pictures.labels[index]
        name = None if label == NO_FACE else self.recipe.labels[label]
        rng = np.random.default_rng((self.recipe.seed, number))
        return augmented(self.pictures.images[index], name, self.recipe, rng, self.side_px)


def augmented(
    image: BGRFrame, label: str | None, recipe: Recipe, rng: np.random.Generator, side_px: int | None = None
) -> BGRFrame:
    """Return a picture with this label, None for what is no face, as one training step sees it.

    ``side_px`` is its side, instead of the recipe's.
    """
    side_px = side_px or recipe.size_px
    if recipe.augmentation.kind == "camera":
        place = augment.Place(1.0, WHOLE_FACE_SHARE)
        if recipe.pictures == "faces":
            place = augment.Place(window_share(recipe.crop), HEAD_SHARE)
        return augment.camera(image, rng, side_px, place, recipe.augmentation, label)
    plain = as_deployed(image, recipe, side_px)
    return augment.lecture(plain, rng) if recipe.augmentation.kind == "lecture" else plain


@contextmanager
def drawn_ahead(draws: Draws, first: int, device: torch.device) -> Iterator[Iterator[Batch]]:
    """Give the batches from the one numbered ``first`` on, drawn ahead of whoever reads them.

    A processor takes far longer for a step than for its pictures, so one thread draws them. A GPU waits for pictures,
    so as many threads draw as there are processors. Processes would draw more, but a process that has threads, as one
    that trains has, cannot be forked safely: its copy may wait for a lock for ever.
    """
    if device.type == "cpu":
        with prefetch(map(draws.batch, range(first, len(draws))), _AHEAD_BATCHES) as batches:
            yield batches
        return
    yield in_lanes(draws.batch, range(first, len(draws)), lanes_for(os.cpu_count() or 1))


def lanes_for(processors: int) -> int:
    """Return how many threads draw for a GPU: one for each processor but that which drives it, at least two."""
    return max(2, min(_MOST_LANES, processors - 1))

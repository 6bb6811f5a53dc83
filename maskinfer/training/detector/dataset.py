"""Training pictures in memory, some of them a second time with masks drawn onto their faces."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import BGRFrame
from maskinfer.training.data.masks.draw import STYLES, draw_mask
from maskinfer.training.detector.labels import BARE, DRAWN, Labelled
from maskinfer.training.detector.recipe import DetectorRecipe

# How often a drawn mask is worn so.
_WEARS = {"correct": 0.7, "below_nose": 0.15, "below_mouth": 0.05, "chin": 0.1}
_LEAST_DRAWN_PX = 14.0
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture and what is known of its faces.

    Attributes:
        image: uint8 (height, width, 3), BGR.
        known: its labels.
    """

    image: BGRFrame
    known: Labelled


def load_pictures(
    labelled: Sequence[Labelled], recipe: DetectorRecipe, progress: Progress = SILENT
) -> Mapping[str, tuple[Picture, ...]]:
    """Read all pictures that the recipe has a share of; return them by kind.

    Raises:
        SourceError: one cannot be read.
    """
    wanted = [picture for picture in _with_drawn(labelled) if recipe.shares.get(picture.kind, 0) > 0]
    pictures: dict[str, list[Picture]] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for picture in counted(pool.map(lambda known: _load(known, recipe), wanted), len(wanted), progress):
            pictures.setdefault(picture.known.kind, []).append(picture)
    return {kind: tuple(group) for kind, group in pictures.items()}


def _with_drawn(labelled: Sequence[Labelled]) -> Iterator[Labelled]:
    for picture in labelled:
        yield picture
        if picture.kind == BARE and len(picture.xyxy):
            yield replace(picture, kind=DRAWN)


def _load(known: Labelled, recipe: DetectorRecipe) -> Picture:
    picture = Picture(read_image(known.path), known)
    if known.kind != DRAWN:
        return picture
    # Of the name, so that a picture's masks do not depend on which others there are.
    return draw_masks(
        picture, recipe.drawn_share, np.random.default_rng([recipe.seed, zlib.crc32(known.path.name.encode())])
    )


def draw_masks(picture: Picture, share: float, rng: np.random.Generator) -> Picture:
    """Return a copy of a picture with masks drawn onto a share of the bare faces whose landmarks are known."""
    image, known = picture.image, picture.known
    masked = list(known.masked)
    for i, (box, points) in enumerate(zip(known.xyxy, known.landmarks, strict=True)):
        small = min(box[2:] - box[:2]) < _LEAST_DRAWN_PX
        if small or masked[i] or np.isnan(points).any() or rng.random() >= share:
            continue
        wear, style = str(rng.choice(list(_WEARS), p=list(_WEARS.values()))), str(rng.choice(STYLES))
        with suppress(RequestError):  # a face seen edge-on
            image = draw_mask(image, points, box, style=style, wear=wear, rng=rng)
            masked[i] = True
    return Picture(image, replace(known, masked=tuple(masked)))

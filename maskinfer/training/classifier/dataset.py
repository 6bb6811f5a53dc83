"""All pictures of a training in one array, and which of them are kept out to test on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import BGRBatch, BGRFrame
from maskinfer.training.classifier.recipe import Recipe
from maskinfer.training.classifier.windows.face_pack import read_pack
from maskinfer.training.classifier.windows.faces import FACE_SHARE, NO_FACE, Faces, collect_faces, window_share
from maskinfer.training.data.audit.related import related_groups
from maskinfer.training.data.groups import split_by_group
from maskinfer.training.data.samples import read_samples

Indices = NDArray[np.int64]
# Of a whole picture's side that its face takes, on average.
WHOLE_FACE_SHARE = 0.75
# Things are drawn by the size of the head, which is larger than WIDER FACE's boxes.
HEAD_SHARE = 1.14 * FACE_SHARE
# Of the detector's: under this it takes as much for a face that is none.
DOUBTFUL_SCORE = 0.75


@dataclass(frozen=True, slots=True)
class Pictures:
    """Training pictures.

    Attributes:
        images: uint8 (N, side, side, 3), BGR: whole pictures at the recipe's size, or the faces' windows.
        labels: int64 (N,), indices into the recipe's labels, or ``faces.NO_FACE``.
        sets: N names of data sets.
        sources: N paths, as given.
        turned: bool (N,), whether the head is turned; False where that is unknown.
        doubtful: bool (N,), whether the detector is in doubt about the face.
        groups: int64 (N,), equal for pictures that belong on one side of a split; None where an audit of the folders
            has yet to find that out.
    """

    images: BGRBatch
    labels: Indices
    sets: tuple[str, ...]
    sources: tuple[str, ...]
    turned: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]
    groups: Indices | None = None


def load_pictures(
    recipe: Recipe, folders: Sequence[Path], progress: Progress = SILENT, *, no_faces: bool = False
) -> Pictures:
    """Read the pictures that a recipe trains on; ``progress`` is told of each.

    With ``no_faces`` what the detector takes for faces and is none is among them.

    Raises:
        SourceNotFoundError, SourceError: the data cannot be read.
        RequestError: a label of the recipe does not occur in it.
    """
    if recipe.pictures == "faces":
        pictures = _of_faces(collect_faces(folders, recipe.labels, progress, no_faces=no_faces))
    else:
        pictures = _whole_pictures(recipe, folders, progress)
    _check_labels(pictures, recipe)
    return pictures


def load_pack(recipe: Recipe, file: Path, progress: Progress = SILENT) -> Pictures:
    """Read the faces that ``face_pack.write_pack`` wrote; ``progress`` is told of each.

    Raises:
        SourceNotFoundError, SourceError: the file cannot be read.
        RequestError: a label of the recipe does not occur in it, or the recipe trains on whole pictures.
    """
    if recipe.pictures != "faces":
        raise RequestError(f"the recipe {recipe.name} trains on whole pictures, and {file} holds faces: give --data")
    pack = read_pack(file, recipe.labels, progress)
    pictures = replace(_of_faces(pack.faces), groups=pack.groups)
    _check_labels(pictures, recipe)
    return pictures


def _of_faces(faces: Faces) -> Pictures:
    doubtful = faces.scores < DOUBTFUL_SCORE
    return Pictures(faces.windows, faces.labels, faces.sets, faces.sources, faces.turned, doubtful)


def _check_labels(pictures: Pictures, recipe: Recipe) -> None:
    missing = [label for i, label in enumerate(recipe.labels) if i not in pictures.labels]
    if missing:
        raise RequestError(f"no picture carries the label {missing[0]}, which the recipe {recipe.name} trains")


def _whole_pictures(recipe: Recipe, folders: Sequence[Path], progress: Progress) -> Pictures:
    samples = read_samples(folders, recipe.labels)
    images = np.empty((len(samples), recipe.size_px, recipe.size_px, 3), np.uint8)
    for image, sample in counted(zip(images, samples, strict=True), len(samples), progress):
        image[:] = cv2.resize(read_image(sample.path), image.shape[:2], interpolation=cv2.INTER_AREA)
    labels = np.asarray([recipe.labels.index(sample.label) for sample in samples], np.int64)
    sets, sources = tuple(s.set for s in samples), tuple(str(s.path) for s in samples)
    no = np.zeros(len(samples), np.bool_)
    return Pictures(images, labels, sets, sources, no, no)


def join(a: Pictures, b: Pictures) -> Pictures:
    """Return the pictures of both, those of ``a`` first."""
    images = np.concatenate([a.images, b.images])
    labels = np.concatenate([a.labels, b.labels])
    turned, doubtful = np.concatenate([a.turned, b.turned]), np.concatenate([a.doubtful, b.doubtful])
    return Pictures(images, labels, a.sets + b.sets, a.sources + b.sources, turned, doubtful)


def split(
    pictures: Pictures,
    recipe: Recipe,
    folders: Sequence[Path],
    progress: Progress = SILENT,
) -> tuple[Indices, Indices]:
    """Return the indices to train and to test on; see ``Recipe.split``.

    Args:
        pictures: all of them.
        recipe: the share to test on, how to split, and the seed.
        folders: that the pictures are from.
        progress: told how far the search for relatives is.
    """
    everything = np.arange(len(pictures.labels))
    if not recipe.test_share:
        return everything, everything[:0]
    if recipe.split == "group":
        return split_by_group(
            _groups(pictures, recipe, folders, progress), pictures.labels, recipe.test_share, recipe.seed
        )
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        everything, test_size=recipe.test_share, stratify=pictures.labels, random_state=recipe.seed
    )
    return np.asarray(train, np.int64), np.asarray(test, np.int64)


def _groups(pictures: Pictures, recipe: Recipe, folders: Sequence[Path], progress: Progress) -> Indices:
    if pictures.groups is not None:
        return pictures.groups
    return related_groups(folders, recipe.labels, pictures.sources, progress)


def with_rights(pictures: Pictures, recipe: Recipe, indices: Indices) -> Indices:
    """Return those of the indices whose data sets the recipe uses.

    Raises:
        RequestError: a label of the recipe has no picture left.
    """
    kept = np.asarray([i for i in indices if recipe.uses(pictures.sets[i])], np.int64)
    missing = [label for i, label in enumerate(recipe.labels) if i not in pictures.labels[kept]]
    if missing:
        kinds = ", ".join(recipe.use_rights) or "all"
        raise RequestError(
            f"no picture to train on carries the label {missing[0]} (rights: {kinds}): use more data, or other rights"
        )
    return kept


def split_off_set(
    pictures: Pictures, recipe: Recipe, folders: Sequence[Path], name: str, progress: Progress = SILENT
) -> tuple[Indices, Indices]:
    """Return the indices to train on, without a data set, and those of that set to test on.

    If the recipe splits by group, what is a copy or another picture of the same as one of the set is not trained on.

    Raises:
        RequestError: there is no such set.
    """
    left_out = np.asarray([own == name for own in pictures.sets], np.bool_)
    if not left_out.any():
        known = ", ".join(sorted(set(pictures.sets)))
        raise RequestError(f"no picture is of the data set {name!r}: choose one of {known}")
    related = left_out
    if recipe.split == "group":
        groups = _groups(pictures, recipe, folders, progress)
        related = np.isin(groups, np.unique(groups[left_out]))
    return np.flatnonzero(~related), np.flatnonzero(left_out)


def draw_order(pictures: Pictures, train: Indices, recipe: Recipe) -> Indices:
    """Return the indices of all pictures that the training draws, in their order."""
    rng = np.random.default_rng(recipe.seed)
    schedule = recipe.schedule
    if not schedule.draws_per_epoch:
        return np.concatenate([rng.permutation(train) for _ in range(schedule.epochs)])
    weights = _weights(pictures, recipe, train)[train]
    return rng.choice(train, schedule.epochs * schedule.draws_per_epoch, p=weights / weights.sum())


def _weights(pictures: Pictures, recipe: Recipe, train: Indices) -> NDArray[np.float64]:
    sampling = recipe.sampling
    weights = np.array([sampling.set_weights.get(name, 1.0) for name in pictures.sets], np.float64)
    used = np.zeros(len(weights), np.bool_)
    used[train] = True
    weights[~used] = 0
    weights[pictures.turned] *= sampling.turned_weight
    weights[pictures.doubtful] *= sampling.doubtful_weight
    for i, label in enumerate(recipe.labels):
        if label in sampling.class_shares:
            members = used & (pictures.labels == i)
            weights[members] *= sampling.class_shares[label] / weights[members].sum()
    no_face = used & (pictures.labels == NO_FACE)
    if no_face.any():
        others, share = weights[~no_face].sum(), sampling.no_face_share
        weights[no_face] = others * share / (1 - share) / no_face.sum()
    return weights


def as_deployed(image: BGRFrame, recipe: Recipe, side_px: int | None = None) -> BGRFrame:
    """Return a picture as the deployed network sees it: the crop in the middle of a window, or the whole.

    ``side_px`` is the side of the crop, instead of the recipe's.
    """
    if recipe.pictures == "whole":
        return image
    side_px = side_px or recipe.size_px
    side = image.shape[0]
    cut = round(side * (1 - window_share(recipe.crop)) / 2)
    middle = image[cut : side - cut, cut : side - cut]
    return np.asarray(cv2.resize(middle, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)

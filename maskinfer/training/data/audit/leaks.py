"""What leaks across a split: pictures to test on that training has seen in another guise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.errors import RequestError, SourceError, SourceNotFoundError
from maskinfer.training.data.audit.compare import KINDS, Kind
from maskinfer.training.data.audit.items import Item
from maskinfer.training.data.groups import Indices


@dataclass(frozen=True, slots=True)
class Split:
    """A division into pictures to train on and pictures to test on; some may be in neither.

    Attributes:
        name: how it was made, for people.
        train: int64, indices into the items.
        test: int64, likewise; none is in both.
    """

    name: str
    train: Indices
    test: Indices


@dataclass(frozen=True, slots=True)
class Leaks:
    """How many pictures of the test side are related to the training side.

    Attributes:
        test: pictures on the test side.
        by_kind: of these, those with a direct relation of each kind; a picture may count under several.
        related: of these, those in a group that training has a picture of: related directly or through others.
    """

    test: int
    by_kind: Mapping[Kind, int]
    related: int


def random_split(items: Sequence[Item], test_share: float, seed: int) -> Split:
    """Split at random, each label by itself where it can be: what scripts do that look at the files' names only.

    Raises:
        RequestError: the share leaves one side empty.
    """
    from sklearn.model_selection import train_test_split

    labels = np.array([item.label for item in items])
    splittable = np.unique(labels, return_counts=True)[1].min(initial=2) >= 2
    try:
        train, test = train_test_split(
            np.arange(len(items)), test_size=test_share, random_state=seed, stratify=labels if splittable else None
        )
    except ValueError as error:
        raise RequestError(f"{len(items)} pictures cannot be split {1 - test_share:g} to {test_share:g}") from error
    name = f"random split, {1 - test_share:.0%} to {test_share:.0%}, seed {seed}"
    return Split(name, np.sort(train).astype(np.int64), np.sort(test).astype(np.int64))


def folder_split(items: Sequence[Item], tests: Sequence[Path]) -> Split:
    """Put the pictures below some folders on the test side, all others on the training side."""
    is_test = np.array([any(item.path.is_relative_to(folder) for folder in tests) for item in items], bool)
    name = ", ".join(map(str, tests))
    return Split(name, np.flatnonzero(~is_test).astype(np.int64), np.flatnonzero(is_test).astype(np.int64))


def read_split(file: Path, items: Sequence[Item], folders: Sequence[Path] = ()) -> Split:
    """Read a split: JSON ``{"train": [paths], "test": [paths]}``.

    Args:
        file: that someone made, or the ``split.json`` of a training's run folder.
        items: the audited pictures.
        folders: that its paths may be below; others are paths by themselves.

    Raises:
        SourceNotFoundError: there is no such file.
        SourceError: it is not a split.
        RequestError: it names a picture that is not among the items, or one on both sides.
    """
    try:
        sides = json.loads(file.read_text(encoding="utf-8"))
        train, test = ([str(name) for name in sides[side]] for side in ("train", "test"))
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{file} does not exist: expected a split") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = '{"train": [paths], "test": [paths]}'
        raise SourceError(f"{file} is not a split: expected JSON {expected}; {error!r}") from error
    index: dict[Path, list[int]] = {}
    for i, item in enumerate(items):
        index.setdefault(item.path.resolve(), []).append(i)
    places = [_places(side, index, folders, file) for side in (train, test)]
    both = sorted(set(places[0]) & set(places[1]))
    if both:
        raise RequestError(f"{file} has {both[0]} on both sides: a split puts each picture on one")
    numbers = ([i for place in dict.fromkeys(side) for i in index[place]] for side in places)
    return Split(str(file), *(np.array(side, np.int64) for side in numbers))


def _places(names: Sequence[str], index: Mapping[Path, list[int]], folders: Sequence[Path], file: Path) -> list[Path]:
    """Return where the pictures with these names are: below a folder, or by the names themselves."""
    places = []
    for name in names:
        tried = [(folder / name).resolve() for folder in (*folders, Path())]
        place = next((place for place in tried if place in index), None)
        if place is None:
            raise RequestError(
                f"{file} names {name}, which is not among the pictures of the folders and sets: name its folder too"
            )
        places.append(place)
    return places


def count_leaks(split: Split, pairs: Mapping[Kind, NDArray[np.int64]], copies: Indices, groups: Indices) -> Leaks:
    """Count what leaks across a split.

    Args:
        split: indices into N pictures.
        pairs: (M, 2) of each kind of relation.
        copies: int64 (N,), equal for pictures that are byte-identical.
        groups: int64 (N,), equal for pictures that are related in any way, directly or through others.
    """
    own = copies[split.test]
    known = set(copies[split.train].tolist())
    by_kind: dict[Kind, int] = {"identical": int(np.isin(own, copies[split.train]).sum())}
    for kind in KINDS[1:]:
        # Identical files stand for each other: a relation holds for all of their copies.
        edges = copies[pairs[kind]].tolist()
        exposed = [a for a, b in edges if b in known] + [b for a, b in edges if a in known]
        by_kind[kind] = int(np.isin(own, exposed).sum())
    related = int(np.isin(groups[split.test], groups[split.train]).sum())
    return Leaks(len(split.test), by_kind, related)

"""Models side by side: each looks at the same faces, and what differs is measured in pairs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.results import label_order
from maskinfer.training.evaluation.compare.pairs import Difference, PairedFaces, difference
from maskinfer.training.evaluation.intervals import Estimate, bootstrap
from maskinfer.training.evaluation.matching import TrueFace
from maskinfer.training.evaluation.metrics import per_image
from maskinfer.training.evaluation.run import Evaluation, Memory, evaluate

_TIMED_CROPS, _TIMED_ROUNDS = 32, 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that is compared.

    Attributes:
        name: as given.
        file: its ONNX file.
        engine: that runs it.
        detector: name or file of the engine's detector.
    """

    name: str
    file: Path
    engine: Engine
    detector: str


@dataclass(frozen=True, slots=True)
class Place:
    """Data that the models are compared on.

    Attributes:
        name: as given.
        data: file or folder that is read.
    """

    name: str
    data: Path


@dataclass(frozen=True, slots=True)
class Group:
    """Faces of one kind, and how two models differ on them.

    Attributes:
        kind: ``set``, ``label``, ``slice`` or ``size``; ``all`` for all faces of a place.
        name: of the group.
        found: how they differ.
    """

    kind: str
    name: str
    found: Difference


@dataclass(frozen=True, slots=True)
class AtPlace:
    """Two models at one place.

    Attributes:
        place: where.
        groups: all faces first, then by data set, label, size and slice.
        false_positives: change per image, with its interval; None where they cannot be told.
        won, lost: pairs of the true face as the old and the new model saw it, the surest of the mistaken first.
        old, new: the evaluations.
    """

    place: Place
    groups: tuple[Group, ...]
    false_positives: Estimate | None
    won: tuple[tuple[TrueFace, TrueFace], ...]
    lost: tuple[tuple[TrueFace, TrueFace], ...]
    old: Evaluation
    new: Evaluation

    def of(self, kind: str) -> list[Group]:
        """Return the groups of a kind."""
        return [group for group in self.groups if group.kind == kind]


@dataclass(frozen=True, slots=True)
class Versus:
    """A new model against the old one.

    Attributes:
        old, new: the models.
        places: the first is where it is to be used, the others are elsewhere.
        speed: processor time of the new model's classifier for a face over the old one's; None where both have one.
    """

    old: Candidate
    new: Candidate
    places: tuple[AtPlace, ...]
    speed: float | None


def compare(candidates: Sequence[Candidate], places: Sequence[Place], *, progress: Progress = SILENT) -> list[Versus]:
    """Compare models with the first of them.

    Args:
        candidates: two or more.
        places: the first is where the model is to be used.
        progress: told of each picture that each model looks at.

    Raises:
        RequestError: there are fewer than two models, or the data show no face.
        SourceNotFoundError, SourceError: the data cannot be read.
    """
    if len(candidates) < 2:
        raise RequestError("one model alone cannot be compared: name the old one, and one or more new ones")
    old, *new = candidates
    labels = label_order(name for one in candidates for name in one.engine.classifier.contract.labels)
    found: list[list[Evaluation]] = []
    for place in places:
        memories: dict[str, Memory] = {}
        found.append([])
        for candidate in candidates:
            progress.describe(f"{candidate.name} on {place.name}")
            memory = memories.setdefault(candidate.detector, {})
            name = Path(place.name)
            found[-1].append(
                evaluate(candidate.engine, place.data, named=name, memory=memory, labels=labels, progress=progress)
            )
    return [
        Versus(
            old,
            candidate,
            tuple(_at(place, evaluations[0], evaluations[i]) for place, evaluations in zip(places, found, strict=True)),
            relative_time(old.engine, candidate.engine),
        )
        for i, candidate in enumerate(new, 1)
    ]


def _at(place: Place, old: Evaluation, new: Evaluation) -> AtPlace:
    faces = list(zip(old.outcome.true, new.outcome.true, strict=True))
    if not faces:
        raise RequestError(f"{place.name} shows no face that the models could be compared on")
    pairs = _paired(old, new)
    by_score = sorted(faces, key=lambda pair: -max(f.found.score for f in pair if f.found) if any(_found(pair)) else 0)
    return AtPlace(
        place,
        tuple(_groups(old, pairs)),
        _false_positives(old, new),
        tuple(pair for pair in by_score if _right(pair[1]) and not _right(pair[0])),
        tuple(pair for pair in by_score if _right(pair[0]) and not _right(pair[1])),
        old,
        new,
    )


def _found(pair: tuple[TrueFace, TrueFace]) -> list[bool]:
    return [face.found is not None for face in pair]


def _right(face: TrueFace) -> bool:
    return face.found is not None and face.found.label == face.label


def _paired(old: Evaluation, new: Evaluation) -> PairedFaces:
    scenes = old.outcome.scenes
    names = [scenes[face.scene].visit or f"\0{face.scene}" for face in old.outcome.true]
    _, clusters = np.unique(names, return_inverse=True)
    right = [np.asarray([_right(face) for face in one.outcome.true], np.bool_) for one in (old, new)]
    labels = np.asarray([face.label for face in old.outcome.true])
    return PairedFaces(labels, np.asarray(clusters, np.int64), *right)


def _groups(old: Evaluation, pairs: PairedFaces) -> list[Group]:
    faces = old.outcome.true
    sets = sorted({face.set for face in faces} - {""})
    masks: list[tuple[str, str, list[bool]]] = [("all", "all", [True] * len(faces))]
    masks += [("set", name, [face.set == name for face in faces]) for name in sets if len(sets) > 1]
    labels = label_order(face.label for face in faces)
    masks += [("label", name, [face.label == name for face in faces]) for name in labels]
    slices = sorted({name for face in faces for name in face.slices})
    masks += [("slice", name, [name in face.slices for face in faces]) for name in slices]
    return [
        Group(kind, name, difference(pairs.only(np.asarray(mask, np.bool_)))) for kind, name, mask in masks if any(mask)
    ]


def _false_positives(old: Evaluation, new: Evaluation) -> Estimate | None:
    if not old.outcome.counts_false_positives:
        return None
    images = range(len(old.outcome.scenes))
    counts = [per_image(one.outcome.false, images) for one in (old, new)]
    table = np.stack([*counts, np.ones(len(images))], axis=1)
    return bootstrap(table, lambda sums: (sums[:, 1] - sums[:, 0]) / np.maximum(sums[:, 2], 1))


def relative_time(old: Engine, new: Engine) -> float | None:
    """Return the processor time of the new classifier for a face over the old one's.

    They take turns, and the least time of each counts: what else the machine does disturbs both alike.
    """
    rng = np.random.default_rng(0)
    least: Mapping[int, list[float]] = {0: [], 1: []}
    crops = []
    for engine in (old, new):
        width, height = engine.classifier.contract.size_wh
        crops.append(rng.integers(0, 256, (_TIMED_CROPS, height, width, 3), np.uint8))
    for _ in range(_TIMED_ROUNDS):
        for side, engine in enumerate((old, new)):
            started = time.process_time()
            engine.classifier.look(crops[side])
            least[side].append(time.process_time() - started)
    return min(least[1]) / min(least[0]) if min(least[0]) > 0 else None

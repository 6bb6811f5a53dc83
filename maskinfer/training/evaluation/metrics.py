"""Metrics of groups of faces (all, a data set, a range of sizes, a slice), each with its 95 % interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maskinfer.engine.results import LABELS, label_order
from maskinfer.training.data.scenes import Scene
from maskinfer.training.evaluation.intervals import Estimate, Floats, bootstrap, rate, share
from maskinfer.training.evaluation.matching import FalseFace, SceneScore, TrueFace, count

SIZES_PX = ((0, 16), (16, 24), (24, 32), (32, 64), (64, 1_000_000))
"""Ranges of a face's shorter side in pixels of the image, the end excluded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found on every scene.

    Attributes:
        scenes: in the order of the data.
        true: annotated faces that count.
        false: detections where no face is annotated.
        counts_false_positives: whether these can be told at all; not where faces besides the annotated one may be seen.
    """

    scenes: tuple[Scene, ...]
    true: tuple[TrueFace, ...]
    false: tuple[FalseFace, ...]
    counts_false_positives: bool


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Of the faces of one true label.

    Attributes:
        recall: share that was found.
        label_recall: share of the found ones whose label is right.
        correct: share that was found and labelled right.
    """

    recall: Estimate
    label_recall: Estimate
    correct: Estimate


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """Of a group of faces.

    Attributes:
        score: the counts.
        classes: by true label, those that occur.
        false_positives: per image; None where they cannot be told.
        correct2: mean of ``correct`` over with_mask and without_mask, those of them that occur.
        correct3: the same over all labels that occur, three of the shipped models.
    """

    score: SceneScore
    classes: Mapping[str, ClassFigures]
    false_positives: Estimate | None
    correct2: Estimate
    correct3: Estimate


@dataclass(frozen=True, slots=True)
class OverSets:
    """Of several data sets, each with the same weight whatever its size.

    A choice that is good on one set need not hold on the next, so choices go by the mean over sets and by the worst.

    Attributes:
        correct2, correct3: means over the sets.
        worst_set: the set with the lowest ``correct2``.
        worst_correct2, worst_correct3: the lowest of each over the sets.
        false_positives: mean over the sets, per image; None where they cannot be told.
    """

    correct2: Estimate
    correct3: Estimate
    worst_set: str
    worst_correct2: Estimate
    worst_correct3: Estimate
    false_positives: Estimate | None


def over_sets(sets: Mapping[str, GroupMetrics]) -> OverSets | None:
    """Return the mean over data sets and the worst of them; None when there are fewer than two."""
    if len(sets) < 2:
        return None
    figures = list(sets.values())
    rates = [found.false_positives for found in figures if found.false_positives is not None]
    return OverSets(
        _combined([found.correct2 for found in figures], len(figures)),
        _combined([found.correct3 for found in figures], len(figures)),
        min(sets, key=lambda name: sets[name].correct2.value),
        min((found.correct2 for found in figures), key=lambda estimate: estimate.value),
        min((found.correct3 for found in figures), key=lambda estimate: estimate.value),
        _combined(rates, len(rates)) if len(rates) == len(figures) else None,
    )


def measure(true: Sequence[TrueFace], false: Sequence[FalseFace], images: Sequence[int]) -> GroupMetrics:
    """Return the figures of a group.

    Args:
        true: its annotated faces.
        false: its false positives.
        images: indices of the scenes on which false positives were counted; empty where they cannot be told.
    """
    score = count(true, len(images) or len({face.scene for face in true}), len(false))
    return GroupMetrics(
        score,
        {label: class_figures(score, label) for label in label_order(score.faces) if score.faces[label]},
        rate(per_image(false, images)) if images else None,
        _mean_correct(true, score, LABELS[:2]),
        _mean_correct(true, score, label_order(score.faces)),
    )


def class_figures(score: SceneScore, label: str) -> ClassFigures:
    """Return the shares of one true label with their intervals."""
    faces, found, right = (counts.get(label, 0) for counts in (score.faces, score.found, score.right))
    return ClassFigures(share(found, faces), share(right, found), share(right, faces))


def per_image(faces: Sequence[TrueFace] | Sequence[FalseFace], images: Sequence[int]) -> Floats:
    """Return how many of the faces lie on each of the images, float64 (images,)."""
    counts = Counter(face.scene for face in faces)
    return np.asarray([counts[i] for i in images], np.float64)


def _mean_correct(true: Sequence[TrueFace], score: SceneScore, labels: Sequence[str]) -> Estimate:
    present = [label for label in labels if score.faces.get(label)]
    if not present:
        return Estimate(0.0, 0.0, 1.0, 0)
    of_label = [[face for face in true if face.label == label] for label in present]
    right = [[face for face in faces if face.found and face.found.label == face.label] for faces in of_label]
    images = sorted({face.scene for faces in of_label for face in faces})
    shares = [share(score.right.get(label, 0), score.faces[label]) for label in present]
    if len(images) == 1 or any(s.value in (0, 1) for s in shares):
        # Resampling sees no spread in shares of none or all, although there is doubt.
        return _combined(shares, len(images))
    return bootstrap(np.stack([per_image(faces, images) for faces in of_label + right], axis=1), _mean_share)


def _combined(shares: Sequence[Estimate], images: int) -> Estimate:
    """Return the mean of independent figures with the interval that theirs make up (Zou and Donner 2008)."""
    n = len(shares)
    value = sum(s.value for s in shares) / n
    down, up = (
        math.hypot(*(ends)) / n for ends in ([s.value - s.low for s in shares], [s.high - s.value for s in shares])
    )
    return Estimate(value, value - down, value + up, images)


def _mean_share(sums: Floats) -> Floats:
    """Return the mean of part / whole over pairs of columns, the wholes first; classes that were not drawn left out."""
    whole, part = np.split(sums, 2, axis=1)
    drawn = whole > 0
    shares = np.divide(part, whole, out=np.zeros_like(part), where=drawn)
    classes = drawn.sum(1)
    return np.divide(shares.sum(1), classes, out=np.full(len(sums), np.nan), where=classes > 0)


def of_all(outcome: Outcome) -> GroupMetrics:
    """Return the figures of all faces."""
    return measure(outcome.true, outcome.false, _images(outcome, lambda scene: True))


def by_set(outcome: Outcome) -> dict[str, GroupMetrics]:
    """Return the figures of each data set that has a name."""
    return {name: _of_set(outcome, name) for name in sorted({scene.set for scene in outcome.scenes} - {""})}


def _of_set(outcome: Outcome, name: str) -> GroupMetrics:
    true = [face for face in outcome.true if face.set == name]
    false = [face for face in outcome.false if face.set == name]
    return measure(true, false, _images(outcome, lambda scene: scene.set == name))


def by_size(outcome: Outcome) -> dict[str, GroupMetrics]:
    """Return the figures of each range of sizes in which there are faces; a false positive's size is its own."""
    images = _images(outcome, lambda scene: True)
    groups: dict[str, GroupMetrics] = {}
    for low, high in SIZES_PX:
        true = [face for face in outcome.true if low <= face.side_px < high]
        false = [face for face in outcome.false if low <= face.side_px < high]
        if true:
            groups[f"{low}+ px" if (low, high) == SIZES_PX[-1] else f"{low}-{high} px"] = measure(true, false, images)
    return groups


def by_slice(outcome: Outcome) -> dict[str, GroupMetrics]:
    """Return the figures of each slice; false positives are counted on the scenes that belong to it as a whole."""
    names = {name for face in outcome.true for name in face.slices}
    names.update(name for scene in outcome.scenes for name in scene.slices)
    return {name: _of_slice(outcome, name) for name in sorted(names)}


def _of_slice(outcome: Outcome, name: str) -> GroupMetrics:
    true = [face for face in outcome.true if name in face.slices]
    false = [face for face in outcome.false if name in face.slices]
    return measure(true, false, _images(outcome, lambda scene: name in scene.slices))


def _images(outcome: Outcome, belongs: Callable[[Scene], bool]) -> list[int]:
    return [i for i, scene in enumerate(outcome.scenes) if outcome.counts_false_positives and belongs(scene)]

"""Two models on the same data and the same machine: what the new one gains in speed and loses in accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.classifier import OnnxClassifier
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.files.images import read_image
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.results import BGRBatch, Detections, Face, FrameResult
from maskinfer.training.data.scenes import Scene
from maskinfer.training.evaluation.intervals import Estimate, bootstrap, share
from maskinfer.training.evaluation.matching import judge

WARM_UP_RUNS = 3
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Speed:
    """Times of two models, run in turn.

    Attributes:
        what: one unit of the time, ``face`` or ``frame``.
        batch: units a run.
        old_ms, new_ms: median time of a unit, in milliseconds.
        speedup: median of old / new over pairs of runs, with its 95 % interval (bootstrap).
    """

    what: str
    batch: int
    old_ms: float
    new_ms: float
    speedup: Estimate


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often two models are right on the same faces.

    Attributes:
        what: ``accuracy`` of the labels, or ``recall`` of the faces.
        old, new: the shares, with Wilson's intervals.
        drop: old - new, with its 95 % interval (images resampled); negative when the new one is better.
        agreement: share of the faces on which both say the same.
        old_false, new_false: false positives an image; None for classifiers.
    """

    what: str
    old: Estimate
    new: Estimate
    drop: Estimate
    agreement: float
    old_false: float | None = None
    new_false: float | None = None


def compare_speed(
    old: Callable[[], object], new: Callable[[], object], what: str, batch: int, *, seconds: float
) -> Speed:
    """Run two models in turn, A B A B, for so many seconds."""
    pairs = times_in_turn([old, new], seconds=seconds) * 1e3 / batch
    ratios = pairs[:, 0] / pairs[:, 1]
    draws = np.random.default_rng(0).choice(ratios, (_RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(draws, 1), [2.5, 97.5])
    medians = np.median(pairs, 0)
    speedup = Estimate(float(np.median(ratios)), float(low), float(high), len(ratios))
    return Speed(what, batch, float(medians[0]), float(medians[1]), speedup)


def times_in_turn(runs: Sequence[Callable[[], object]], *, seconds: float) -> NDArray[np.float64]:
    """Run each in turn for so many seconds, warm; return their times in seconds, (rounds, runs)."""
    for _ in range(WARM_UP_RUNS):
        for run in runs:
            run()
    times: list[list[float]] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(times) < WARM_UP_RUNS:
        times.append([_timed(run) for run in runs])
    return np.array(times)


def _timed(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


@dataclass(frozen=True, slots=True)
class LabelledCrops:
    """Faces cut from annotated scenes by a detector's boxes.

    Attributes:
        crops: uint8 (N, height, width, 3), BGR, as the classifier takes them.
        labels: N.
        images: (N,), index of the scene that each is from.
    """

    crops: BGRBatch
    labels: tuple[str, ...]
    images: NDArray[np.int64]


def labelled_crops(engine: Engine, scenes: Sequence[Scene], progress: Progress = SILENT) -> LabelledCrops:
    """Return the annotated faces that the engine's detector finds, cut for its classifier.

    Raises:
        RequestError: it finds none.
    """
    contract = engine.classifier.contract
    crops, labels, images = [], [], []
    for i, scene in enumerate(counted(scenes, len(scenes), progress)):
        image = read_image(scene.path)
        true, _ = judge(i, scene, as_result(engine.detector([image])[0]))
        found = [face for face in true if face.found is not None and face.label in contract.labels]
        boxes = np.array([face.found.xyxy for face in found if face.found], np.float32).reshape(-1, 4)
        crops.append(cut_crops(image, boxes, contract.crop, contract.size_wh))
        labels += [face.label for face in found]
        images += [i] * len(found)
    if not labels:
        raise RequestError("no annotated face was found to measure on: expected scenes with faces of 16 px and more")
    return LabelledCrops(np.concatenate(crops), tuple(labels), np.array(images, np.int64))


def compare_classifiers(old: OnnxClassifier, new: OnnxClassifier, data: LabelledCrops) -> Accuracy:
    """Compare what two classifiers with the same labels and crops say of labelled faces."""
    names = np.array(old.contract.labels)
    said = [names[model(data.crops).argmax(1)] for model in (old, new)]
    right = np.stack([labels == np.array(data.labels) for labels in said])
    return _accuracy("accuracy", right, data.images, float((said[0] == said[1]).mean()))


def compare_detectors(
    old: OnnxDetector, new: OnnxDetector, scenes: Sequence[Scene], progress: Progress = SILENT
) -> Accuracy:
    """Compare which annotated faces two detectors find, each at its own threshold.

    Raises:
        RequestError: no face is annotated.
    """
    found: list[tuple[bool, bool]] = []
    images: list[int] = []
    false = np.zeros(2)
    for i, scene in enumerate(counted(scenes, len(scenes), progress)):
        image = read_image(scene.path)
        judged = [judge(i, scene, as_result(model([image])[0])) for model in (old, new)]
        found += [(a.found is not None, b.found is not None) for a, b in zip(judged[0][0], judged[1][0], strict=True)]
        images += [i] * len(judged[0][0])
        false += [len(wrong) for _, wrong in judged]
    if not found:
        raise RequestError("no face to measure on: expected annotated scenes with faces of 16 px and more")
    hits = np.array(found).T
    result = _accuracy("recall", hits, np.array(images, np.int64), float((hits[0] == hits[1]).mean()))
    return replace(result, old_false=float(false[0] / len(scenes)), new_false=float(false[1] / len(scenes)))


def as_result(found: Detections) -> FrameResult:
    """Return what a detector found as a result without labels."""
    faces = tuple(
        Face((float(x[0]), float(x[1]), float(x[2]), float(x[3])), float(score), None, "", 0.0, {})
        for x, score in zip(found.xyxy, found.scores, strict=True)
    )
    return FrameResult("", 0, 0.0, (0, 0), faces)


def _accuracy(what: str, right: NDArray[np.bool_], images: NDArray[np.int64], agreement: float) -> Accuracy:
    """Return the figures of two models, ``right`` (2, faces)."""
    _, of_image = np.unique(images, return_inverse=True)
    counts = np.zeros((of_image.max() + 1, 3))
    np.add.at(counts, of_image, np.stack([right[0], right[1], np.ones(len(images))], 1))
    drop = bootstrap(counts, lambda sums: (sums[:, 0] - sums[:, 1]) / np.maximum(sums[:, 2], 1))
    old, new = (share(int(row.sum()), right.shape[1]) for row in right)
    return Accuracy(what, old, new, drop, agreement)


def calibration_frames(detector: OnnxDetector, paths: Sequence[Path]) -> list[NDArray[np.uint8]]:
    """Return pictures as a detector's graph takes them, a batch of one each."""
    from maskinfer.engine.faces.letterbox import letterbox_batch, plan_letterbox

    frames = []
    for path in paths:
        image = read_image(path)
        size_wh = (image.shape[1], image.shape[0])
        contract = detector.contract
        plan = plan_letterbox(size_wh, contract.size_wh, divisor=contract.size_divisor, fixed=contract.fixed_size)
        frames.append(letterbox_batch([image], [plan]))
    return frames

"""Evaluation of detector and classifier together, on annotated scenes or on pictures of single faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from maskinfer.engine.contract import Contract
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError, SourceNotFoundError
from maskinfer.engine.faces.detector import OnnxDetector
from maskinfer.engine.faces.protocols import PictureDetector
from maskinfer.engine.files.images import read_image
from maskinfer.engine.files.jsonl import open_jsonl
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import AnyPicture, Picture
from maskinfer.engine.results import LABELS, BGRFrame, Detections, FrameResult
from maskinfer.training.data.crops import holds_scenes, read_crops
from maskinfer.training.data.main_face import find_main_face
from maskinfer.training.data.scenes import Scene, read_scenes
from maskinfer.training.evaluation.box_fit import fit_box_factor, scale_detections, scale_result
from maskinfer.training.evaluation.confidence import MAX_ERROR, Confidence, measure_confidence
from maskinfer.training.evaluation.detector import (
    CURVE_THRESHOLD,
    DetectorCurve,
    DetectorFigures,
    measure_detector,
    trace_curve,
)
from maskinfer.training.evaluation.matching import TrueFace, judge, judge_crop
from maskinfer.training.evaluation.metrics import (
    GroupMetrics,
    Outcome,
    OverSets,
    by_set,
    by_size,
    by_slice,
    of_all,
    over_sets,
)
from maskinfer.training.evaluation.slices import light_slices, with_slices

OnResult = Callable[[FrameResult], None]
DataKind = Literal["scenes", "crops"]
Memory = dict[tuple[Path, float], Detections]
"""What one detector found, by picture and threshold."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What was evaluated, and how.

    Attributes:
        data: file or folder, as given.
        kind: scenes with every face annotated, or crops, pictures of one face each.
        detector, classifier: names and versions by their contracts.
        labels: the classifier's.
        det_threshold: least score of a face; None for a detector that has none.
        uncertain_below: least probability of a label; 0 for none.
        iou: least overlap of a detection with the face it finds.
        min_side_px: smaller faces are left out.
        fit_boxes: the boxes of each data set were scaled by one factor, see ``box_fit``.
        others: labels that faces may have besides.
    """

    data: Path
    kind: DataKind
    detector: str
    classifier: str
    labels: tuple[str, ...]
    det_threshold: float | None
    uncertain_below: float
    iou: float
    min_side_px: float
    fit_boxes: bool
    others: tuple[str, ...] = ()

    @property
    def known(self) -> set[str]:
        """Labels of faces that count."""
        return {*LABELS, *self.labels, *self.others}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of an evaluation, and what they come from.

    Attributes:
        setup: what was evaluated.
        outcome: every face.
        box_factors: by which the boxes of each data set were scaled before they were matched; empty if they were not.
        over_sets: the mean over the data sets and the worst of them; None where there are fewer than two.
        all: figures of all faces, whatever their set.
        sets, sizes, slices: figures of parts, by name; slices as annotated, and those of ``slices``.
        detector: of finding faces.
        confidence: of the probabilities; None when no face was found.
    """

    setup: Setup
    outcome: Outcome
    box_factors: Mapping[str, float]
    over_sets: OverSets | None
    all: GroupMetrics
    sets: Mapping[str, GroupMetrics]
    sizes: Mapping[str, GroupMetrics]
    slices: Mapping[str, GroupMetrics]
    detector: DetectorFigures
    confidence: Confidence | None


def evaluate(
    engine: Engine,
    data: Path,
    *,
    iou: float = 0.4,
    min_side_px: float = 16,
    fit_boxes: bool = True,
    max_error: float = MAX_ERROR,
    jsonl: str | None = None,
    named: Path | None = None,
    memory: Memory | None = None,
    labels: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Evaluation:
    """Run the engine over annotated data and measure what it finds and says.

    Args:
        engine: the detector and the classifier to evaluate.
        data: a scenes file or a folder with ``scenes.jsonl``; or pictures of one face each: a crops file, a folder
            with ``crops.jsonl``, or a folder of pictures for each label. A folder with both lists means the scenes.
        iou: least overlap of a detection with the face it finds.
        min_side_px: faces whose shorter side is under this are left out.
        fit_boxes: scale the predicted boxes of each data set by the one factor with which most of its faces are found,
            since annotators draw boxes by different habits; off, boxes are matched as they are.
        max_error: greatest share of wrong labels for which a threshold is sought, between 0 and 1.
        jsonl: file for the predictions, or ``-``.
        named: what to call the data; as they are given by default.
        memory: what this very detector found before, so that it looks once for several classifiers; filled and read.
        labels: that faces may have besides: those of the models that this one is compared with.
        progress: told how many pictures there are and have been looked at.

    Faces with a label that is none of ``results.LABELS``, of the classifier's or of ``labels`` are left out.

    Raises:
        SourceNotFoundError, SourceError: the annotations or a picture cannot be read.
        RequestError: ``max_error`` is not between 0 and 1.
        OutputError: the predictions cannot be written.
    """
    if not 0 < max_error < 1:
        raise RequestError(f"max_error is {max_error}, expected a number between 0 and 1")
    setup = replace(_describe(engine, data, iou, min_side_px, fit_boxes), data=named or data, others=tuple(labels))
    scenes = (
        read_scenes(data)
        if setup.kind == "scenes"
        else [scene for scene in read_crops(data, tuple(setup.known)) if scene.labels[0] in setup.known]
    )
    if not scenes:
        raise SourceNotFoundError(f"{data} holds nothing to evaluate: expected annotated scenes or pictures of faces")
    progress.set_total(len(scenes))
    with open_jsonl(jsonl) as write:

        def done(result: FrameResult) -> None:
            write(result)
            progress.advance()

        run = _run_scenes if setup.kind == "scenes" else _run_crops
        outcome, curve, factors = run(engine, scenes, setup, done, {} if memory is None else memory)
    return _measure(setup, outcome, curve, factors, max_error)


def _describe(engine: Engine, data: Path, iou: float, min_side_px: float, fit_boxes: bool) -> Setup:
    classifier = engine.classifier.contract
    detector = engine.detector.contract if isinstance(engine.detector, OnnxDetector) else None
    kind: DataKind = "scenes" if holds_scenes(data) else "crops"
    return Setup(
        data,
        kind,
        _name(detector) if detector else type(engine.detector).__name__,
        _name(classifier),
        classifier.labels,
        engine.face_check.threshold if engine.face_check else detector.det_threshold if detector else None,
        classifier.uncertain_below,
        iou,
        min_side_px,
        fit_boxes and kind == "scenes",
    )


def _name(contract: Contract) -> str:
    return f"{contract.name} (version {contract.version})"


def _measure(
    setup: Setup, outcome: Outcome, curve: DetectorCurve | None, factors: Mapping[str, float], max_error: float
) -> Evaluation:
    sets = by_set(outcome)
    return Evaluation(
        setup,
        outcome,
        factors,
        over_sets(sets),
        of_all(outcome),
        sets,
        by_size(outcome),
        by_slice(outcome),
        measure_detector(outcome, curve),
        measure_confidence(outcome.true, setup.labels, max_error),
    )


def _run_scenes(
    engine: Engine, scenes: Sequence[Scene], setup: Setup, done: OnResult, memory: Memory
) -> tuple[Outcome, DetectorCurve | None, dict[str, float]]:
    low, results, light = [], [], []
    for scene, image, found, result in _results(engine, scenes, memory):
        light.append(light_slices(image, scene.xyxy))
        low.append(found)
        results.append(result)
        done(result)
    factors = _fit_boxes(scenes, results, setup)
    by_scene = [factors.get(scene.set, 1.0) for scene in scenes]
    judged = []
    for i, (scene, result, factor, measured) in enumerate(zip(scenes, results, by_scene, light, strict=True)):
        own = tuple((*a, *b) for a, b in zip(scene.face_slices or ((),) * len(measured), measured, strict=True))
        fitted = scale_result(result, factor)
        judged.append(judge(i, replace(scene, face_slices=own), fitted, iou=setup.iou, min_side_px=setup.min_side_px))
    true = tuple(with_slices(face) for faces, _ in judged for face in faces if face.label in setup.known)
    false = tuple(face for _, faces in judged for face in faces)
    curve = None
    if setup.det_threshold is not None:
        fitted_low = [scale_detections(found, factor) for found, factor in zip(low, by_scene, strict=True)]
        curve = trace_curve(scenes, fitted_low, iou=setup.iou, min_side_px=setup.min_side_px)
    return Outcome(tuple(scenes), true, false, counts_false_positives=True), curve, factors


def _fit_boxes(scenes: Sequence[Scene], results: Sequence[FrameResult], setup: Setup) -> dict[str, float]:
    if not setup.fit_boxes:
        return {}
    factors = {}
    for name in sorted({scene.set for scene in scenes}):
        ids = [i for i, scene in enumerate(scenes) if scene.set == name]
        own, predicted = [scenes[i] for i in ids], [results[i] for i in ids]
        factors[name] = fit_box_factor(own, predicted, iou=setup.iou, min_side_px=setup.min_side_px)
    return factors


def _results(
    engine: Engine, scenes: Sequence[Scene], memory: Memory
) -> Iterator[tuple[Scene, BGRFrame, Detections, FrameResult]]:
    """Detect once at a low threshold, then go on with what is over the engine's own, as the engine would."""
    threshold, detector = 0.0, engine.detector
    if isinstance(detector, OnnxDetector):
        threshold = detector.contract.det_threshold
        low = min(threshold, CURVE_THRESHOLD)
        detector = replace(detector, contract=replace(detector.contract, det_threshold=low))
    for scene in scenes:
        image = read_image(scene.path)
        found = _remembered(memory, detector, scene.path, lambda picture: detector([picture])[0], image)
        yield scene, image, found, _label(engine, scene, image, _at_least(found, threshold))


def _remembered(
    memory: Memory, detector: PictureDetector, path: Path, look: Callable[[BGRFrame], Detections], image: BGRFrame
) -> Detections:
    key = (path, detector.contract.det_threshold if isinstance(detector, OnnxDetector) else 0.0)
    if key not in memory:
        memory[key] = look(image)
    return memory[key]


def _at_least(found: Detections, threshold: float) -> Detections:
    """Return what a run at the threshold gives: a worse box never suppresses a better one."""
    kept = found.scores >= threshold
    points = None if found.landmarks is None else found.landmarks[kept]
    return Detections(found.xyxy[kept], found.scores[kept], points)


def _run_crops(
    engine: Engine, scenes: Sequence[Scene], setup: Setup, done: OnResult, memory: Memory
) -> tuple[Outcome, None, dict[str, float]]:
    detector = engine.detector
    true: list[TrueFace] = []
    for i, scene in enumerate(scenes):
        image = read_image(scene.path)
        found = _remembered(memory, detector, scene.path, lambda picture: find_main_face(detector, picture), image)
        result = _label(engine, scene, image, found)
        for face in judge_crop(i, scene, result, setup.min_side_px):
            (measured,) = light_slices(image, np.asarray([face.xyxy], np.float32))
            true.append(with_slices(face, measured))
        done(result)
    return Outcome(tuple(scenes), tuple(true), (), counts_false_positives=False), None, {}


@dataclass(frozen=True, slots=True)
class _Known:
    """Stands for a detector whose work is done."""

    found: Detections

    def __call__(self, frames: Sequence[AnyPicture]) -> list[Detections]:
        return [self.found for _ in frames]


def _label(engine: Engine, scene: Scene, image: BGRFrame, found: Detections) -> FrameResult:
    frame = Frame(str(scene.path), 0, 0.0, Picture(image))
    return replace(engine, detector=_Known(found)).infer([frame])[0]

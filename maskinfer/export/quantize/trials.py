"""What a quantisation of a classifier and of a detector is measured by: the same questions, other data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.faces.detector import OnnxDetector, load_detector
from maskinfer.engine.flow.progress import Progress
from maskinfer.export.quantize.int8 import Inputs
from maskinfer.export.quantize.side_by_side import (
    Accuracy,
    LabelledCrops,
    calibration_frames,
    compare_classifiers,
    compare_detectors,
    labelled_crops,
)
from maskinfer.training.data.scenes import Scene

CALIBRATION_FACES = 256
CALIBRATION_BATCH = 16
CALIBRATION_FRAMES = 48


@dataclass(frozen=True, slots=True)
class Machine:
    """What both models run on: a provider, and CPU threads or None for all."""

    provider: str
    threads: int | None


class ClassifierJob:
    """Faces cut from annotated scenes: some to calibrate on, the others to measure on."""

    unit = "face"

    def __init__(
        self,
        model: str,
        machine: Machine,
        measured: list[Scene],
        calibrated: list[Scene],
        seed: int,
        progress: Progress,
    ) -> None:
        self.old: OnnxClassifier = load_classifier(model, provider=machine.provider, threads=machine.threads)
        self.machine = machine
        engine = Engine(load_detector(), self.old)
        self.data: LabelledCrops = labelled_crops(engine, measured, progress)
        crops = labelled_crops(engine, _some(calibrated, CALIBRATION_FACES, seed), progress).crops
        crops = crops[np.random.default_rng(seed).permutation(len(crops))[:CALIBRATION_FACES]]
        self.calibration: Inputs = [crops[i : i + CALIBRATION_BATCH] for i in range(0, len(crops), CALIBRATION_BATCH)]

    def compare(self, candidate: Path) -> Accuracy:
        """Return how often the old model and the candidate are right."""
        return compare_classifiers(self.old, self.load(candidate), self.data)

    def run(self, candidate: Path | None, batch: int) -> Callable[[], object]:
        """Return one run of the candidate, or of the old model, on a batch."""
        model = self.old if candidate is None else self.load(candidate)
        crops = np.resize(self.data.crops, (batch, *self.data.crops.shape[1:]))
        return lambda: model(crops)

    def load(self, file: Path) -> OnnxClassifier:
        """Open a candidate."""
        return load_classifier(str(file), provider=self.machine.provider, threads=self.machine.threads)


class DetectorJob:
    """Annotated scenes: some to calibrate on, the others to measure on."""

    unit = "frame"

    def __init__(
        self,
        model: str,
        machine: Machine,
        measured: list[Scene],
        calibrated: list[Scene],
        seed: int,
        progress: Progress,
    ) -> None:
        self.old: OnnxDetector = load_detector(model, provider=machine.provider, threads=machine.threads)
        self.machine = machine
        self.measured, self.progress = measured, progress
        paths = [scene.path for scene in _some(calibrated, CALIBRATION_FRAMES, seed)]
        self.calibration: Inputs = calibration_frames(self.old, paths)

    def compare(self, candidate: Path) -> Accuracy:
        """Return which faces the old model and the candidate find."""
        return compare_detectors(self.old, self.load(candidate), self.measured, self.progress)

    def run(self, candidate: Path | None, batch: int) -> Callable[[], object]:
        """Return one run of the candidate, or of the old model, on a batch."""
        session = (self.old if candidate is None else self.load(candidate)).session
        feed = {session.get_inputs()[0].name: np.repeat(self.calibration[0], batch, 0)}
        return lambda: session.run(None, feed)

    def load(self, file: Path) -> OnnxDetector:
        """Open a candidate."""
        return load_detector(str(file), provider=self.machine.provider, threads=self.machine.threads)


Job = ClassifierJob | DetectorJob


def difference(job: Job, candidate: Path, runs: int) -> float:
    """Return the largest difference of any output on so many inputs, over the larger of 1 and the old value."""
    sessions = [job.old.session, job.load(candidate).session]
    name = sessions[0].get_inputs()[0].name
    worst = 0.0
    for batch in job.calibration[:runs]:
        old, new = (session.run(None, {name: batch}) for session in sessions)
        worst = max(
            worst, *(float((np.abs(a - b) / np.maximum(np.abs(a), 1)).max()) for a, b in zip(old, new, strict=True))
        )
    return worst


def _some(scenes: Sequence[Scene], count: int, seed: int) -> list[Scene]:
    chosen = np.random.default_rng(seed).permutation(len(scenes))[:count]
    return [scenes[i] for i in sorted(chosen)]

"""Quantisation that pays: the new file is kept only if it is faster by so much and loses no more than so much."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from maskinfer.engine.atomic import whole_file
from maskinfer.engine.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.contract import InputSpec
from maskinfer.engine.detector import OnnxDetector, load_detector
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import RequestError
from maskinfer.engine.models import find_model, task_of
from maskinfer.engine.providers import AUTO
from maskinfer.export.fp16 import to_float16
from maskinfer.export.int8 import Inputs, Prepared, prepare, quantized, rank_nodes
from maskinfer.export.metadata import write_contract
from maskinfer.export.side_by_side import (
    Accuracy,
    LabelledCrops,
    Speed,
    calibration_frames,
    compare_classifiers,
    compare_detectors,
    compare_speed,
    labelled_crops,
)
from maskinfer.training.evaluate_json import check_outputs
from maskinfer.training.scenes import Scene, read_scenes

CALIBRATION_FACES = 256
CALIBRATION_BATCH = 16
CALIBRATION_FRAMES = 48
# Enough for a ranking of nodes, which runs the graph once for each of them.
JUDGED_BATCHES = 4
# How many of the nodes whose rounding costs most are left in float, tried in turn until little enough is lost.
LEFT_IN_FLOAT = (0, 1, 2, 4, 8)
Step = Callable[[int], None]
Precision = Literal["int8", "fp16"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What both models run on: a provider, and CPU threads or None for all."""

    provider: str
    threads: int | None


@dataclass(frozen=True, slots=True)
class QuantizeSummary:
    """What a quantisation gave.

    Attributes:
        out: the new file, if it was kept.
        kept: whether it was.
        bytes: sizes of the old and the new file.
        in_float: names of the nodes left in float, those first whose rounding costs most; none if that is enough.
        speeds: at each batch size; the last one decides.
        accuracy: on the faces or scenes that it was not calibrated on.
        reasons: why it was not kept.
    """

    out: Path
    kept: bool
    bytes: tuple[int, int]
    in_float: tuple[str, ...]
    speeds: tuple[Speed, ...]
    accuracy: Accuracy
    reasons: tuple[str, ...]


def quantize(
    model: str,
    data: Path,
    out: Path,
    *,
    calibration: Path | None = None,
    batches: Sequence[int] = (1, 16),
    precision: Precision = "int8",
    provider: str = AUTO,
    min_speedup: float = 1.2,
    max_drop: float = 0.003,
    seconds: float = 5.0,
    threads: int | None = None,
    seed: int = 0,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_step: Step = lambda total: None,
) -> QuantizeSummary:
    """Write a model in int8 or float16 if that pays on this machine.

    Args:
        model: a shipped model's name or an ONNX file with a contract, whose graph takes uint8 BGR.
        data: annotated scenes, to measure on and, without ``calibration``, to calibrate on: then every other scene
            does one, the rest the other.
        out: the ONNX file; it appears when it is whole, and only if it pays.
        calibration: annotated scenes to calibrate on.
        batches: of faces, or frames, at which the speed is measured; the last one decides.
        precision: ``int8``, or ``fp16`` for providers that run it fast.
        provider: that both run on, see ``providers.resolve_provider``.
        min_speedup: least factor, of the median.
        max_drop: greatest loss of accuracy (classifier) or recall (detector), as a share.
        seconds: to measure each batch size for.
        threads: of the CPU; None for all that this process may use.
        seed: of the choice of what to calibrate on.
        on_stage: called when a stage begins, with a name for it.
        on_step: called after each step of a stage, with how many there are.

    Raises:
        ModelNotFoundError, ModelError, ContractError: the model cannot be used.
        SourceNotFoundError, SourceError: the data cannot be read.
        RequestError: the graph takes no uint8 BGR, ``out`` is the model, or there are no faces to measure on.
        OutputError: the folder of ``out`` is not there.
    """
    task = task_of(model)
    file = find_model(model, task)
    if out.resolve() == file.resolve():
        raise RequestError(f"{out} is the model itself: choose another output")
    check_outputs(out)
    measured, calibrated = _divide(read_scenes(data), calibration)
    on_stage("reading")
    machine = Machine(provider, threads)
    job = (_Classifier if task == "classifier" else _Detector)(model, machine, measured, calibrated, seed, on_step)
    if job.old.contract.input != InputSpec():
        raise RequestError(f"{model} does not take uint8 BGR: give it its preprocessing in the graph first")
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder) / "candidate.onnx"
        if precision == "fp16":
            in_float: tuple[str, ...] = ()
            accuracy = _try(to_float16(onnx.load(str(file))), job, candidate, "fp16", on_stage, on_step)
        else:
            prepared = prepare(file, job.calibration, JUDGED_BATCHES)
            in_float, accuracy = _search(prepared, job, candidate, max_drop, on_stage, on_step)
        on_stage("speed")
        speeds = tuple(job.speed(candidate, batch, seconds) for batch in batches)
        content = candidate.read_bytes()
    reasons = _reasons(speeds[-1], accuracy, min_speedup, max_drop)
    if not reasons:
        with whole_file(out) as partial:
            partial.write_bytes(content)
    sizes = (file.stat().st_size, len(content))
    return QuantizeSummary(out, not reasons, sizes, in_float, speeds, accuracy, reasons)


def _search(
    prepared: Prepared,
    job: _Classifier | _Detector,
    file: Path,
    max_drop: float,
    on_stage: Callable[[str], None],
    on_step: Step,
) -> tuple[tuple[str, ...], Accuracy]:
    """Write the int8 graph that leaves as few nodes in float as it may; return those nodes and its accuracy."""
    ranking: tuple[str, ...] = ()
    for count in LEFT_IN_FLOAT:
        if count and not ranking:
            on_stage("sensitivity")
            ranking = rank_nodes(prepared, on_step)
        accuracy = _try(quantized(prepared, ranking[:count]), job, file, "int8", on_stage, on_step)
        if accuracy.drop.value <= max_drop:
            break
    return ranking[:count], accuracy


def _try(
    graph: onnx.ModelProto,
    job: _Classifier | _Detector,
    file: Path,
    precision: Precision,
    on_stage: Callable[[str], None],
    on_step: Step,
) -> Accuracy:
    """Write a graph with its contract and return its accuracy."""
    write_contract(graph, replace(job.old.contract, name=f"{job.old.contract.name}-{precision}"))
    onnx.checker.check_model(graph)
    file.write_bytes(graph.SerializeToString())
    on_stage("accuracy")
    return job.compare(file, on_step)


def _divide(scenes: list[Scene], calibration: Path | None) -> tuple[list[Scene], list[Scene]]:
    if calibration is not None:
        return scenes, read_scenes(calibration)
    return scenes[1::2], scenes[::2]


def _reasons(speed: Speed, accuracy: Accuracy, min_speedup: float, max_drop: float) -> tuple[str, ...]:
    reasons = []
    if not speed.speedup.value >= min_speedup:
        reasons.append(f"it is {speed.speedup.value:.2f} times as fast, under {min_speedup:g}")
    if not accuracy.drop.value <= max_drop:
        reasons.append(f"its {accuracy.what} is {accuracy.drop.value:.4f} lower, over {max_drop:g}")
    return tuple(reasons)


def _some(scenes: Sequence[Scene], count: int, seed: int) -> list[Scene]:
    chosen = np.random.default_rng(seed).permutation(len(scenes))[:count]
    return [scenes[i] for i in sorted(chosen)]


class _Classifier:
    """What differs between the tasks: what goes in, and what is compared."""

    def __init__(
        self, model: str, machine: Machine, measured: list[Scene], calibrated: list[Scene], seed: int, on_step: Step
    ) -> None:
        self.old: OnnxClassifier = load_classifier(model, provider=machine.provider, threads=machine.threads)
        self.machine = machine
        engine = Engine(load_detector(), self.old)
        self.data: LabelledCrops = labelled_crops(engine, measured, on_step)
        crops = labelled_crops(engine, _some(calibrated, CALIBRATION_FACES, seed), on_step).crops
        crops = crops[np.random.default_rng(seed).permutation(len(crops))[:CALIBRATION_FACES]]
        self.calibration: Inputs = [crops[i : i + CALIBRATION_BATCH] for i in range(0, len(crops), CALIBRATION_BATCH)]

    def compare(self, candidate: Path, on_step: Step) -> Accuracy:
        return compare_classifiers(self.old, self._new(candidate), self.data)

    def speed(self, candidate: Path, batch: int, seconds: float) -> Speed:
        new = self._new(candidate)
        crops = np.resize(self.data.crops, (batch, *self.data.crops.shape[1:]))
        return compare_speed(lambda: self.old(crops), lambda: new(crops), "face", batch, seconds=seconds)

    def _new(self, candidate: Path) -> OnnxClassifier:
        return load_classifier(str(candidate), provider=self.machine.provider, threads=self.machine.threads)


class _Detector:
    def __init__(
        self, model: str, machine: Machine, measured: list[Scene], calibrated: list[Scene], seed: int, on_step: Step
    ) -> None:
        self.old: OnnxDetector = load_detector(model, provider=machine.provider, threads=machine.threads)
        self.machine = machine
        self.measured = measured
        paths = [scene.path for scene in _some(calibrated, CALIBRATION_FRAMES, seed)]
        self.calibration: Inputs = calibration_frames(self.old, paths)

    def compare(self, candidate: Path, on_step: Step) -> Accuracy:
        return compare_detectors(self.old, self._new(candidate), self.measured, on_step)

    def speed(self, candidate: Path, batch: int, seconds: float) -> Speed:
        sessions = [model.session for model in (self.old, self._new(candidate))]
        name = sessions[0].get_inputs()[0].name
        frames = np.repeat(self.calibration[0], batch, 0)
        old_run, new_run = (lambda session=session: session.run(None, {name: frames}) for session in sessions)
        return compare_speed(old_run, new_run, "frame", batch, seconds=seconds)

    def _new(self, candidate: Path) -> OnnxDetector:
        return load_detector(str(candidate), provider=self.machine.provider, threads=self.machine.threads)

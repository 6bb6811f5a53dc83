"""Quantisation that pays: the new file is kept only if it is faster by so much and loses no more than so much."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx

from maskinfer.engine.catalog.find import find_model, task_of
from maskinfer.engine.contract import ClassifierContract, Contract, InputSpec
from maskinfer.engine.errors import RequestError
from maskinfer.engine.files.atomic import atomic_write, check_writable
from maskinfer.engine.files.places import refuse_overwriting
from maskinfer.engine.flow.progress import SILENT, Progress
from maskinfer.engine.runtime.providers import AUTO
from maskinfer.export.metadata import write_contract
from maskinfer.export.quantize.fp16 import to_float16
from maskinfer.export.quantize.int8 import (
    Prepared,
    fastest_start,
    narrowed,
    output_nodes,
    prepare,
    quantized,
    rank_nodes,
    weighted_nodes,
)
from maskinfer.export.quantize.side_by_side import Accuracy, Speed, compare_speed
from maskinfer.export.quantize.trials import ClassifierJob, DetectorJob, Job, Machine, difference
from maskinfer.training.data.scenes import Scene, read_scenes

# Enough for a ranking of nodes, which runs the graph once for each of them.
JUDGED_BATCHES = 4
# How many of the nodes whose rounding costs most are left in float, tried in turn until little enough is lost.
LEFT_IN_FLOAT = (0, 1, 2, 4, 8)
Precision = Literal["int8", "fp16"]


@dataclass(frozen=True, slots=True)
class QuantizeSummary:
    """What a quantisation gave.

    Attributes:
        out: the new file, if it was kept.
        kept: whether it was.
        bytes: sizes of the old and the new file.
        in_float: names of the nodes with weights that are left in float: the first ones of the graph, if int8 makes
            them slower, of a detector the last ones, then those whose rounding costs most.
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
    ranges: float = 1.0,
    seconds: float = 5.0,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
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
        ranges: share of the ranges of the activations that int8 covers, over 0 to 1. Less has finer steps and cuts off
            the largest values; measure which is best, as the share that rounds least need not be right most often.
        seconds: to measure each batch size for.
        threads: of the CPU; None for all that this process may use.
        seed: of the choice of what to calibrate on.
        progress: told of each stage and how far it is.

    Raises:
        ModelNotFoundError, ModelError, ContractError: the model cannot be used.
        SourceNotFoundError, SourceError: the data cannot be read.
        RequestError: the graph takes no uint8 BGR, ``out`` is the model, or there are no faces to measure on.
        OutputError: the folder of ``out`` is not there.
    """
    task = task_of(model)
    file = find_model(model, task)
    refuse_overwriting([out], [file, data, *([] if calibration is None else [calibration])])
    check_writable(out)
    measured, calibrated = _divide(read_scenes(data), calibration)
    progress.describe("reading")
    machine = Machine(provider, threads)
    job = (ClassifierJob if task == "classifier" else DetectorJob)(model, machine, measured, calibrated, seed, progress)
    if job.old.contract.input != InputSpec():
        raise RequestError(f"{model} does not take uint8 BGR: give it its preprocessing in the graph first")
    with tempfile.TemporaryDirectory() as folder:
        trial = _Trial(job, Path(folder) / "candidate.onnx", precision, batches[-1], seconds, progress)
        if precision == "fp16":
            in_float: tuple[str, ...] = ()
            accuracy = trial.accuracy(to_float16(onnx.load(str(file))))
        else:
            in_float, accuracy = _search(prepare(file, job.calibration, JUDGED_BATCHES), trial, max_drop, ranges)
        progress.describe("speed")
        speeds = tuple(trial.speed(batch) for batch in batches)
        trial.note(accuracy)
        content = trial.file.read_bytes()
    reasons = _reasons(speeds[-1], accuracy, min_speedup, max_drop)
    if not reasons:
        with atomic_write(out) as partial:
            partial.write_bytes(content)
    sizes = (file.stat().st_size, len(content))
    return QuantizeSummary(out, not reasons, sizes, in_float, speeds, accuracy, reasons)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Writes candidates to a file and measures them."""

    job: Job
    file: Path
    precision: Precision
    batch: int
    seconds: float
    progress: Progress

    @property
    def contract(self) -> Contract:
        old = self.job.old.contract
        named = replace(old, name=f"{old.name}-{self.precision}")
        # They were measured on other probabilities than those of the new file.
        return replace(named, error_thresholds=()) if isinstance(named, ClassifierContract) else named

    def write(self, graph: onnx.ModelProto) -> None:
        write_contract(graph, self.contract)
        onnx.checker.check_model(graph)
        self.file.write_bytes(graph.SerializeToString())

    def accuracy(self, graph: onnx.ModelProto) -> Accuracy:
        self.write(graph)
        self.progress.describe("accuracy")
        return self.job.compare(self.file)

    def note(self, accuracy: Accuracy) -> None:
        """Put what was measured into the file's contract."""
        graph = onnx.load(str(self.file))
        metrics = {accuracy.what: round(accuracy.new.value, 4)}
        if accuracy.new_false is not None:
            metrics["false_positives_per_image"] = round(accuracy.new_false, 4)
        parity = difference(self.job, self.file, JUDGED_BATCHES)
        write_contract(graph, replace(self.contract, parity=parity, metrics=metrics))
        self.file.write_bytes(graph.SerializeToString())

    def run(self, graph: onnx.ModelProto) -> Callable[[], object]:
        self.write(graph)
        return self.job.run(self.file, self.batch)

    def speed(self, batch: int) -> Speed:
        runs = (self.job.run(None, batch), self.job.run(self.file, batch))
        return compare_speed(*runs, self.job.unit, batch, seconds=self.seconds)


def _search(prepared: Prepared, trial: _Trial, max_drop: float, ranges: float) -> tuple[tuple[str, ...], Accuracy]:
    """Write the int8 graph that is fastest and leaves as few more nodes in float as it may for its accuracy.

    Return the nodes in float and the accuracy.
    """
    trial.progress.describe("layers")
    start = fastest_start(prepared, trial.run, seconds=trial.seconds, progress=trial.progress)
    # What would be cut off of a detector's outputs are the boxes of large faces.
    kept = (*start, *(output_nodes(prepared) if isinstance(trial.job, DetectorJob) else ()))
    prepared = narrowed(prepared, ranges)
    ranking: tuple[str, ...] = ()
    for count in LEFT_IN_FLOAT:
        if count and not ranking:
            trial.progress.describe("sensitivity")
            ranking = rank_nodes(prepared, kept, trial.progress)
        in_float = (*kept, *ranking[:count])
        accuracy = trial.accuracy(quantized(prepared, in_float))
        if accuracy.drop.value <= max_drop:
            break
    weighted = set(weighted_nodes(prepared))
    return tuple(name for name in in_float if name in weighted), accuracy


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

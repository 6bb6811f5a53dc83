"""Every model on every provider of this machine, in batches of several sizes, with one thread and with all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maskinfer.benchmark.predictions import (
    Model,
    Predict,
    Predictions,
    agreement,
    float_file,
    precision_of,
    predict_samples,
    sample_crops,
    sample_frames,
)
from maskinfer.benchmark.probe import Probe, Shape, probe
from maskinfer.benchmark.providers import active_providers
from maskinfer.benchmark.report import Report, Row, this_machine
from maskinfer.benchmark.timing import Run, Timing, time_in_turn, yardstick
from maskinfer.engine.catalog.find import ANY_TASK, find_model, task_of
from maskinfer.engine.errors import ProviderError, RequestError
from maskinfer.engine.faces.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.faces.detector import OnnxDetector, load_detector
from maskinfer.engine.faces.letterbox import letterbox_batch, plan_letterbox
from maskinfer.engine.flow.progress import SILENT, Progress, counted
from maskinfer.engine.runtime.cpu import available_threads
from maskinfer.engine.runtime.preprocess import to_input
from maskinfer.engine.runtime.providers import BF16

DEFAULT_MODELS = ("retinaface-mask", "retinaface-mask-int8", "mobilenetv2-128", "mobilenetv2-128-int8")
DEFAULT_BATCHES = (1, 4, 16)
PRECISIONS = ("float", "fp16", "int8")
_ON_CPU = ("cpu", "openvino", BF16)
_YARDSTICK = -1


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    Attributes:
        models: names or files, of detectors and classifiers.
        providers: by their short names; empty for all that are active here.
        precisions: ``float``, ``fp16`` and ``int8``; others are left out.
        batches: faces or frames a run.
        threads: of the CPU for each model; empty for one and all.
        seconds: for each row, in the mean.

    Raises:
        RequestError: a batch or a number of threads is under 1, or there is no time.
    """

    models: tuple[str, ...] = DEFAULT_MODELS
    providers: tuple[str, ...] = ()
    precisions: tuple[str, ...] = PRECISIONS
    batches: tuple[int, ...] = DEFAULT_BATCHES
    threads: tuple[int, ...] = ()
    seconds: float = 1.5

    def __post_init__(self) -> None:
        """Check the numbers."""
        for what, values in (("batch", self.batches), ("threads", self.threads)):
            if any(value < 1 for value in values):
                raise RequestError(f"{what} is {min(values)}, expected at least 1")
        if not self.seconds > 0:
            raise RequestError(f"seconds is {self.seconds}, expected more than 0")
        if unknown := set(self.precisions) - set(PRECISIONS):
            raise RequestError(f"unknown precision {unknown.pop()!r}: choose {', '.join(PRECISIONS)}")


@dataclass(frozen=True, slots=True)
class _Opened:
    """A model on a provider with so many threads."""

    name: str
    file: Path
    task: str
    precision: str
    provider: str
    threads: int
    model: Model


def run_sweep(
    plan: Plan,
    *,
    ask: Predict = predict_samples,
    progress: Progress = SILENT,
) -> Report:
    """Time every model on every provider.

    Timed is a run of the session on a prepared batch, and nothing else: no cutting, no decoding of boxes. Before, each
    model has told in a process of its own what it takes to load, and has been compared with the float model on the CPU.

    Args:
        plan: what to run.
        ask: gives what a model says of the pictures on which models are compared, and its accuracy if that is known.
        progress: told of the stages comparing and timing, and how far each is.

    Raises:
        RequestError, ModelError: a model or a number cannot be used.
        ProviderError: a provider that was asked for is not active here.
    """
    active, inactive = active_providers(plan.providers)
    opened, failed = _open_all(plan, active)
    if not opened:
        raise RequestError(f"none of the models has precision {' or '.join(plan.precisions)}: ask for others")
    compare = _comparer(ask, tuple(one.file for one in opened if one.precision == "float"))
    rows: list[tuple[Row, Run]] = []
    progress.describe("comparing")
    for one in counted(opened, len(opened), progress):
        rows += [(row, runner(one.model, row.batch)) for row in _facts(one, plan.batches, compare)]
        if not all(_takes(one, size) for size in plan.batches):
            failed[f"batches with {one.name}"] = "its graph takes one frame a run"
    if not rows:
        raise RequestError(f"none of the models takes batches of {min(plan.batches)}: ask for batches of 1")
    cases = {i: run for i, (_, run) in enumerate(rows)}
    progress.describe("timing")
    times = time_in_turn({**cases, _YARDSTICK: yardstick}, plan.seconds, progress)
    timed = tuple(_timed(row, times[i]) for i, (row, _) in enumerate(rows))
    return Report(this_machine(), times[_YARDSTICK], timed, inactive | failed)


def _open_all(plan: Plan, providers: Sequence[str]) -> tuple[list[_Opened], dict[str, str]]:
    """Return the models that are open, and why others do not run on a provider that nobody asked for by name."""
    threads = tuple(dict.fromkeys(plan.threads)) or tuple(sorted({1, available_threads()}))
    opened: list[_Opened] = []
    failed: dict[str, str] = {}
    for name in dict.fromkeys(plan.models):
        file, task = find_model(name, ANY_TASK), task_of(name)
        precision = precision_of(file)
        if precision not in plan.precisions:
            continue
        load: Callable[..., Any] = load_detector if task == "detector" else load_classifier
        for provider in providers:
            counts = threads if provider in _ON_CPU else threads[-1:]
            try:
                opened += [
                    _Opened(name, file, task, precision, provider, count, load(name, provider=provider, threads=count))
                    for count in counts
                ]
            except ProviderError as error:
                if plan.providers:
                    raise
                failed[f"{provider} with {name}"] = str(error)
    return opened, failed


Compare = Callable[[_Opened], tuple[str, float, float | None]]


def _comparer(ask: Predict, floats: Sequence[Path]) -> Compare:
    """Return what gives a model's reference, its agreement with that, and its accuracy.

    Each is asked once on each provider: the number of threads changes nothing.
    """
    known: dict[tuple[Path, str], Predictions] = {}
    references: dict[Path, Path | None] = {}

    def said(file: Path, provider: str, model: Callable[[], Model]) -> Predictions:
        if (file, provider) not in known:
            known[file, provider] = ask(model())
        return known[file, provider]

    def on_cpu(file: Path, one: _Opened) -> Model:
        load: Callable[..., Model] = load_detector if one.task == "detector" else load_classifier
        return load(one.name if file == one.file else str(file), provider="cpu")

    def compare(one: _Opened) -> tuple[str, float, float | None]:
        if one.file not in references:
            references[one.file] = float_file(one.file, one.model, floats)
        reference = references[one.file]
        answers = said(one.file, one.provider, lambda: one.model)
        truth = said(reference or one.file, "cpu", lambda: on_cpu(reference or one.file, one))
        return reference.name if reference else "", agreement(one.model, answers, truth), answers.accuracy

    return compare


def _facts(one: _Opened, batches: Sequence[int], compare: Compare) -> list[Row]:
    """Return a row for each batch that the graph takes, with all but its times."""
    sizes = [batch for batch in sorted(set(batches)) if _takes(one, batch)]
    if not sizes:
        return []
    shape = model_batch(one.model, 1).shape
    asked = probe(str(one.file), one.provider, one.threads, [(size, *shape[1:]) for size in sizes])
    on_provider = _share_on_provider(one, asked, (sizes[0], *shape[1:]))
    compared = compare(one)
    return [
        Row(
            one.task, one.name, one.precision, one.provider, one.threads, size, Timing(0, 0, 0, 0, 0, 0), 0.0,
            asked.load_ms, memory_mb, on_provider, *compared,
        )
        for size, memory_mb in zip(sizes, asked.memory_mb, strict=True)
    ]  # fmt: skip


def _share_on_provider(one: _Opened, asked: Probe, shape: Shape) -> float:
    if asked.other_kernels == 0:
        return 1.0
    # A provider may join many nodes to one kernel; how many it took is what the CPU is spared.
    alone = probe(str(one.file), "cpu", one.threads, [shape])
    return max(0.0, 1 - asked.other_kernels / alone.provider_kernels)


def _takes(one: _Opened, batch: int) -> bool:
    return batch == 1 or not isinstance(one.model, OnnxDetector) or one.model.contract.batch


def runner(model: Model, size: int) -> Run:
    """Return what runs a model's session once, on so many real pictures."""
    session, batch = model.session, model_batch(model, size)
    feed = {session.get_inputs()[0].name: batch}
    return lambda: session.run(None, feed)


def model_batch(model: Model, size: int) -> Any:
    """Return so many real pictures as the graph takes them."""
    if isinstance(model, OnnxClassifier):
        crops = sample_crops(model.contract)
        return to_input(np.resize(crops, (size, *crops.shape[1:])), model.contract.input)
    frames, contract = sample_frames(), model.contract
    plans = [
        plan_letterbox(
            (frame.shape[1], frame.shape[0]), contract.size_wh, divisor=contract.size_divisor, fixed=contract.fixed_size
        )
        for frame in frames
    ]
    laid = letterbox_batch(frames, plans)
    return to_input(np.resize(laid, (size, *laid.shape[1:])), contract.input)


def _timed(row: Row, timing: Timing) -> Row:
    return replace(row, timing=timing, per_second=row.batch / timing.p50_ms * 1e3)

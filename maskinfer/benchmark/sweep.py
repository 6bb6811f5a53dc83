"""Every model on every provider of this machine, in batches of several sizes, with one thread and with all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maskinfer.benchmark.agreement import Model, precision_of, reference_of, sample_crops, sample_frames
from maskinfer.benchmark.probe import Probe, probe
from maskinfer.benchmark.rows import Report, Row, this_machine
from maskinfer.benchmark.timing import Run, Timing, time_in_turn, yardstick
from maskinfer.engine.classifier import OnnxClassifier, load_classifier
from maskinfer.engine.detector import OnnxDetector, load_detector
from maskinfer.engine.errors import ProviderError, RequestError
from maskinfer.engine.geometry import letterbox_batch, plan_letterbox
from maskinfer.engine.models import ANY_TASK, find_model, task_of
from maskinfer.engine.preprocess import to_input
from maskinfer.engine.providers import (
    BF16,
    available_threads,
    has_bf16,
    import_onnxruntime,
    present_providers,
    resolve_provider,
    short_name,
)

DEFAULT_MODELS = ("retinaface-mask", "mobilenetv2-128", "mobilenetv2-128-int8")
DEFAULT_BATCHES = (1, 4, 16)
PRECISIONS = ("float", "int8")
_REMOTE = "azure"
_ON_CPU = ("cpu", "openvino", BF16)
_YARDSTICK = -1

Judge = Callable[[Model], float]
OnStep = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    Attributes:
        models: names or files, of detectors and classifiers.
        providers: by their short names; empty for all that are active here.
        precisions: ``float`` and ``int8``; others are left out.
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
    accuracy: dict[str, Judge] | None = None,
    on_step: OnStep = lambda what, share: None,
) -> Report:
    """Time every model on every provider.

    Timed is a run of the session on a prepared batch, and nothing else: no cutting, no decoding of boxes. Before, each
    model has told in a process of its own what it takes to load, and has been compared with the float model on the CPU.

    Args:
        plan: what to run.
        accuracy: for each task what gives a model's accuracy on labelled data; None for no accuracy.
        on_step: told what is done, and the share of it that is over.

    Raises:
        RequestError, ModelError: a model or a number cannot be used.
        ProviderError: a provider that was asked for is not active here.
    """
    active, inactive = _providers(plan.providers)
    opened = _open_all(plan, active)
    if not opened:
        raise RequestError(f"none of the models has precision {' or '.join(plan.precisions)}: ask for others")
    rows = [_facts(one, opened, accuracy or {}, on_step) for one in opened]
    cases: dict[tuple[int, int], Run] = {
        (i, batch): _runner(one.model, batch)
        for i, one in enumerate(opened)
        for batch in plan.batches
        if _takes(one, batch)
    }
    cases[_YARDSTICK, 0] = yardstick
    times = time_in_turn(cases, plan.seconds, lambda share: on_step("timing", share))
    yard = times.pop((_YARDSTICK, 0))
    timed = tuple(_timed(rows[i], batch, timing) for (i, batch), timing in times.items())
    return Report(this_machine(), yard, timed, inactive)


def _providers(asked: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the short names of those to use, and why the others cannot be."""
    ort = import_onnxruntime()
    if asked:
        for name in asked:
            resolve_provider(name)
        return [short_name(name) for name in asked], {}
    inactive: dict[str, str] = {}
    for name in ort.get_all_providers():
        try:
            resolve_provider(name)
        except (ProviderError, RequestError) as error:
            if short_name(name) != _REMOTE:
                inactive[short_name(name)] = str(error)
    active = [short_name(name) for name in present_providers()]
    return active + ([BF16] if "openvino" in active and has_bf16() else []), inactive


def _open_all(plan: Plan, providers: Sequence[str]) -> list[_Opened]:
    threads = plan.threads or tuple(sorted({1, available_threads()}))
    opened = []
    for name in dict.fromkeys(plan.models):
        file, task = find_model(name, ANY_TASK), task_of(name)
        precision = precision_of(file)
        if precision not in plan.precisions:
            continue
        load: Callable[..., Any] = load_detector if task == "detector" else load_classifier
        opened += [
            _Opened(name, file, task, precision, provider, count, load(name, provider=provider, threads=count))
            for provider in providers
            for count in (threads if provider in _ON_CPU else threads[-1:])
        ]
    return opened


def _facts(one: _Opened, opened: Sequence[_Opened], accuracy: dict[str, Judge], on_step: OnStep) -> Row:
    """Return all of a row but its times."""
    on_step(f"{one.name} on {one.provider}", opened.index(one) / len(opened))
    asked = probe(str(one.file), one.provider, one.threads, _batch(one.model, 1).shape)
    on_provider = _share_on_provider(one, asked)
    floats = [other.file for other in opened if other.precision == "float"]
    agreement = reference_of(one.file, one.model, floats)(one.model)
    judge = accuracy.get(one.task)
    return Row(
        one.task, one.name, one.precision, one.provider, one.threads, 0, Timing(0, 0, 0, 0, 0, 0), 0.0,
        asked.load_ms, asked.memory_mb, on_provider, agreement,
        None if judge is None else judge(one.model),
    )  # fmt: skip


def _share_on_provider(one: _Opened, asked: Probe) -> float:
    if asked.other_kernels == 0:
        return 1.0
    # A provider may join many nodes to one kernel; how many it took is what the CPU is spared.
    alone = probe(str(one.file), "cpu", one.threads, _batch(one.model, 1).shape)
    return max(0.0, 1 - asked.other_kernels / alone.provider_kernels)


def _takes(one: _Opened, batch: int) -> bool:
    return batch == 1 or not isinstance(one.model, OnnxDetector) or one.model.contract.batch


def _runner(model: Model, size: int) -> Run:
    session, batch = model.session, _batch(model, size)
    feed = {session.get_inputs()[0].name: batch}
    return lambda: session.run(None, feed)


def _batch(model: Model, size: int) -> Any:
    """Return real pictures as the graph takes them."""
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


def _timed(row: Row, batch: int, timing: Timing) -> Row:
    return replace(row, batch=batch, timing=timing, per_second=batch / timing.p50_ms * 1e3)

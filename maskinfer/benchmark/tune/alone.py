"""Which providers run the models here, which answers they give, and how fast the models alone are: who may race."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from maskinfer.benchmark.predictions import agreement, predict_samples
from maskinfer.benchmark.probe import probe
from maskinfer.benchmark.providers import named_or_present
from maskinfer.benchmark.sweep import model_batch, runner
from maskinfer.benchmark.timing import time_in_turn
from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.errors import MaskinferError, RequestError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.runtime.providers import uses_cores
from maskinfer.engine.tuned.way import Asked

TASKS = ("detector", "classifier")
_BATCHES = {"detector": 1, "classifier": 4}
_SECONDS_EACH = 0.15
_PROBE_S = 30.0


@dataclass(frozen=True, slots=True)
class Alone:
    """A model on a provider.

    Attributes:
        task: ``detector`` or ``classifier``.
        name: of the model.
        provider: by its short name.
        ms: of a run on one frame, or on four faces.
        agreement: share of the sample faces that it finds, or labels, as the float model does on the CPU.
    """

    task: str
    name: str
    provider: str
    ms: float
    agreement: float


def time_alone(
    asked: Asked, providers: Sequence[str], threads: int, until_s: float = float("inf")
) -> tuple[list[Alone], dict[str, str]]:
    """Time each model that may be asked for on each provider, and compare it with the float model on the CPU.

    Args:
        asked: the models.
        providers: by their short names; empty for all that are active here.
        threads: of the CPU that a job may use.
        until_s: ``time.monotonic()`` at which no further provider is opened.

    Returns:
        What runs, and why other providers do not.

    Raises:
        RequestError, ProviderError: a provider that was named is not there.
        ModelNotFoundError, ModelError: a model cannot be used.
    """
    active, failed = named_or_present(providers), dict[str, str]()
    opened: dict[tuple[str, str, str], Any] = {}
    for provider in active:
        if opened and time.monotonic() >= until_s:
            failed[provider] = "not tried: the time was up"
            continue
        try:
            if provider != "cpu":
                _probe(asked, provider, threads)
            opened |= {(provider, task, name): _load(task, name, provider, threads)
                       for task in TASKS for name in asked.candidates(task)}  # fmt: skip
        except MaskinferError as error:
            failed[provider] = str(error)
            opened = {key: model for key, model in opened.items() if key[0] != provider}
    if not opened:
        raise RequestError(f"none of the providers runs the models here: {'; '.join(failed.values())}")
    said = {key: predict_samples(model) for key, model in opened.items()}
    truth = {task: predict_samples(_load(task, asked.candidates(task)[0], "cpu", threads)) for task in TASKS}
    times = time_in_turn({key: runner(model, _BATCHES[key[1]]) for key, model in opened.items()}, _SECONDS_EACH)
    rows = [
        Alone(task, name, provider, times[key].p50_ms, agreement(model, said[key], truth[task]))
        for key, model in opened.items()
        for provider, task, name in [key]
    ]
    return rows, failed


def _load(task: str, name: str, provider: str, threads: int) -> Any:
    # In a job each lane has a thread of the CPU; a GPU is fed by all.
    each = 1 if uses_cores(provider) else threads
    load: Callable[..., Any] = load_detector if task == "detector" else load_classifier
    return load(name, provider=provider, threads=each)


def _probe(asked: Asked, provider: str, threads: int) -> None:
    """Open a model on a provider in a process of its own, which may crash or take minutes."""
    name = asked.candidates("classifier")[0]
    shape = model_batch(_load("classifier", name, "cpu", threads), 1).shape
    probe(str(find_model(name, "classifier")), provider, threads, [shape], timeout_s=_PROBE_S)

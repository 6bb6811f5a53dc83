"""Ways of running a job on a machine: the same answers, at other speeds."""

from __future__ import annotations

from dataclasses import dataclass

from maskinfer.engine.catalog.find import best_precision_name
from maskinfer.engine.catalog.shipped import SHIPPED
from maskinfer.engine.presets import BALANCED, PRESETS
from maskinfer.engine.runtime.cpu import available_threads
from maskinfer.engine.runtime.providers import AUTO, uses_cores
from maskinfer.engine.schema import Count, Line

# Frames that share a run of the models when those of a recording are looked at one run after the other. In lanes each
# frame has runs of its own: on one thread of a CPU one frame takes 4.8 ms, each of a batch of 4 takes 5.7.
BATCH_IN_ONE_LANE = 4


@dataclass(frozen=True, slots=True)
class Way:
    """How a job runs.

    Attributes:
        provider: execution provider by its short name, or ``auto``.
        detector, classifier: names or files of the models.
        threads: of the CPU, that the models may use.
        lanes: frames of a recording that are looked at at the same time, each with its share of the threads.
        batch_frames: frames of a recording that share a run of the detector.
        codec_threads: of the decoder, and of the encoder.
    """

    provider: Line
    detector: Line
    classifier: Line
    threads: Count
    lanes: Count
    batch_frames: Count
    codec_threads: Count

    def __str__(self) -> str:
        """Return it for the reader."""
        parts = [
            f"{self.provider}: {self.detector}, {self.classifier}",
            _count(self.threads, "thread"),
            _count(self.lanes, "lane"),
            f"batches of {_count(self.batch_frames, 'frame')}",
            _count(self.codec_threads, "codec thread"),
        ]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Asked:
    """What models were asked for.

    Attributes:
        detector, classifier: names or files, or ``auto``.
        preset: what ``auto`` stands for; one of ``PRESETS``.
    """

    detector: str = AUTO
    classifier: str = AUTO
    preset: str = BALANCED

    def candidates(self, task: str) -> tuple[str, ...]:
        """Return the names of the models that it may be, which give the same answers: the float one first.

        Args:
            task: ``detector`` or ``classifier``.
        """
        named = self.detector if task == "detector" else self.classifier
        if named != AUTO:
            return (named,)
        preset = PRESETS[self.preset]
        name = preset.detector if task == "detector" else preset.classifier
        both = (name, f"{name}-int8")
        return tuple(one for one in both if one in SHIPPED)


def usual_way(asked: Asked, provider: str = AUTO, threads: int | None = None, lanes: int | None = None) -> Way:
    """Return how jobs run without a profile.

    Args:
        asked: the models.
        provider: see ``providers.resolve_provider``.
        threads: of the CPU; None for all that this process may use.
        lanes: None for those that give a recording most frames a second by what is known of the provider.

    Raises:
        RequestError, ProviderError: as ``providers.resolve_provider``.
    """
    budget = available_threads() if threads is None else threads
    lanes = most_lanes(provider, budget) if lanes is None else lanes
    preset = PRESETS[asked.preset]
    return Way(
        provider,
        _name(asked.detector, preset.detector, provider),
        _name(asked.classifier, preset.classifier, provider),
        budget,
        lanes,
        usual_batch(lanes),
        usual_codec_threads(budget),
    )


def most_lanes(provider: str = AUTO, threads: int | None = None) -> int:
    """Return how many lanes give a recording most frames a second: on a CPU as many as threads, elsewhere one."""
    if not uses_cores(provider):
        return 1
    return available_threads() if threads is None else threads


def usual_batch(lanes: int) -> int:
    """Return how many frames share a run of the models."""
    return BATCH_IN_ONE_LANE if lanes == 1 else 1


def usual_codec_threads(threads: int) -> int:
    """Return how many threads a codec gets: the models take most of the time of all stages, so the half."""
    return max(1, threads // 2)


def _name(named: str, standard: str, provider: str) -> str:
    return named if named != AUTO else best_precision_name(standard, provider)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"

"""Which ways are worth a race: the promising providers first, then one setting after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from maskinfer.benchmark.tune.alone import TASKS, Alone
from maskinfer.engine.runtime.providers import uses_cores
from maskinfer.engine.tuned.way import Way, usual_batch, usual_codec_threads

# Of the faces that the float models find on the CPU, and of those that a way finds, so many have to be the same.
LEAST_AGREEMENT = 0.99
# Whose models alone take so many times as long as those of the usual way is not raced.
_HOPELESS = 1.5


def entrants(alone: Sequence[Alone], usual: Way) -> Iterator[tuple[str, Way]]:
    """Yield each provider with those of its models that are fastest alone, the most promising first."""
    ways = []
    for provider in dict.fromkeys(one.provider for one in alone):
        chosen = [_fastest(alone, provider, task) for task in TASKS]
        if None in chosen:
            continue
        detector, classifier = (one for one in chosen if one is not None)
        lanes = usual.threads if uses_cores(provider) else 1
        way = Way(
            provider, detector.name, classifier.name, usual.threads, lanes, usual_batch(lanes),
            usual_codec_threads(usual.threads),
        )  # fmt: skip
        ways.append((detector.ms + classifier.ms, way))
    if not ways:
        return
    least = min(ms for ms, _ in ways)
    for ms, way in sorted(ways, key=lambda one: one[0]):
        if ms <= _HOPELESS * least or not uses_cores(way.provider):
            yield f"{way.provider}, {way.detector}, {way.classifier}", way


def _fastest(alone: Sequence[Alone], provider: str, task: str) -> Alone | None:
    fitting = [
        one for one in alone
        if (one.provider, one.task) == (provider, task) and one.agreement >= LEAST_AGREEMENT
    ]  # fmt: skip
    return min(fitting, key=lambda one: one.ms, default=None)


def moves(setting: str, way: Way, alone: Sequence[Alone]) -> Iterator[tuple[str, Way]]:
    """Yield the ways that differ from one in a single setting."""
    threads = way.threads
    some = sorted({1, max(1, threads // 2), threads})
    if setting == "lanes":
        for lanes in some if uses_cores(way.provider) else [min(2, threads)]:
            yield f"lanes {lanes}", replace(way, lanes=lanes, batch_frames=usual_batch(lanes))
    elif setting == "batch":
        for batch in (1, 2, 4) if way.lanes > 1 or uses_cores(way.provider) else (1, 2, 4, 8):
            yield f"batch {batch}", replace(way, batch_frames=batch)
    elif setting == "codecs":
        for count in some:
            yield f"codec threads {count}", replace(way, codec_threads=count)
    elif setting == "threads" and threads >= 4:
        half = threads // 2
        yield f"threads {half}", replace(way, threads=half, lanes=min(way.lanes, half))
    elif setting == "precision":
        for one in alone:
            named = way.detector if one.task == "detector" else way.classifier
            now = next((o.ms for o in alone if (o.name, o.provider) == (named, way.provider)), one.ms)
            if one.provider == way.provider and one.name != named and one.ms < _HOPELESS * now:
                other = replace(way, detector=one.name) if one.task == "detector" else replace(way, classifier=one.name)
                yield f"{one.task} {one.name}", other

"""One session in a process of its own: how long it takes to load, what memory it takes, which nodes its provider took.

python -m maskinfer.benchmark.probe MODEL PROVIDER THREADS 1,128,128,3 4,128,128,3
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskinfer.engine.errors import ModelError


@dataclass(frozen=True, slots=True)
class Probe:
    """What a fresh process told.

    Attributes:
        load_ms: from the file to a session.
        memory_mb: at most, less what the process had before the session, after runs of each shape and those before it.
        provider_kernels, other_kernels: kernels of one run, on the provider and on the CPU beside it.
    """

    load_ms: float
    memory_mb: list[float]
    provider_kernels: int
    other_kernels: int


Shape = tuple[int, ...]


def probe(model: str, provider: str, threads: int, shapes: Sequence[Shape], timeout_s: float | None = None) -> Probe:
    """Predict a fresh process.

    Args:
        model: the file.
        provider: by its short name.
        threads: of the CPU.
        shapes: of the inputs that it runs on, smallest first; uint8 or float32 as the graph takes. The kernels are
            those of the first.
        timeout_s: how long it may take; None for as long as it needs.

    Raises:
        ModelError: the process failed, or took too long.
    """
    texts = [",".join(map(str, shape)) for shape in shapes]
    command = [sys.executable, "-m", __spec__.name, model, provider, str(threads), *texts]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{model} on {provider} was not ready after {timeout_s:g} s, in a process of its own"
        ) from error
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        batch = max(shape[0] for shape in shapes)
        raise ModelError(
            f"{model} on {provider} failed in batches of up to {batch}, in a process of its own: "
            f"{reason[0][:300]}; ask for smaller batches if it is the memory"
        )
    return Probe(**json.loads(done.stdout.splitlines()[-1]))


def _measure(model: Path, provider: str, threads: int, shapes: Sequence[Shape]) -> Probe:
    from maskinfer.engine.runtime.providers import import_onnxruntime
    from maskinfer.engine.runtime.session import create_session

    import_onnxruntime()
    before_mb = _peak_mb()
    began_s = time.perf_counter()
    session = create_session(model, provider=provider, threads=threads)
    load_ms = (time.perf_counter() - began_s) * 1e3
    memory_mb = []
    for shape in shapes:
        feed = _feed(session, shape)
        for _ in range(2):
            session.run(None, feed)
        memory_mb.append(_peak_mb() - before_mb)
    del session
    own, other = _kernels(model, provider, threads, shapes[0])
    return Probe(load_ms, memory_mb, own, other)


def _feed(session: Any, shape: Shape) -> dict[str, Any]:
    graph_input = session.get_inputs()[0]
    return {graph_input.name: np.zeros(shape, np.uint8 if "uint8" in graph_input.type else np.float32)}


def _kernels(model: Path, provider: str, threads: int, shape: Shape) -> tuple[int, int]:
    """Count the kernels of one run by onnxruntime's own profile."""
    from maskinfer.engine.runtime.providers import CPU, resolve_provider
    from maskinfer.engine.runtime.session import create_session

    with tempfile.TemporaryDirectory() as folder:
        session = create_session(model, provider=provider, threads=threads, profile=Path(folder) / "profile")
        session.run(None, _feed(session, shape))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    places = [
        event["args"].get("provider", CPU)
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
    ]
    own = sum(place == resolve_provider(provider) for place in places)
    return own, len(places) - own


def _peak_mb() -> float:
    """Return the most memory that this process has held so far, in MB."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # the resource usage of a child begins with its parent's on Linux
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    os.environ.setdefault("ORT_LOGGING_LEVEL", "3")
    _model, _provider, _threads, *_texts = sys.argv[1:]
    _shapes = [tuple(int(side) for side in text.split(",")) for text in _texts]
    sys.stdout.write(json.dumps(asdict(_measure(Path(_model), _provider, int(_threads), _shapes))) + "\n")

"""The models that an archive is looked at with: the same on every machine, whatever each would choose for itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.catalog.shipped import SHIPPED
from maskinfer.engine.engine import Engine
from maskinfer.engine.files.scratch import scratch_folder
from maskinfer.engine.frames.annotate import PLAIN
from maskinfer.engine.jobs.journal import job_settings
from maskinfer.engine.load import load
from maskinfer.engine.presets import BALANCED
from maskinfer.engine.runtime.providers import AUTO
from maskinfer.engine.sources.decoder import CPU
from maskinfer.engine.tuned.way import Asked, usual_way

_GPU_PROVIDERS = {"cuda", "tensorrt"}
# A GPU has room for the models of several workers, whose cores decode and encode.
_WORKERS_A_GPU = 4


@dataclass(frozen=True, slots=True)
class Models:
    """Models for all machines.

    Attributes:
        engine: them, on this machine's CPU.
        arguments: of ``engine.load.load``.
        files: the bytes of those that are not shipped with maskinfer, by the argument and the file's name.
        digest: by which another machine knows that it has the same.
        gpus: share of a GPU that a worker needs.
    """

    engine: Engine
    arguments: Mapping[str, Any]
    files: Mapping[str, tuple[str, bytes]]
    digest: str
    gpus: float


def models_for(arguments: Mapping[str, Any]) -> Models:
    """Return the models that arguments of ``load`` mean; ``auto`` is the CPU, and what is best on this machine's.

    Raises:
        ModelError, RequestError, ProviderError: as ``load``.
    """
    chosen = {"detector": AUTO, "classifier": AUTO, "preset": BALANCED, "provider": AUTO, **arguments}
    chosen |= {"threads": 1, "lanes": 1}
    provider = chosen["provider"] = "cpu" if chosen["provider"] == AUTO else str(chosen["provider"])
    is_gpu = provider.lower() in _GPU_PROVIDERS
    files = {}
    asked = Asked(chosen["detector"], chosen["classifier"], chosen["preset"])
    # This machine may have no GPU; what the models are does not depend on it.
    usual = None if is_gpu else usual_way(asked, provider, 1)
    names = {} if usual is None else {"detector": usual.detector, "classifier": usual.classifier}
    for task in ("detector", "classifier"):
        chosen[task] = names.get(task, asked.candidates(task)[0])
        if chosen[task] not in SHIPPED:
            file = find_model(str(chosen[task]), task)
            files[task] = file.name, file.read_bytes()
    engine = load(**{**chosen, "decoder": CPU, **({"provider": "cpu"} if is_gpu else {})})
    return Models(engine, chosen, files, models_digest(engine), 1 / _WORKERS_A_GPU if is_gpu else 0.0)


def models_digest(engine: Engine) -> str:
    """Return a digest of the models and the version, by which two machines know that they give the same results."""
    return job_settings(engine, None, PLAIN, None).digest


def open_models(arguments: Mapping[str, Any], files: Mapping[str, tuple[str, bytes]]) -> Engine:
    """Open the models on another machine.

    Raises:
        as ``load``.
    """
    if not files:
        return load(**arguments)
    with scratch_folder("models") as folder:
        paths = {}
        for task, (name, data) in files.items():
            paths[task] = Path(folder, hashlib.sha256(data).hexdigest()[:8], name)
            paths[task].parent.mkdir(exist_ok=True)
            paths[task].write_bytes(data)
        return load(**{**arguments, **{task: str(path) for task, path in paths.items()}})

"""The actor: one on each core, with its models loaded once."""

from __future__ import annotations

import os
import threading
from typing import Any

from maskinfer import __version__
from maskinfer.cluster.attempt import Meter, attempt
from maskinfer.cluster.jobs import Beat, Job, Outcome, Setup
from maskinfer.cluster.models import models_digest, open_models
from maskinfer.engine.errors import RequestError


class Worker:
    """Does one job at a time; asked meanwhile how far it is."""

    def __init__(self, setup: Setup) -> None:
        # Not those of a thread, which is what Ray calls an actor's methods in.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        self._setup = setup
        self._engine = open_models(setup.models, setup.model_files)
        if models_digest(self._engine) != setup.models_digest:
            raise RequestError(
                f"this machine has other models or another version of maskinfer ({__version__}) than the one that the "
                "command runs on: install the same everywhere"
            )
        self._meter, self._lock = Meter(), threading.Lock()

    def node(self) -> str:
        """Return the id of the machine."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def do(self, job: Job) -> Outcome:
        """Do a job."""
        with self._lock:
            self._meter = meter = Meter()
            return attempt(self._engine, self._setup, job, meter)

    def beat(self) -> Beat:
        """Return how far it is."""
        return self._meter.beat


def actor_class(gpus: float) -> Any:
    """Return the class of the actors, as Ray has it."""
    import ray

    options: dict[str, Any] = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "max_concurrency": 2}
    return ray.remote(**options)(Worker)

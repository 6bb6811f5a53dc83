"""The process that speaks with Ray: ``python -m maskinfer.cluster.link``.

A process of its own, because Ray ends the process that drives it when the head of the cluster is gone for long, and
because it writes to standard output. It takes pickled messages from standard input and gives some to standard output;
when its standard input ends, so does it.
"""

from __future__ import annotations

import os
import pickle
import queue
import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from maskinfer.cluster.jobs import Beat, Job, Outcome, Setup
from maskinfer.cluster.messages import LOCAL, Died, Done, Hello, Lost, State
from maskinfer.cluster.worker import actor_class

# Nothing but small messages goes through it: what the models said of pieces lies in files.
_STORE_BYTES = 80 << 20
_POLL_S, _LOOK_S, _STUCK_S = 0.1, 1.0, 900.0
_FAILED_STARTS, _BEGINNINGS = 3, 3
_LET_GO_S, _KNOCK_S = 10.0, 10.0


@dataclass(slots=True)
class _Actor:
    handle: Any
    pending: Any = None
    node: str = ""
    job: Job | None = None
    beat: Beat = field(default_factory=Beat)
    beat_ref: Any = None
    moved_s: float = field(default_factory=time.monotonic)


def main() -> None:
    """Do what standard input says until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever Ray prints is no message
    asked: queue.Queue[Any] = queue.Queue()
    hello = pickle.load(sys.stdin.buffer)  # from the command, which began this process
    threading.Thread(target=_read, args=(sys.stdin.buffer, asked), daemon=True).start()
    try:
        _connect(hello)
    except Exception as error:  # whatever Ray raises
        _send(answers, Lost(_one_line(error)))
        os._exit(1)
    try:
        _Pool(hello.setup, answers).run(asked)
    except Exception as error:
        _send(answers, Lost(_one_line(error)))
        os._exit(1)
    os._exit(0)


def _read(stdin: BinaryIO, asked: queue.Queue[Any]) -> None:
    while True:
        try:
            asked.put(pickle.load(stdin))
        except Exception as error:  # it has ended: the command is gone
            print(f"the command is gone: {error!r}", file=sys.stderr, flush=True)  # noqa: T201 - for whoever looks
            # Ray waits for a head that is gone before it lets go.
            threading.Timer(_LET_GO_S, os._exit, (0,)).start()
            import ray

            ray.shutdown()
            os._exit(0)


def _send(answers: BinaryIO, message: Any) -> None:
    try:
        pickle.dump(message, answers)
        answers.flush()
    except BrokenPipeError:
        os._exit(0)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _connect(hello: Hello) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if hello.address == LOCAL:
        # For whoever else is on this machine; Ray would write one of its own into the home folder.
        os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
        _begin_here(hello.setup.workers, {**common, "_temp_dir": hello.folder})
    else:
        _knock(hello.address)
        import ray

        ray.init(address=hello.address, **common)


def _knock(address: str) -> None:
    """See whether anybody answers at ``HOST:PORT``, which Ray would find out in minutes.

    Raises:
        OSError: nobody does.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()


def _begin_here(cores: int | None, common: dict[str, Any]) -> None:
    """Begin a cluster of this machine alone; Ray gives it thirty seconds, which on a busy machine is not enough."""
    import ray

    for left in reversed(range(_BEGINNINGS)):
        try:
            ray.init(num_cpus=cores, include_dashboard=False, object_store_memory=_STORE_BYTES, **common)
        except Exception:  # whatever Ray raises
            ray.shutdown()
            if not left:
                raise
        else:
            return


class _Pool:
    """As many workers as the cluster has cores, each with a job as long as there is one."""

    def __init__(self, setup: Setup, answers: BinaryIO) -> None:
        self._class = actor_class(setup.gpus)
        self._setup, self._answers = setup, answers
        self._waiting: list[Job] = []
        self._actors: list[_Actor] = []
        self._looked_s, self._failed_starts = 0.0, 0

    def run(self, asked: queue.Queue[Any]) -> None:
        import ray

        while True:
            while not asked.empty():
                self._waiting.append(asked.get())
            if time.monotonic() - self._looked_s > _LOOK_S:
                self._looked_s = time.monotonic()
                self._look()
            refs = {one.pending: one for one in self._actors if one.pending is not None}
            ready = ray.wait(list(refs), timeout=_POLL_S)[0] if refs else []
            if not refs:
                time.sleep(_POLL_S)
            for ref in ready:
                self._take(refs[ref])
            self._assign()

    def _look(self) -> None:
        """Have as many workers as cores, ask them how far they are, and tell."""
        import ray

        nodes = [node for node in ray.nodes() if node["Alive"]]
        cores = int(sum(node["Resources"].get("CPU", 0) for node in nodes))
        if self._setup.gpus:
            gpus = sum(node["Resources"].get("GPU", 0) for node in nodes)
            cores = min(cores, int(gpus / self._setup.gpus))
        busy = sum(one.job is not None for one in self._actors)
        wanted = min(self._setup.workers or cores, cores, busy + len(self._waiting))
        for _ in range(wanted - len(self._actors)):
            actor = _Actor(self._class.remote(self._setup))
            actor.pending = actor.handle.node.remote()
            self._actors.append(actor)
        for actor in [one for one in self._actors if not one.node][: max(0, len(self._actors) - wanted)]:
            self._drop(actor)  # of a machine that is gone, and waits for a core
        self._ask_beats()
        beats = {one.job.id: one.beat for one in self._actors if one.job is not None}
        workers = sum(bool(one.node) for one in self._actors)
        _send(self._answers, State(len({one.node for one in self._actors if one.node}), workers, beats))

    def _ask_beats(self) -> None:
        import ray

        for actor in [one for one in self._actors if one.job is not None]:
            if actor.beat_ref is not None and ray.wait([actor.beat_ref], timeout=0)[0]:
                beat = _value(actor.beat_ref)
                if isinstance(beat, Beat):
                    if beat.ticks != actor.beat.ticks:
                        actor.moved_s = time.monotonic()
                    actor.beat = beat
                actor.beat_ref = None
            if actor.beat_ref is None:
                actor.beat_ref = actor.handle.beat.remote()
            if time.monotonic() - actor.moved_s > _STUCK_S and actor.job is not None:
                job, node = actor.job, actor.node
                self._drop(actor)
                _send(self._answers, Died(job.id, node, False, f"nothing went on for {_STUCK_S / 60:.0f} minutes"))

    def _drop(self, actor: _Actor) -> None:
        import ray

        ray.kill(actor.handle)
        self._actors.remove(actor)

    def _take(self, actor: _Actor) -> None:
        """Take what a worker says, or that it is gone."""
        said, job = _value(actor.pending), actor.job
        actor.pending, actor.job, actor.beat_ref = None, None, None
        if isinstance(said, Outcome) and job is not None:
            said.node = actor.node
            _send(self._answers, Done(job.id, said))
        elif isinstance(said, str):
            actor.node, self._failed_starts = said, 0
        else:
            self._actors.remove(actor)
            reason = _one_line(said) if isinstance(said, BaseException) else "it said nothing"
            self._tell_death(actor, job, reason)

    def _tell_death(self, actor: _Actor, job: Job | None, reason: str) -> None:
        if job is not None:
            _send(self._answers, Died(job.id, actor.node, self._is_gone(actor.node), _died_of(reason)))
        elif not actor.node:
            # Where it cannot even begin, others cannot either.
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                _send(self._answers, Lost(_cause(reason), is_ours=True))
                os._exit(1)

    def _is_gone(self, node: str) -> bool:
        """Tell whether a machine is gone; the head learns that a little later than that its workers are."""
        import ray

        for _ in range(20):
            if not any(one["NodeID"] == node and one["Alive"] for one in ray.nodes()):
                return True
            time.sleep(_POLL_S)
        return False

    def _assign(self) -> None:
        for actor in [one for one in self._actors if one.node and one.job is None]:
            if not self._waiting:
                return
            nodes = {one.node for one in self._actors if one.node}
            # A node that failed it is as good as any where there is no other.
            fitting = (i for i, job in enumerate(self._waiting) if actor.node not in job.avoid or nodes <= job.avoid)
            at = next(fitting, None)
            if at is not None:
                job = self._waiting.pop(at)
                actor.job, actor.beat, actor.moved_s = job, Beat(), time.monotonic()
                actor.pending = actor.handle.do.remote(job)


def _value(ref: Any) -> Any:
    import ray

    try:
        return ray.get(ref)
    except Exception as error:  # that the worker is gone, or whatever it raised
        return error


def _died_of(reason: str) -> str:
    return "the process that looked at it died" if "died" in reason else _cause(reason)


def _cause(reason: str) -> str:
    """Return what a worker raised, without the traceback that Ray puts before it."""
    last = reason.rpartition("Error: ")[2]
    return last or reason


if __name__ == "__main__":
    main()
